"""onnxruntime's C API, called by function pointer from inside the loop.

`libonnxruntime.so` ships in the wheel and exports OrtGetApiBase; OrtApi is a table of function pointers whose order never changes (new
functions are appended: onnxruntime_c_api.h, "must not be changed"). A session with fixed input and output tensors is made here, once;
the loop fills the input, calls RunWithBinding with addresses out of an array, and reads the output. Nothing of Python is in that path. What is
nothing but dense layers becomes one operator of our own (noderrd.lane.dense), because each of onnxruntime's costs half a microsecond of its own.
"""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from core.integer import i64
from core.jit import entry, kernel
from core.layout import SCORES
from noderrd.lane import dense_model
from noderrd.lane.dense import Network
from noderrd.lane.pointer import call5

API_VERSION = 16  # onnxruntime 1.16: everything used here is older
# Places in OrtApi.
GET_ERROR_MESSAGE, CREATE_ENV, CREATE_SESSION_FROM_ARRAY, CREATE_SESSION_OPTIONS = 2, 3, 8, 10
SET_EXECUTION_MODE, SET_OPTIMIZATION, SET_INTRA_THREADS, SET_INTER_THREADS = 13, 23, 24, 25
DISABLE_MEM_PATTERN = 17
CREATE_DOMAIN, DOMAIN_ADD, ADD_DOMAIN = 26, 27, 28
GET_TENSOR_DATA, CONTEXT_GET_INPUT, CONTEXT_GET_OUTPUT = 51, 90, 91
RUN_WITH_BINDING, CREATE_BINDING, RELEASE_BINDING, BIND_INPUT, BIND_OUTPUT = 133, 134, 135, 136, 137
FUNCTIONS = 138  # as far as we look
CREATE_TENSOR_WITH_DATA, CREATE_CPU_MEMORY_INFO = 49, 69
RELEASE_ENV, RELEASE_STATUS, RELEASE_MEMORY_INFO, RELEASE_SESSION, RELEASE_VALUE, RELEASE_SESSION_OPTIONS = 92, 93, 94, 95, 96, 100
FLOAT = 1  # ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
CALL_WORDS = 16
WARM_RUNS = 50
CHECKED_ROWS = 16


class ModelError(Exception):
    """The model cannot be run; the message says why and, where it can, what would fit."""


def _library() -> ctypes.CDLL:
    """Open the library inside the installed wheel."""
    import onnxruntime

    folder = Path(onnxruntime.__file__).parent / "capi"
    for file in sorted(folder.glob("libonnxruntime.so*")):
        return ctypes.CDLL(str(file))
    # the wheel links it into its own extension module, which exports the same symbol
    for file in sorted(folder.glob("onnxruntime_pybind11_state*.so")):
        return ctypes.CDLL(str(file))
    message = f"no onnxruntime library in {folder}"
    raise ModelError(message)


class Api:
    """The table of functions, each callable by its place; a failed call raises ModelError with onnxruntime's words."""

    def __init__(self) -> None:
        base = _library().OrtGetApiBase
        base.restype = ctypes.POINTER(ctypes.c_void_p * 2)
        get_api = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)(base().contents[0] or 0)
        table = get_api(API_VERSION)
        if not table:
            message = f"this onnxruntime does not speak version {API_VERSION} of its C API"
            raise ModelError(message)
        self.functions = (ctypes.c_void_p * FUNCTIONS).from_address(table)

    def call(self, place: int, *arguments: Any) -> None:
        """Call a function that gives an OrtStatus."""
        status = ctypes.CFUNCTYPE(ctypes.c_void_p, *[ctypes.c_void_p] * len(arguments))(self.functions[place] or 0)(*arguments)
        if status:
            self.fail(status)

    def fail(self, status: int) -> None:
        """Raise what a status says, and release it."""
        text = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)(self.functions[GET_ERROR_MESSAGE] or 0)(status)
        self.release(RELEASE_STATUS, status)
        raise ModelError((text or b"unknown error").decode(errors="replace"))

    def release(self, place: int, handle: int | None) -> None:
        """Release a handle."""
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.functions[place] or 0)(handle)


def _reference(path: Path) -> Any:
    """Load a model as onnxruntime's own Python does. Raises ModelError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        message = f"{path}: not a model that onnxruntime can load: {str(error).splitlines()[0]}"
        raise ModelError(message) from error


def _shape(path: Path, session: Any, n_features: int) -> tuple[str, str]:
    """Check a model's input and output; gives their names. Raises ModelError with what was found and what would fit."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 2:
        found = ", ".join(f"{i.name}: {i.type}{i.shape}" for i in inputs)
        message = f"{path}: one input float32[1, {n_features}] is wanted, the model has {found}"
        raise ModelError(message)
    if inputs[0].shape[1] != n_features or (isinstance(inputs[0].shape[0], int) and inputs[0].shape[0] != 1):
        message = f"{path}: its input is float32{inputs[0].shape}, but {n_features} features are named: float32[1, {n_features}] is wanted"
        raise ModelError(message)
    good = [o for o in outputs if o.type == "tensor(float)" and len(o.shape) == 2 and o.shape[1] == SCORES]
    if len(good) != 1:
        found = ", ".join(f"{o.name}: {o.type}{o.shape}" for o in outputs)
        message = f"{path}: one output float32[1, {SCORES}] (down, flat, up) is wanted, the model has {found}"
        raise ModelError(message)
    return inputs[0].name, good[0].name


