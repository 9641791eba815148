"""Preparing: the same answers, settled after one go, names and axes kept, on toys and on every real model here."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from tiny_models import model_from_text, numbers

from edgekit.errors import ModelError
from edgekit.graph.load import load_model
from edgekit.graph.prepare import prepare
from edgekit.graph.save import model_bytes

ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT.parent / "shared"
REAL = sorted(
    [path for path in PACK.glob("zoo/*/model.onnx") if path.parent.name != "custom_domain_op"]
    + list(PACK.glob("data/models/*.onnx"))
    + [ROOT / "examples/digits/digits.onnx"]
)


def session(model: bytes | Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options)


def draw(port: onnxruntime.NodeArg, generator: np.random.Generator) -> np.ndarray:
    shape = [size if isinstance(size, int) else 4 for size in port.shape]
    kind = port.type.removeprefix("tensor(").removesuffix(")")
    if kind.startswith("float"):
        return generator.standard_normal(shape).astype("float16" if kind == "float16" else "float32")
    return generator.integers(0, 2, shape).astype({"int64": "int64", "int32": "int32", "bool": "bool"}[kind])


@pytest.mark.parametrize("path", REAL, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_real_model_computes_the_same_and_settles(path: Path) -> None:
    prepared = prepare(load_model(path)).model
    made = model_bytes(prepared)
    assert model_bytes(prepare(prepared).model) == made
    before, after = session(path), session(made)
    ports = {port.name for port in after.get_inputs()}
    assert [port.name for port in before.get_outputs()] == [port.name for port in after.get_outputs()]
    generator = np.random.default_rng(5)
    feeds = {port.name: draw(port, generator) for port in before.get_inputs() if port.name in ports}
    for wanted, got in zip(before.run(None, feeds), after.run(None, feeds), strict=True):
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        largest = float(np.abs(wanted.astype(np.float64)).max(initial=0)) or 1.0
        loose = 5e-3 if wanted.dtype == np.float16 else 2e-5
        np.testing.assert_allclose(got.astype(np.float64), wanted.astype(np.float64), atol=loose * largest, rtol=loose)


def test_the_given_model_is_not_changed() -> None:
    model = model_from_text("g (float[N,4] x) => (float[N,4] y) { a = Identity (x) \n y = Neg (a) }")
    before = model_bytes(model)
    prepare(model)
    assert model_bytes(model) == before


def test_facts_count_the_edits() -> None:
    text = "g (float[N,3,4,4] x) => (float[N,2,4,4] y) { a = Identity (x) \n b = Conv (a, w) \n y = Mul (b, k) }"
    facts = prepare(model_from_text(text, w=numbers(2, 3, 1, 1), k=numbers(1))).facts
    assert (facts["noops_removed"], facts["affine_folded"]) == (1, 1)


def test_free_axes_stay_free() -> None:
    text = "g (float[batch,3,H,W] x) => (float[batch,2,H,W] y) { y = Conv (x, w) }"
    prepared = prepare(model_from_text(text, w=numbers(2, 3, 1, 1))).model
    assert [str(dim) for dim in prepared.graph.inputs[0].shape] == ["batch", "3", "H", "W"]


def test_nodes_get_names_of_their_own() -> None:
    model = model_from_text("g (float[4] x) => (float[4] z) { y = Neg (x) \n z = Neg (y) }")
    for node in model.graph:
        node.name = ""
    names = [node.name for node in prepare(model).model.graph]
    assert len(set(names)) == 2
    assert all(names)


def test_constant_shapes_are_computed_once() -> None:
    text = "g (float[2,6] x) => (float[3,4] y) { s = Concat <axis=0> (a, b) \n y = Reshape (x, s) }"
    prepared = prepare(model_from_text(text, a=np.array([3]), b=np.array([4]))).model
    assert [node.op_type for node in prepared.graph] == ["Reshape"]


def test_folding_makes_no_bomb() -> None:
    text = "g (float[1] x) => (float[N] y) { c = ConstantOfShape (s) \n y = Add (c, x) }"
    model = model_from_text(text, s=np.array([1 << 28]))
    assert len(model_bytes(prepare(model).model)) < 10_000


OLD = {
    "Clip": ("float[4] y", "y = Clip <min=-1.0, max=2.0> (x)", 10),
    "Squeeze": ("float[4] y", "a = Unsqueeze <axes=[0]> (x) \n y = Squeeze <axes=[0]> (a)", 11),
    "ReduceSum": ("float[1] y", "y = ReduceSum <axes=[0]> (x)", 11),
    "Slice": ("float[2] y", "y = Slice <starts=[1], ends=[3]> (x)", 9),
    "Pad": ("float[6] y", "y = Pad <pads=[1,1], value=2.0> (x)", 10),
    "Softmax": ("float[4] y", "y = Softmax <axis=0> (x)", 11),
    "Split": ("float[1] y, float[3] z", "y, z = Split <axis=0, split=[1,3]> (x)", 11),
    "Dropout": ("float[4] y", "a = Dropout <ratio=0.5> (x) \n y = Neg (a)", 10),
}


@pytest.mark.parametrize("kind", OLD)
def test_old_operators_are_raised_to_the_same_answers(kind: str) -> None:
    outputs, body, opset = OLD[kind]
    graph = onnx.parser.parse_graph(f"g (float[4] x) => ({outputs}) {{ {body} }}")
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=7)
    after = prepare(ir.from_proto(model)).model
    assert after.opset_imports[""] == 13
    x = numbers(4, scale=3)
    before = session(model.SerializeToString()).run(None, {"x": x})
    for wanted, got in zip(before, session(model_bytes(after)).run(None, {"x": x}), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax", "Hardmax"])
def test_old_softmaxes_run_over_all_that_follows_their_axis(kind: str, axis: int) -> None:
    graph = onnx.parser.parse_graph(f"g (float[2,3,4] x) => (float[2,3,4] y) {{ y = {kind} <axis={axis}> (x) }}")
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 11)], ir_version=7)
    x = numbers(2, 3, 4)
    wanted = session(model.SerializeToString()).run(None, {"x": x})[0]
    got = session(model_bytes(prepare(ir.from_proto(model)).model)).run(None, {"x": x})[0]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_old_upsampling_becomes_a_resize_with_the_same_answers() -> None:
    graph = onnx.parser.parse_graph(
        'g (float[1,1,2,3] x) => (float[1,1,4,6] y) { y = Upsample <mode="nearest"> (x, s) }'
    )
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "s"))
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 9)], ir_version=4)
    x = numbers(1, 1, 2, 3)
    wanted = session(model.SerializeToString()).run(None, {"x": x})[0]
    after = prepare(ir.from_proto(model)).model
    assert "Upsample" not in {node.op_type for node in after.graph}
    np.testing.assert_array_equal(session(model_bytes(after)).run(None, {"x": x})[0], wanted)


def test_what_cannot_be_raised_is_named() -> None:
    text = 'g (float[1,1,2,3] x, float[4] s) => (float[A,B,C,D] y) { y = Upsample <mode="nearest"> (x, s) }'
    graph = onnx.parser.parse_graph(text)
    graph.node[0].name = "old_one"
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 8)], ir_version=4)
    graph.node[0].op_type = "Upsample"
    with pytest.raises(ModelError) as caught:
        prepare(ir.from_proto(model))
    assert "Upsample" in caught.value.mistakes[0]
    assert "old_one" in caught.value.mistakes[0]
    assert "opset 13" in caught.value.hint
