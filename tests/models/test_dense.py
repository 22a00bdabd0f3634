"""Dense networks as one operator: the numbers of onnxruntime's own operators, and everything else left to these."""

import ctypes
import itertools

import numba
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from noderrd.lane import dense, dense_model, ort
from noderrd.models import make

ALPHA = make.ROOM / "alpha.onnx"
ACTIVATIONS = ["Relu", "Identity", None]


def content(nodes, tensors, n, *, rows=1, opset=13):
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, n])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, 3])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


def load(tmp_path, made):
    """Our model and onnxruntime's own session of it."""
    file = tmp_path / "m.onnx"
    file.write_bytes(made)
    session = onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])
    return ort.Model(file, [str(k) for k in range(session.get_inputs()[0].shape[1])]), session


def both(ours, session, row):
    ours.input[0] = row
    assert ort.run_once(ours.call) == 0
    return ours.output.copy(), session.run(None, {"x": np.asarray(row, np.float32)[None]})[0]


@st.composite
def networks(draw):
    """A chain of 1 to 5 layers of odd sizes in every form that is read."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    sizes = [draw(st.integers(1, 150)) for _ in range(draw(st.integers(1, 5)))] + [3]
    nodes, tensors, last = [], {}, "x"

    def add(kind, inputs, **attributes):
        nonlocal last
        made = f"{kind}{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [made], **attributes))
        last = made

    for k, (a, b) in enumerate(itertools.pairwise(sizes)):
        weights, bias = rng.normal(0, a**-0.5, (a, b)).astype(np.float32), rng.normal(0, 1, b).astype(np.float32)
        form = draw(st.sampled_from(["gemm", "turned", "bare", "matmul", "swapped", "product"]))
        tensors[f"w{k}"] = np.ascontiguousarray(weights.T) if form == "turned" else weights
        tensors[f"b{k}"] = bias[None] if form == "swapped" else bias
        if form in {"gemm", "turned"}:
            add("Gemm", [last, f"w{k}", f"b{k}"], transB=int(form == "turned"), alpha=1.0)
        elif form == "bare":
            add("Gemm", [last, f"w{k}"])
        else:
            add("MatMul", [last, f"w{k}"])
            if form != "product":
                add("Add", [f"b{k}", last] if form == "swapped" else [last, f"b{k}"])
        activation = draw(st.sampled_from(ACTIVATIONS))
        if activation:
            add(activation, [last])
    if draw(st.booleans()):
        add("Softmax", [last], **({"axis": draw(st.sampled_from([1, -1]))} if draw(st.booleans()) else {}))
    nodes[-1].output[0] = "y"
    used = {name for node in nodes for name in node.input}
    return content(nodes, {k: v for k, v in tensors.items() if k in used}, sizes[0], rows=draw(st.sampled_from([1, "n"]))), rng


@settings(max_examples=60, deadline=None)
@given(networks())
def test_a_dense_network_gives_what_onnxruntime_gives(tmp_path_factory, network):
    made, rng = network
    ours, session = load(tmp_path_factory.mktemp("dense"), made)
    assert ours.dense
    for scale in (0, 0.01, 1, 1, 1, 20):
        got, wanted = both(ours, session, rng.normal(0, scale, ours.input.shape[1]).astype(np.float32))
        assert np.allclose(got, wanted, rtol=1e-5, atol=1e-5 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("activation", ["Relu", None])
@pytest.mark.parametrize("softmax", [True, False])
def test_no_number_gives_no_number(tmp_path, odd, activation, softmax):
    """Whether a score is a number is what the lane asks: it leaves a symbol without one."""
    rng = np.random.default_rng(1)
    tensors = {"w0": rng.normal(0, 1, (5, 21)).astype(np.float32), "w1": rng.normal(0, 1, (21, 3)).astype(np.float32)}
    nodes = [helper.make_node("MatMul", ["x", "w0"], ["a"])]
    nodes += [helper.make_node(activation or "Identity", ["a"], ["b"]), helper.make_node("MatMul", ["b", "w1"], ["c"])]
    nodes.append(helper.make_node("Softmax" if softmax else "Identity", ["c"], ["y"]))
    ours, session = load(tmp_path, content(nodes, tensors, 5))
    assert ours.dense
    got, wanted = both(ours, session, [0.1, odd, -0.3, 0.2, 1])
    assert np.array_equal(np.isfinite(got), np.isfinite(wanted)), (got, wanted)
    got, wanted = both(ours, session, [0.1, 0, -0.3, 0.2, 1])
    assert np.allclose(got, wanted, rtol=1e-5, atol=1e-6), "and nothing of it stays"


W, B = np.arange(9, dtype=np.float32).reshape(3, 3) / 9, np.ones(3, np.float32)


@pytest.mark.parametrize(
    "nodes",
    [
        [("Identity", ["x"], {})],
        [("Relu", ["x"], {})],
        [("Gemm", ["x", "w", "b"], {"alpha": 0.5})],
        [("Gemm", ["x", "w", "b"], {"beta": 2.0})],
        [("MatMul", ["x", "w"], {}), ("Add", ["0", "0"], {})],
        [("MatMul", ["x", "w"], {}), ("Add", ["0", "x"], {})],
        [("MatMul", ["x", "w"], {}), ("LeakyRelu", ["0"], {})],
        [("MatMul", ["x", "w"], {}), ("Relu", ["0"], {}), ("Relu", ["1"], {})],
        [("MatMul", ["x", "w"], {}), ("Tanh", ["0"], {})],
        [("MatMul", ["x", "w"], {}), ("Relu", ["0"], {}), ("Add", ["1", "b"], {})],
        [("MatMul", ["x", "w"], {}), ("Softmax", ["0"], {"axis": 0})],
        [("Softmax", ["x"], {}), ("MatMul", ["0", "w"], {})],
        [("MatMul", ["w", "w"], {}), ("MatMul", ["x", "0"], {})],
        [("MatMul", ["x", "w"], {}), ("LayerNormalization", ["0", "b"], {})],
        [("Concat", ["x", "x"], {"axis": 0}), ("MatMul", ["0", "w"], {}), ("ReduceMean", ["1"], {"axes": [0]})],
        [("MatMul", ["x", "w"], {}), ("MatMul", ["x", "w"], {}), ("Mul", ["0", "1"], {})],
    ],
)
def test_anything_else_runs_as_it_is(tmp_path, nodes):
    made = [helper.make_node(kind, inputs, [str(k) if k < len(nodes) - 1 else "y"], **said) for k, (kind, inputs, said) in enumerate(nodes)]
    ours, session = load(tmp_path, content(made, {"w": W, "b": B}, 3, opset=17))
    assert not ours.dense
    got, wanted = both(ours, session, [1, -2, 0.5])
    assert np.array_equal(got, wanted)


def test_a_chain_longer_than_the_operator_runs_as_it_is(tmp_path):
    for n, fits in ((dense_model.MAX_LAYERS, True), (dense_model.MAX_LAYERS + 1, False)):
        nodes = [helper.make_node("MatMul", ["x" if k == 0 else f"{k}", "w"], [f"{k + 1}" if k < n - 1 else "y"]) for k in range(n)]
        ours, session = load(tmp_path, content(nodes, {"w": W}, 3))
        assert ours.dense == fits
        assert np.allclose(*both(ours, session, [1, -2, 0.5]), rtol=1e-5)


def test_what_was_misread_is_noticed_and_runs_as_it_is(tmp_path, monkeypatch):
    read = dense_model.read

    def misread(*given):
        chain = read(*given)
        return dense_model.Chain((*chain.layers[:-1], dense_model.Layer(chain.layers[-1].weights[:, ::-1], chain.layers[-1].bias)), chain.softmax)

    monkeypatch.setattr(dense_model, "read", misread)
    ours = ort.Model(ALPHA, [str(k) for k in range(32)])
    assert not ours.dense
    session = onnxruntime.InferenceSession(str(ALPHA), providers=["CPUExecutionProvider"])
    ours.input[:] = 0.5
    assert ort.run_once(ours.call) == 0
    assert np.array_equal(ours.output, session.run(None, {"row": ours.input})[0])


def test_a_call_that_fails_inside_the_operator_fails_the_run():
    ours = ort.Model(ALPHA, [str(k) for k in range(32)])
    create = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)(ours._api.functions[0])
    fails = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)(lambda *_: create(1, b"no input today"))
    ours._network.record["get_input"] = ctypes.cast(fails, ctypes.c_void_p).value
    status = ort.run_once(ours.call)
    assert status != 0
    with pytest.raises(ort.ModelError, match="no input today"):
        ours._api.fail(status)


def test_the_callback_comes_out_of_the_cache():
    dense._callback()
    again = numba.cfunc(numba.types.int64(numba.types.int64, numba.types.int64), cache=True, error_model="numpy")(dense.compute)
    assert again.cache_hits == 1


def test_the_file_of_one_node_is_a_file():
    made = onnx.load_from_string(dense_model.one_node(b"row", 300, b"chances", 3))
    (node,) = made.graph.node
    assert (node.op_type, node.domain, list(node.input), list(node.output)) == ("DenseNet", "noderrd", ["row"], ["chances"])
    assert [d.dim_value for d in made.graph.input[0].type.tensor_type.shape.dim] == [1, 300]
    assert [(it.domain, it.version) for it in made.opset_import] == [("", 13), ("noderrd", 1)]


def test_values_that_are_not_raw_are_read():
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [3, 3], W.ravel())
    assert not tensor.raw_data
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [], [helper.make_tensor_value_info("y", 1, [1, 3])], [tensor])
    chain = dense_model.read(helper.make_model(graph).SerializeToString(), "x", "y")
    assert np.array_equal(chain.layers[0].weights, W)


GRAPH = ALPHA.read_bytes()


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.integers(0, 400).map(lambda n: GRAPH[:n])))
def test_no_bytes_are_too_strange(made):
    dense_model.read(made, "row", "chances")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GRAPH) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_no_damage_is_too_strange(damage):
    made = bytearray(GRAPH)
    for at, byte in damage:
        made[at] = byte
    dense_model.read(bytes(made), "row", "chances")