class Model:
    """A loaded model: `input` float32[1, n], `output` float32[1, 3], `call` uint64[16] for `run`. Keep it as long as the loop may run it.

    `dense` tells whether it runs as one operator of ours. Raises ModelError when the file is no model or does not fit, OSError when it cannot be
    read.
    """

    def __init__(self, path: Path, features: list[str]) -> None:
        content = path.read_bytes()
        reference = _reference(path)
        names = _shape(path, reference, len(features))
        self.input = np.zeros((1, len(features)), np.float32)
        self.output = np.zeros((1, SCORES), np.float32)
        self.call = np.zeros(CALL_WORDS, np.uint64)
        self._api, self._names = Api(), (names[0].encode(), names[1].encode())
        self._env, self._session, self._binding = (ctypes.c_void_p() for _ in range(3))
        self._api.call(CREATE_ENV, 3, b"noderrd", ctypes.byref(self._env))
        self._values = [self._tensor(self.input), self._tensor(self.output)]
        self.dense = self._open_dense(content) and self._agrees(reference)
        if not self.dense:
            self._open(content, None)

    def _open_dense(self, content: bytes) -> bool:
        """Open a session of one operator, if that is what the model is."""
        chain = dense_model.read(content, *(name.decode() for name in self._names))
        if chain is None or len(chain.layers[0].weights) != self.input.shape[1] or len(chain.layers[-1].bias) != SCORES:
            return False
        functions, domain = self._api.functions, ctypes.c_void_p()
        self._network = Network(chain, functions[CONTEXT_GET_INPUT] or 0, functions[CONTEXT_GET_OUTPUT] or 0, functions[GET_TENSOR_DATA] or 0)
        self._api.call(CREATE_DOMAIN, dense_model.DOMAIN, ctypes.byref(domain))
        self._api.call(DOMAIN_ADD, domain, ctypes.byref(self._network.operator))
        self._open(dense_model.one_node(self._names[0], self.input.shape[1], self._names[1], SCORES), domain)
        return True

    def _agrees(self, reference: Any) -> bool:
        """Tell whether the operator gives what onnxruntime's own give, but for rounding; what was misread must never trade."""
        for row in np.random.default_rng(0).normal(0, 3, (CHECKED_ROWS, *self.input.shape)).astype(np.float32):
            self.input[:] = row
            self._check(run_once(self.call))
            (wanted,) = reference.run([self._names[1].decode()], {self._names[0].decode(): row})
            scale = np.abs(wanted).max()
            if not np.allclose(self.output, wanted, rtol=1e-3, atol=1e-3 * (scale if np.isfinite(scale) else 1), equal_nan=True):
                return False
        self.input[:] = 0
        return True

    def _open(self, content: bytes, domain: ctypes.c_void_p | None) -> None:
        """Open a session on the two tensors, instead of the one that was open, and run it until it is warm."""
        api, options = self._api, ctypes.c_void_p()
        api.release(RELEASE_BINDING, self._binding.value)
        api.release(RELEASE_SESSION, self._session.value)
        api.call(CREATE_SESSION_OPTIONS, ctypes.byref(options))
        api.call(SET_INTRA_THREADS, options, 1)
        api.call(SET_INTER_THREADS, options, 1)
        api.call(SET_EXECUTION_MODE, options, 0)
        api.call(SET_OPTIMIZATION, options, 99)
        if domain is not None:
            api.call(ADD_DOMAIN, options, domain)
            api.call(DISABLE_MEM_PATTERN, options)  # one operator has nothing between operators to plan memory for
        api.call(CREATE_SESSION_FROM_ARRAY, self._env, content, len(content), options, ctypes.byref(self._session))
        api.release(RELEASE_SESSION_OPTIONS, options.value)
        api.call(CREATE_BINDING, self._session, ctypes.byref(self._binding))
        api.call(BIND_INPUT, self._binding, self._names[0], self._values[0])
        api.call(BIND_OUTPUT, self._binding, self._names[1], self._values[1])
        self.call[:3] = [api.functions[RUN_WITH_BINDING] or 0, self._session.value or 0, self._binding.value or 0]
        for _ in range(WARM_RUNS):
            self._check(run_once(self.call))

    def _check(self, status: int) -> None:
        """Raise what a run's status says."""
        if status != 0:
            self._api.fail(status)

    def _tensor(self, array: np.ndarray) -> ctypes.c_void_p:
        """Give an OrtValue over an array's own memory."""
        memory, value, shape = ctypes.c_void_p(), ctypes.c_void_p(), (ctypes.c_int64 * 2)(*array.shape)
        self._api.call(CREATE_CPU_MEMORY_INFO, 0, 0, ctypes.byref(memory))
        self._api.call(CREATE_TENSOR_WITH_DATA, memory, array.ctypes.data, array.nbytes, shape, 2, FLOAT, ctypes.byref(value))
        self._api.release(RELEASE_MEMORY_INFO, memory.value)
        return value


@kernel
def run(call: np.ndarray) -> int:
    """Run a model on what its input holds: 0, or the address of an OrtStatus.

    OrtApi::RunWithBinding(session, run options, binding).
    """
    return call5(i64(call[0]), i64(call[1]), i64(0), i64(call[2]), i64(0), i64(0))


@entry
def run_once(call: np.ndarray) -> int:
    """Run from Python: warm-up and tests."""
    return run(call)
