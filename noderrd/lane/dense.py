"""A small dense network as one operator of onnxruntime: all its layers in one call, where an operator each costs half a microsecond each.

The arithmetic of 32-64-64-3 is 6,336 multiplications, 0.2 us; what onnxruntime spends between two operators is more than that. So a model that is
nothing but dense layers (`dense_model.read`) is given to onnxruntime as a single node of a custom operator, made here in this process: a struct of
function pointers (OrtCustomOp in onnxruntime_c_api.h) whose KernelComputeV2 is a compiled callback. It takes no lock and allocates nothing; its
weights and its scratch are a network's own, so one network runs in one thread at a time.
"""
# ruff: noqa: FURB136 - max and min would lose NaN

import ctypes
import functools
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from core.integer import i64
from core.jit import kernel
from noderrd.lane.dense_model import MAX_LAYERS, OPERATOR, Activation, Chain
from noderrd.lane.pointer import call5, copy, floats, pointer

tools: Any = cgutils  # its module has no types
jit: Any = numba
f32: Any = np.float32

LANES = 16  # a layer's outputs are padded with zeros to whole vectors of a 512-bit machine
WIDE = 4 * LANES

LAYER = np.dtype([("n", "i8"), ("m", "i8"), ("activation", "i8"), ("weights", "u8"), ("bias", "u8")], align=True)
NETWORK = np.dtype(
    [
        ("get_input", "u8"),  # addresses of OrtApi's KernelContext_GetInput, KernelContext_GetOutput, GetTensorMutableData
        ("get_output", "u8"),
        ("get_data", "u8"),
        ("value", "u8"),  # where they answer
        ("data", "u8"),
        ("shape", "i8", 2),  # of the output
        ("scratch", "u8", 2),  # a layer reads one and writes the other
        ("softmax", "i8"),
        ("n_layers", "i8"),
        ("layers", LAYER, MAX_LAYERS),
    ],
    align=True,
)
VALUE, DATA, SHAPE = (NETWORK.fields[name][1] for name in ("value", "data", "shape"))  # type: ignore[index]

ZERO = f32(0)


def _columns(vectors: int, chains: int) -> Any:
    """Give the intrinsic y[first : first + 16 vectors] += x @ w[:, first : ...]: the sums stay in registers, which numba's own loops do not reach.

    `chains` sums run side by side for each vector, because each has to wait for its last addition.
    """
    whole, word, vector = ir.IntType(64), ir.IntType(32), ir.VectorType(ir.FloatType(), LANES)

    @intrinsic
    def columns(_context: Any, w: Any, x: Any, y: Any, _first: Any) -> Any:
        """Take w float32[n, m], x float32[n], y float32[m]."""

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            given = [context.make_array(kind)(context, builder, value) for kind, value in zip(signature.args[:3], arguments[:3], strict=True)]
            weights, inputs, outputs = (it.data for it in given)
            n, m = tools.unpack_tuple(builder, given[0].shape)
            zero, none = ir.Constant(vector, [0.0] * LANES), ir.Constant(vector, ir.Undefined)
            firsts = [builder.add(arguments[3], whole(LANES * v)) for v in range(vectors)]

            def at(base: Any, index: Any) -> Any:
                return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())

            sums = [
                [tools.alloca_once_value(builder, zero if c else builder.load(at(outputs, first), align=4)) for c in range(chains)]
                for first in firsts
            ]

            def take(i: Any, c: int) -> None:
                """Add an input's row of weights to the sums of a chain."""
                one = builder.insert_element(none, builder.load(builder.gep(inputs, [i])), word(0))
                same = builder.shuffle_vector(one, none, ir.Constant(ir.VectorType(word, LANES), [0] * LANES))
                for v, first in enumerate(firsts):
                    row = builder.load(at(weights, builder.add(builder.mul(i, m), first)), align=4)
                    product = builder.fmul(same, row, flags=("contract",))
                    builder.store(builder.fadd(product, builder.load(sums[v][c]), flags=("contract",)), sums[v][c])

            rounds = builder.mul(builder.sdiv(n, whole(chains)), whole(chains))
            with tools.for_range_slice(builder, whole(0), rounds, whole(chains), whole) as (i, _):
                for c in range(chains):
                    take(builder.add(i, whole(c)), c)
            with tools.for_range_slice(builder, rounds, n, whole(1), whole) as (i, _):
                take(i, 0)
            for v, first in enumerate(firsts):
                total = builder.load(sums[v][0])
                for c in range(1, chains):
                    total = builder.fadd(total, builder.load(sums[v][c]))
                builder.store(total, at(outputs, first), align=4)
            return context.get_dummy_value()

        return types.none(w, x, y, types.int64), build

    return columns


_wide, _narrow = _columns(4, 1), _columns(1, 4)


@kernel
def layer(w: np.ndarray, bias: np.ndarray, x: np.ndarray, y: np.ndarray, activation: int) -> None:
    """Compute y = activation(x @ w + bias): float32[n, m], [m], [n], [m], with m in whole vectors."""
    m = w.shape[1]
    for j in range(m):
        y[j] = bias[j]
    first = 0
    while first + WIDE <= m:
        _wide(w, x, y, first)
        first += WIDE
    while first < m:
        _narrow(w, x, y, first)
        first += LANES
    if activation == Activation.RELU:
        for j in range(m):
            y[j] = ZERO if y[j] < ZERO else y[j]


