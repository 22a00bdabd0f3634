"""onnxruntime through its C API: the same numbers as through Python, and models that do not fit refused with the reason."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from core.feature import NAMES
from core.jit import entry
from noderrd.lane import ort
from noderrd.lane.pointer import load_f32, store_f32
from noderrd.models import make

ALPHA = make.ROOM / "alpha.onnx"


def model(path: Path, inputs, outputs, nodes=None) -> Path:
    """A model of the given (name, shape) inputs and outputs; the outputs are constants unless nodes are given."""
    if nodes is None:
        nodes = [
            helper.make_node("Constant", [], [name], value=helper.make_tensor(name, TensorProto.FLOAT, shape, np.zeros(shape).ravel()))
            for name, shape in outputs
        ]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def python_runs(path, rows):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.vstack([session.run(None, {name: row[None]})[0] for row in rows])


def test_the_c_api_gives_what_python_gives():
    ours = ort.Model(ALPHA, NAMES)
    rows = np.random.default_rng(5).normal(0, 3, (200, len(NAMES))).astype(np.float32)
    got = []
    for row in rows:
        ours.input[0] = row
        assert ort.run_once(ours.call) == 0
        got.append(ours.output[0].copy())
    assert ours.dense
    assert np.allclose(np.vstack(got), python_runs(ALPHA, rows), rtol=1e-4, atol=1e-6), "but for the order of additions"
    assert np.allclose(np.sum(got, axis=1), 1, atol=1e-5)


def test_two_models_do_not_share_memory(tmp_path):
    first, second = ort.Model(ALPHA, NAMES), ort.Model(ALPHA, NAMES)
    first.input[:], second.input[:] = 1, -1
    assert ort.run_once(first.call) == 0
    said = first.output.copy()
    assert ort.run_once(second.call) == 0
    assert np.array_equal(first.output, said)
    assert not np.array_equal(second.output, said)


def test_a_batch_of_unknown_size_fits(tmp_path):
    file = model(tmp_path / "m.onnx", [("x", ["n", 3])], [("y", ["n", 3])], [helper.make_node("Identity", ["x"], ["y"])])
    ours = ort.Model(file, ["imbalance", "microprice", "spread"])
    ours.input[0] = (1, 2, 3)
    assert ort.run_once(ours.call) == 0
    assert ours.output.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ([("x", [1, 4])], [("y", [1, 3])], "but 2 features are named: float32[1, 2] is wanted"),
        ([("x", [8, 2])], [("y", [1, 3])], "float32[8, 2]"),
        ([("x", [2])], [("y", [1, 3])], "one input float32[1, 2] is wanted, the model has x: tensor(float)[2]"),
        ([("x", [1, 2]), ("z", [1, 2])], [("y", [1, 3])], "one input float32[1, 2] is wanted"),
        ([("x", [1, 2])], [("y", [1, 2])], "one output float32[1, 3] (down, flat, up) is wanted, the model has y: tensor(float)[1, 2]"),
        ([("x", [1, 2])], [("y", [1, 3]), ("z", [1, 3])], "one output float32[1, 3]"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_the_reason(tmp_path, inputs, outputs, said):
    file = model(tmp_path / "m.onnx", inputs, outputs)
    with pytest.raises(ort.ModelError, match=r"m\.onnx") as refused:
        ort.Model(file, ["imbalance", "microprice"])
    assert said in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"not a model", ALPHA.read_bytes()[:1000]])
def test_what_is_no_model_is_refused(tmp_path, content):
    file = tmp_path / "m.onnx"
    file.write_bytes(content)
    with pytest.raises(ort.ModelError, match="not a model that onnxruntime can load"):
        ort.Model(file, ["imbalance"])


def test_a_failing_run_gives_a_status_and_not_a_crash(tmp_path):
    """Reshape to a size that one row cannot have: the shape is only known when it runs."""
    shape = helper.make_node("Constant", [], ["s"], value=helper.make_tensor("s", TensorProto.INT64, [2], [7, 3]))
    file = model(tmp_path / "m.onnx", [("x", ["n", 2])], [("y", ["m", 3])], [shape, helper.make_node("Reshape", ["x", "s"], ["y"])])
    with pytest.raises(ort.ModelError, match="invalid dimensions"):
        ort.Model(file, ["imbalance", "microprice"])


def test_words_are_stored_and_loaded_by_address():
    array = np.zeros(4, np.float32)

    @entry
    def copy(address: int) -> float:
        store_f32(address + 4, 1.5)
        store_f32(address + 8, load_f32(address + 4) * 2)
        return load_f32(address + 8)

    assert copy(array.ctypes.data) == 3
    assert array.tolist() == [0, 1.5, 3, 0]


def test_the_card_describes_the_model_that_ships():
    card = json.loads((make.ROOM / "alpha.json").read_text())
    assert card["features"] == NAMES
    assert card["sha256"] == make.hashlib.sha256(ALPHA.read_bytes()).hexdigest()
