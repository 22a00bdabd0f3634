"""onnxruntime's C API, called by function pointer from inside the loop.

`libonnxruntime.so` ships in the wheel and exports OrtGetApiBase; OrtApi is a table of function pointers whose order never changes (new
functions are appended: onnxruntime_c_api.h, "must not be changed"). A session with fixed input and output tensors is made here, once;
the loop fills the input, calls Run with addresses out of an array, and reads the output. Nothing of Python is in that path.
"""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from core.integer import i64
from core.jit import entry, kernel
from core.layout import SCORES
from noderrd.lane.pointer import call8

API_VERSION = 16  # onnxruntime 1.16: everything used here is older
# Places in OrtApi.
GET_ERROR_MESSAGE, CREATE_ENV, CREATE_SESSION_FROM_ARRAY, RUN, CREATE_SESSION_OPTIONS = 2, 3, 8, 9, 10
SET_EXECUTION_MODE, SET_OPTIMIZATION, SET_INTRA_THREADS, SET_INTER_THREADS = 13, 23, 24, 25
CREATE_TENSOR_WITH_DATA, CREATE_CPU_MEMORY_INFO = 49, 69
RELEASE_ENV, RELEASE_STATUS, RELEASE_MEMORY_INFO, RELEASE_SESSION, RELEASE_VALUE, RELEASE_SESSION_OPTIONS = 92, 93, 94, 95, 96, 100
FLOAT = 1  # ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
CALL_WORDS = 16
WARM_RUNS = 50


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
        self.functions = (ctypes.c_void_p * 128).from_address(table)

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


def _shape(path: Path, n_features: int) -> tuple[bytes, bytes]:
    """Check a model's input and output; gives their names. Raises ModelError with what was found and what would fit."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        message = f"{path}: not a model that onnxruntime can load: {str(error).splitlines()[0]}"
        raise ModelError(message) from error
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
    return inputs[0].name.encode(), good[0].name.encode()


class Model:
    """A loaded model: `input` float32[1, n], `output` float32[1, 3], `call` uint64[16] for `run`. Keep it as long as the loop may run it.

    Raises ModelError when the file is no model or does not fit, OSError when it cannot be read.
    """

    def __init__(self, path: Path, features: list[str]) -> None:
        content = path.read_bytes()
        names = _shape(path, len(features))
        self.input = np.zeros((1, len(features)), np.float32)
        self.output = np.zeros((1, SCORES), np.float32)
        self._api, self._content, self._names = Api(), content, names
        self._env, options, self._session, memory = (ctypes.c_void_p() for _ in range(4))
        api = self._api
        api.call(CREATE_ENV, 3, b"noderrd", ctypes.byref(self._env))
        api.call(CREATE_SESSION_OPTIONS, ctypes.byref(options))
        api.call(SET_INTRA_THREADS, options, 1)
        api.call(SET_INTER_THREADS, options, 1)
        api.call(SET_EXECUTION_MODE, options, 0)
        api.call(SET_OPTIMIZATION, options, 99)
        api.call(CREATE_SESSION_FROM_ARRAY, self._env, content, len(content), options, ctypes.byref(self._session))
        api.call(CREATE_CPU_MEMORY_INFO, 0, 0, ctypes.byref(memory))
        self._values = [self._tensor(memory, self.input), self._tensor(memory, self.output)]
        api.release(RELEASE_SESSION_OPTIONS, options.value)
        api.release(RELEASE_MEMORY_INFO, memory.value)
        self._words = (ctypes.c_void_p * 4)(
            ctypes.cast(ctypes.c_char_p(names[0]), ctypes.c_void_p).value,
            self._values[0].value,
            ctypes.cast(ctypes.c_char_p(names[1]), ctypes.c_void_p).value,
            self._values[1].value,
        )
        base = ctypes.addressof(self._words)
        self.call = np.zeros(CALL_WORDS, np.uint64)
        self.call[:6] = [api.functions[RUN] or 0, self._session.value or 0, base, base + 8, base + 16, base + 24]
        for _ in range(WARM_RUNS):
            status = run_once(self.call)
            if status != 0:
                api.fail(status)

    def _tensor(self, memory: ctypes.c_void_p, array: np.ndarray) -> ctypes.c_void_p:
        """Give an OrtValue over an array's own memory."""
        value, shape = ctypes.c_void_p(), (ctypes.c_int64 * 2)(*array.shape)
        self._api.call(CREATE_TENSOR_WITH_DATA, memory, array.ctypes.data, array.nbytes, shape, 2, FLOAT, ctypes.byref(value))
        return value


@kernel
def run(call: np.ndarray) -> int:
    """Run a model on what its input holds: 0, or the address of an OrtStatus.

    OrtApi::Run(session, run options, input names, inputs, 1, output names, 1, outputs).
    """
    return call8(i64(call[0]), i64(call[1]), i64(0), i64(call[2]), i64(call[3]), i64(1), i64(call[4]), i64(1), i64(call[5]))


@entry
def run_once(call: np.ndarray) -> int:
    """Run from Python: warm-up and tests."""
    return run(call)