@kernel
def softmax(y: np.ndarray) -> None:
    """Turn float32[m] into chances, in place."""
    top = y[0]
    for j in range(y.shape[0]):
        top = y[j] if y[j] > top else top
    total = ZERO
    for j in range(y.shape[0]):
        y[j] = np.exp(y[j] - top)
        total += y[j]
    for j in range(y.shape[0]):
        y[j] = y[j] / total


@kernel
def forward(net: np.ndarray, source: int, target: int) -> None:
    """Run NETWORK[1] from the floats at one address to those at another."""
    x, y = source, source
    for k in range(net[0]["n_layers"]):
        n, m = net[0]["layers"][k]["n"], net[0]["layers"][k]["m"]
        y = i64(net[0]["scratch"][k & 1])
        w, bias = floats(i64(net[0]["layers"][k]["weights"]), (n, m)), floats(i64(net[0]["layers"][k]["bias"]), (m,))
        layer(w, bias, floats(x, (n,)), floats(y, (m,)), net[0]["layers"][k]["activation"])
        x = y
    outputs = floats(y, (net[0]["shape"][1],))
    if net[0]["softmax"]:
        softmax(outputs)
    copy(target, y, 4 * outputs.shape[0])


def compute(address: int, context: int) -> int:
    """KernelComputeV2(kernel, OrtKernelContext *): 0, or the OrtStatus of the call that failed."""
    net = jit.carray(pointer(address), (1,), NETWORK)
    failed = call5(i64(net[0]["get_input"]), context, 0, address + VALUE, 0, 0)
    if failed:
        return failed
    failed = call5(i64(net[0]["get_data"]), i64(net[0]["value"]), address + DATA, 0, 0, 0)
    if failed:
        return failed
    source = i64(net[0]["data"])
    failed = call5(i64(net[0]["get_output"]), context, 0, address + SHAPE, 2, address + VALUE)
    if failed:
        return failed
    failed = call5(i64(net[0]["get_data"]), i64(net[0]["value"]), address + DATA, 0, 0, 0)
    if failed:
        return failed
    forward(net, source, i64(net[0]["data"]))
    return 0


@functools.cache
def _callback() -> Any:
    """Compile the callback, or take it from the cache."""
    return jit.cfunc(types.int64(types.int64, types.int64), cache=True, error_model="numpy")(compute)


# OrtCustomOp's small questions have two answers: 1 (one input, one output, FLOAT) and 0 (required, default memory, CPU, nothing to destroy).
ANSWER = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t)
CREATE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))
NAME = ctypes.create_string_buffer(OPERATOR)
VERSION = 16  # of the struct: newer fields are not read
FIELDS = (
    "create", "name", "provider", "input_type", "inputs", "output_type", "outputs", "compute", "destroy", "input_kind", "output_kind", "input_memory",
    "input_arity", "input_same", "output_arity", "output_same", "create_v2", "compute_v2", "infer_shape", "first_version", "last_version",
)  # fmt: skip


class _Operator(ctypes.Structure):
    """OrtCustomOp, and behind it what is ours."""

    _fields_ = (("version", ctypes.c_uint32), *((name, ctypes.c_void_p) for name in FIELDS), ("network", ctypes.c_void_p))


_zero, _one = ANSWER(lambda _operator, _index: 0), ANSWER(lambda _operator, _index: 1)
_name = ANSWER(lambda _operator, _index: ctypes.addressof(NAME))


def _kernel(operator: int, _api: int, _info: int, kernel: Any) -> int:
    """Give the operator's network as its kernel."""
    kernel[0] = _Operator.from_address(operator).network
    return 0


_create = CREATE(_kernel)


class Network:
    """A chain in memory of its own, and the operator that runs it: keep it as long as a session may."""

    def __init__(self, chain: Chain, get_input: int, get_output: int, get_data: int) -> None:
        """Take the chain, and the addresses of OrtApi's KernelContext_GetInput, KernelContext_GetOutput and GetTensorMutableData."""
        widths = [-(-len(it.bias) // LANES) * LANES for it in chain.layers]
        sizes = [(len(it.weights) + 1) * m for it, m in zip(chain.layers, widths, strict=True)]
        memory = np.zeros(sum(sizes) + 2 * max(widths) + LANES, np.float32)
        memory = memory[-(memory.ctypes.data // 4) % LANES :]  # a vector lies in one cache line
        self.record = np.zeros(1, NETWORK)
        self._memory, at = memory, memory.ctypes.data
        net = self.record[0]
        net["get_input"], net["get_output"], net["get_data"] = get_input, get_output, get_data
        net["shape"], net["n_layers"], net["softmax"] = (1, len(chain.layers[-1].bias)), len(chain.layers), chain.softmax
        place = 0
        for k, (it, m, size) in enumerate(zip(chain.layers, widths, sizes, strict=True)):
            block = memory[place : place + size].reshape(-1, m)
            block[0, : len(it.bias)], block[1:, : len(it.bias)] = it.bias, it.weights
            net["layers"][k] = (len(it.weights), m, it.activation, at + 4 * (place + m), at + 4 * place)
            place += size
        net["scratch"] = (at + 4 * place, at + 4 * (place + max(widths)))
        zero, one = (ctypes.cast(it, ctypes.c_void_p).value for it in (_zero, _one))
        self.operator = _Operator(VERSION, *[zero] * len(FIELDS), self.record.ctypes.data)
        self.operator.create = self.operator.infer_shape = None
        self.operator.input_type = self.operator.inputs = self.operator.output_type = self.operator.outputs = one
        self.operator.name = ctypes.cast(_name, ctypes.c_void_p).value
        self.operator.create_v2 = ctypes.cast(_create, ctypes.c_void_p).value
        self.operator.compute_v2 = _callback().address
