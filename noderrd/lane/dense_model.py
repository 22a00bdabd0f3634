"""Which ONNX files are nothing but dense layers, and the file that runs such a chain as one node.

An ONNX file is a protobuf message (onnx.proto, of which the numbers below are). Only what a chain of layers needs is read, by hand: the onnx package
is 31 MB and a quarter of a second at each start of a lane. onnxruntime has loaded the file before and says what is wrong with one; what is not
understood here is no chain, and is run as it is.
"""

import dataclasses
import enum
import itertools
import struct
from collections.abc import Iterator

import numpy as np

MAX_LAYERS = 16
DOMAIN, OPERATOR = b"noderrd", b"DenseNet"
FLOAT = 1  # TensorProto.DataType


class Activation(enum.IntEnum):
    """What follows a layer's sum."""

    NONE = 0
    RELU = 1


@dataclasses.dataclass(frozen=True)
class Layer:
    """activation(x @ weights + bias): float32[n, m] and float32[m]."""

    weights: np.ndarray
    bias: np.ndarray
    activation: Activation = Activation.NONE


@dataclasses.dataclass(frozen=True)
class Chain:
    """Layers, each fed by the one before, and whether a softmax follows the last."""

    layers: tuple[Layer, ...]
    softmax: bool


class _Strange(Exception):
    """It is not a chain of dense layers."""


def read(content: bytes, name: str, output: str) -> Chain | None:
    """Give a file's chain from its input to its output; None when it holds anything else."""
    try:
        return _chain(_only(_fields(memoryview(content)), 7), name, output)
    except (_Strange, ValueError, IndexError, KeyError, struct.error):
        return None


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Give a number and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise _Strange


def _fields(message: memoryview) -> dict[int, list[int | memoryview]]:
    """Give a message's fields by number: whole numbers as they are, everything else as its bytes."""
    found: dict[int, list[int | memoryview]] = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == 0:
            value, at = _varint(message, at)
            found.setdefault(tag >> 3, []).append(value)
            continue
        if tag & 7 == 2:
            size, at = _varint(message, at)
        else:
            size = {1: 8, 5: 4}[tag & 7]
        if at + size > len(message):
            raise _Strange
        found.setdefault(tag >> 3, []).append(message[at : at + size])
        at += size
    return found


def _parts(fields: dict[int, list[int | memoryview]], number: int) -> Iterator[memoryview]:
    """Give a field's values that are bytes."""
    for value in fields.get(number, []):
        if isinstance(value, int):
            raise _Strange
        yield value


def _only(fields: dict[int, list[int | memoryview]], number: int) -> memoryview:
    """Give the one value of a field of bytes."""
    (value,) = _parts(fields, number)
    return value


def _texts(fields: dict[int, list[int | memoryview]], number: int) -> list[str]:
    """Give a field's texts."""
    return [bytes(value).decode() for value in _parts(fields, number)]


def _number(fields: dict[int, list[int | memoryview]], number: int, default: int) -> int:
    """Give a whole number: the last that was said."""
    value = fields.get(number, [default])[-1]
    if not isinstance(value, int):
        raise _Strange
    return value - (1 << 64) if value >> 63 else value


def _tensor(message: memoryview) -> tuple[str, np.ndarray]:
    """Give an initializer's name and values (TensorProto: dims 1, data_type 2, float_data 4, name 8, raw_data 9, data_location 14)."""
    fields = _fields(message)
    (name,) = _texts(fields, 8)
    if _number(fields, 2, 0) != FLOAT or _number(fields, 14, 0) != 0:
        return name, np.zeros(0, np.float32)  # no layer has such weights
    shape: list[int] = []
    for value in fields.get(1, []):
        if isinstance(value, int):
            shape.append(value)
            continue
        at = 0
        while at < len(value):
            size, at = _varint(value, at)
            shape.append(size)
    raw = b"".join(_parts(fields, 9 if 9 in fields else 4))
    return name, np.frombuffer(raw, "<f4").reshape(shape)


def _attributes(node: dict[int, list[int | memoryview]]) -> dict[str, float]:
    """Give a node's attributes that are numbers (AttributeProto: name 1, f 2, i 3, type 20: 1 is a float, 2 a whole number)."""
    found: dict[str, float] = {}
    for part in _parts(node, 5):
        fields = _fields(part)
        (name,) = _texts(fields, 1)
        kind = _number(fields, 20, 0)
        if kind == 1:
            (found[name],) = struct.unpack("<f", _only(fields, 2)) if 2 in fields else (0.0,)
        elif kind == 2:
            found[name] = _number(fields, 3, 0)
        else:
            raise _Strange
    return found


def _chain(graph: memoryview, name: str, output: str) -> Chain:
    """Follow the nodes (GraphProto: node 1, initializer 5, output 12; NodeProto: input 1, output 2, op_type 4, attribute 5, domain 7)."""
    fields = _fields(graph)
    nodes = [_fields(node) for node in _parts(fields, 1)]
    if not 0 < len(nodes) <= 4 * MAX_LAYERS or len(fields.get(12, [])) != 1:
        raise _Strange
    known = dict(_tensor(part) for part in _parts(fields, 5))
    layers: list[Layer] = []
    softmax, last = False, name
    for node in nodes:
        if softmax or _texts(node, 7) not in ([], [""]):
            raise _Strange
        (kind,), inputs, (made,) = _texts(node, 4), _texts(node, 1), _texts(node, 2)
        said = _attributes(node)
        if kind == "Add" and inputs[1] == last:
            inputs.reverse()
        if inputs[0] != last or last in known:
            raise _Strange
        constants = [known[it] for it in inputs[1:] if it]
        if kind in {"Gemm", "MatMul"}:
            layers.append(_layer(kind, constants, said))
        elif not layers:
            raise _Strange
        elif kind == "Softmax":
            softmax = said.pop("axis", 1) in {1, -1}
            if said or not softmax:
                raise _Strange
        elif kind != "Identity":
            layers[-1] = _followed(layers[-1], kind, constants, said)
        last = made
    fit = all(a.weights.shape[1] == b.weights.shape[0] for a, b in itertools.pairwise(layers))
    if last != output or not fit or len(layers) > MAX_LAYERS:
        raise _Strange
    return Chain(tuple(layers), softmax)


def _layer(kind: str, constants: list[np.ndarray], said: dict[str, float]) -> Layer:
    """Give the layer that a Gemm or a MatMul begins."""
    weights, *bias = constants
    plain = {"alpha": 1, "beta": 1, "transA": 0} if kind == "Gemm" else {}
    turned = said.pop("transB", 0) if kind == "Gemm" else 0
    if weights.ndim != 2 or not weights.size or len(bias) > (kind == "Gemm") or any(plain.get(key) != value for key, value in said.items()):
        raise _Strange
    weights = weights.T if turned else weights
    return Layer(weights, _row(bias[0] if bias else np.zeros(1, np.float32), weights.shape[1]))


def _followed(layer: Layer, kind: str, constants: list[np.ndarray], said: dict[str, float]) -> Layer:
    """Give the layer with the bias or the activation that comes behind it."""
    if said or layer.activation != Activation.NONE or kind not in {"Add", "Relu"}:
        raise _Strange
    if kind == "Add":
        (bias,) = constants
        return dataclasses.replace(layer, bias=layer.bias + _row(bias, len(layer.bias)))
    return dataclasses.replace(layer, activation=Activation.RELU)


def _row(bias: np.ndarray, size: int) -> np.ndarray:
    """Give a bias as float32[size]; it may be a number, a row, or a matrix of one row."""
    if bias.ndim > 2 or not bias.size:
        raise _Strange
    return np.broadcast_to(bias, (1, size))[0]


def _field(number: int, value: int | bytes) -> bytes:
    """Write a field: a whole number or bytes."""
    if isinstance(value, int):
        return _number_bytes(number << 3) + _number_bytes(value)
    return _number_bytes(number << 3 | 2) + _number_bytes(len(value)) + value


def _number_bytes(value: int) -> bytes:
    """Write a varint."""
    written = b""
    while value > 127:
        written, value = written + bytes([value & 127 | 128]), value >> 7
    return written + bytes([value])


def _value(name: bytes, size: int) -> bytes:
    """Write a ValueInfoProto: float32[1, size]."""
    shape = b"".join(_field(1, _field(1, dimension)) for dimension in (1, size))
    return _field(1, name) + _field(2, _field(1, _field(1, FLOAT) + _field(2, shape)))


def one_node(name: bytes, n: int, output: bytes, m: int) -> bytes:
    """Give an ONNX file (version 8) of one node of our operator, float32[1, n] to float32[1, m]."""
    node = _field(1, name) + _field(2, output) + _field(4, OPERATOR) + _field(7, DOMAIN)
    graph = _field(1, node) + _field(2, b"dense") + _field(11, _value(name, n)) + _field(12, _value(output, m))
    standard, ours = _field(1, b"") + _field(2, 13), _field(1, DOMAIN) + _field(2, 1)
    return _field(1, 8) + _field(7, graph) + _field(8, standard) + _field(8, ours)
