"""The verbs quantize, compile and eval: one file in, one result out, whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from tiny_models import model_from_text, numbers, residual_net

from edgekit.artifact import Artifact
from edgekit.build.alone import HOLD_COSINE, compile_alone, eval_alone, quantize_alone
from edgekit.card import DataCard
from edgekit.catalog import load_target
from edgekit.errors import InputError, ModelError, RecipeError, StepError
from edgekit.graph.save import save_model
from edgekit.quantize.dynamic import DynamicQuantization
from edgekit.quantize.static import StaticQuantization
from edgekit.recipe import Given, Outcome

COUNT = 24


def card_for(folder: Path, *, labels: np.ndarray | None = None, shape: tuple[int, ...] = (3, 8, 8)) -> DataCard:
    arrays = {"seen": numbers(COUNT, *shape, seed=1), "judged": numbers(COUNT, *shape, seed=2)}
    if labels is not None:
        arrays["labels"] = labels
    np.savez(folder / "data.npz", **arrays)
    words: dict[str, object] = {
        "name": "tiny",
        "task": "agreement" if labels is None else "image-classification",
        "licence": "made here",
        "source": {
            "kind": "arrays",
            "path": "data.npz",
            "inputs": {"x": "judged"},
            **({} if labels is None else {"labels": {"target": "labels"}}),
        },
        "calibration": {"from": {"x": "seen"}, "count": COUNT},
        "evaluation": {"count": COUNT},
    }
    return DataCard.model_validate(words).within(folder)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[ir.Model], Path]:
    def save(model: ir.Model) -> Path:
        save_model(model, tmp_path / "net.onnx")
        return tmp_path / "net.onnx"

    return save


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name not in ("net.onnx", "data.npz"))


@pytest.mark.parametrize("name", ["onnxruntime-x86", "onnxruntime-arm", "openvino-cpu"])
def test_a_quantized_file_loads_in_a_default_session_and_holds(
    saved: Callable[[ir.Model], Path], tmp_path: Path, name: str
) -> None:
    source, out = saved(residual_net()), tmp_path / "int8.onnx"
    outcome = quantize_alone(source, card_for(tmp_path), load_target(name, Path()), out)
    assert outcome.changed
    assert outcome.model.path == out
    assert left_over(tmp_path) == ["int8.onnx"]
    x = numbers(8, 3, 8, 8, seed=5)
    before, after = (onnxruntime.InferenceSession(str(path)).run(None, {"x": x})[0] for path in (source, out))
    cosine = (before * after).sum() / np.sqrt((before**2).sum() * (after**2).sum())
    assert cosine > HOLD_COSINE


def test_nothing_to_quantize_writes_the_prepared_float_model_and_says_why(
    saved: Callable[[ir.Model], Path], tmp_path: Path
) -> None:
    net = model_from_text("g (float[N,3,8,8] x) => (float[N,3,8,8] y) { a = Identity (x) \n y = Exp (a) }")
    out = tmp_path / "out.onnx"
    outcome = quantize_alone(saved(net), card_for(tmp_path), load_target("onnxruntime-x86", Path()), out)
    assert not outcome.changed
    assert "Exp" in str(outcome.facts["why_float"])
    assert [node.op_type for node in onnx.load(out).graph.node] == ["Exp"]


def test_a_float_target_gets_the_prepared_model(saved: Callable[[ir.Model], Path], tmp_path: Path) -> None:
    target = load_target("onnxruntime-x86-fp32", Path())
    outcome = quantize_alone(saved(residual_net()), card_for(tmp_path), target, tmp_path / "out.onnx")
    assert "float target" in str(outcome.facts["why_float"])


def test_a_layer_that_int8_ruins_goes_back_to_float(saved: Callable[[ir.Model], Path], tmp_path: Path) -> None:
    wild = numbers(8, 8, 1, 1, scale=0.01, seed=3)
    wild[0, 0] = 500.0
    weak = numbers(4, 8, 1, 1, scale=0.3, seed=4)
    weak[:, 0] *= 1e-5
    text = """g (float[N,3,8,8] x) => (float[N,4,8,8] y) {
        a = Conv (x, w0)
        b = Relu (a)
        c = Conv (b, w1)
        y = Conv (c, w2)
    }"""
    net = model_from_text(text, w0=numbers(8, 3, 1, 1, scale=0.3), w1=wild, w2=weak)
    outcome = quantize_alone(
        saved(net), card_for(tmp_path), load_target("onnxruntime-x86", Path()), tmp_path / "out.onnx"
    )
    assert outcome.changed
    assert outcome.facts["layers_left_float"]
    assert float(str(outcome.facts["cosine"])) >= HOLD_COSINE


def test_the_step_can_be_chosen(saved: Callable[[ir.Model], Path], tmp_path: Path) -> None:
    text = "g (float[N,16] x) => (float[N,4] y) { a = MatMul (x, w) \n y = Relu (a) }"
    net = model_from_text(text, w=numbers(16, 4))
    target = load_target("onnxruntime-x86", Path())
    card = card_for(tmp_path, shape=(16,))
    made = quantize_alone(saved(net), card, target, tmp_path / "d.onnx", step=DynamicQuantization())
    assert "DynamicQuantizeLinear" in {node.op_type for node in onnx.load(made.model.path).graph.node}
    made = quantize_alone(saved(net), card, target, tmp_path / "s.onnx", step=StaticQuantization(ranges="mse"))
    assert made.facts["ranges"] == "mse"


def test_two_runs_write_the_same_bytes(saved: Callable[[ir.Model], Path], tmp_path: Path) -> None:
    source, card, target = saved(residual_net()), card_for(tmp_path), load_target("onnxruntime-x86", Path())
    for name in ("a.onnx", "b.onnx"):
        quantize_alone(source, card, target, tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_samples_that_do_not_fit_are_refused_and_nothing_is_written(
    saved: Callable[[ir.Model], Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError):
        quantize_alone(
            saved(residual_net()),
            card_for(tmp_path, shape=(3, 9)),
            load_target("onnxruntime-x86", Path()),
            tmp_path / "out.onnx",
        )
    assert left_over(tmp_path) == []


def test_what_is_written_is_no_newer_than_the_target_reads(saved: Callable[[ir.Model], Path], tmp_path: Path) -> None:
    net, target = residual_net(), load_target("onnxruntime-x86", Path())
    net.ir_version = target.ir_max + 1
    quantize_alone(saved(net), card_for(tmp_path), target, tmp_path / "out.onnx")
    written = onnx.load(tmp_path / "out.onnx")
    assert written.ir_version == target.ir_max
    assert max(opset.version for opset in written.opset_import) <= target.opset_max


def test_an_opset_that_the_target_does_not_read_is_refused(saved: Callable[[ir.Model], Path], tmp_path: Path) -> None:
    net, target = residual_net(), load_target("onnxruntime-x86", Path())
    net.opset_imports[""] = target.opset_max + 1
    with pytest.raises(ModelError, match="reads 21 at most") as caught:
        quantize_alone(saved(net), card_for(tmp_path), target, tmp_path / "out.onnx")
    assert "opset 21 or older" in caught.value.hint
    assert left_over(tmp_path) == []


def test_an_operator_of_an_unknown_domain_is_refused_by_name(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Sharpen", ["x"], ["y"], domain="our.own", name="odd")
    ports = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 3, 8, 8]) for name in "xy"]
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("our.own", 1)]
    graph = onnx.helper.make_graph([node], "g", ports[:1], ports[1:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets), tmp_path / "net.onnx")
    with pytest.raises(ModelError, match=r"'Sharpen' of the unknown domain 'our.own'"):
        quantize_alone(
            tmp_path / "net.onnx", card_for(tmp_path), load_target("onnxruntime-x86", Path()), tmp_path / "out.onnx"
        )
    assert left_over(tmp_path) == []


def give_up(_: Artifact, given: Given) -> Outcome:
    (given.folder / "quantized.onnx").write_bytes(b"half")
    raise StepError("gave up")


def test_a_step_that_fails_leaves_the_older_result_as_it_was(saved: Callable[[ir.Model], Path], tmp_path: Path) -> None:
    (tmp_path / "out.onnx").write_bytes(b"older")
    with pytest.raises(StepError, match="gave up"):
        quantize_alone(
            saved(residual_net()),
            card_for(tmp_path),
            load_target("onnxruntime-x86", Path()),
            tmp_path / "out.onnx",
            step=give_up,
        )
    assert (tmp_path / "out.onnx").read_bytes() == b"older"
    assert left_over(tmp_path) == ["out.onnx"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(saved: Callable[[ir.Model], Path], tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(RecipeError, match="cannot write"):
        quantize_alone(
            saved(residual_net()), card_for(tmp_path), load_target("onnxruntime-x86", Path()), locked / "out.onnx"
        )


@pytest.mark.parametrize(
    ("name", "files"), [("onnxruntime-x86", ["model.onnx"]), ("openvino-cpu", ["model.bin", "model.xml"])]
)
def test_compiling_leaves_what_the_runtime_loads(
    saved: Callable[[ir.Model], Path], tmp_path: Path, name: str, files: list[str]
) -> None:
    source, target = saved(residual_net()), load_target(name, Path())
    quantize_alone(source, card_for(tmp_path), target, tmp_path / "int8.onnx")
    made = compile_alone(tmp_path / "int8.onnx", target, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files
    assert made.path.parent == tmp_path / "out"
    assert made.size_bytes == sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert left_over(tmp_path) == ["int8.onnx", "out"]


def test_a_bad_model_is_not_compiled(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError):
        compile_alone(tmp_path / "bad.onnx", load_target("onnxruntime-x86", Path()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def labels_of(source: Path) -> np.ndarray:
    x = numbers(COUNT, 3, 8, 8, seed=2)
    answers = onnxruntime.InferenceSession(str(source)).run(None, {"x": x})[0].argmax(axis=1)
    answers[: COUNT // 4] = (answers[: COUNT // 4] + 1) % 5
    return answers


def test_a_file_is_judged_by_the_card_s_metric(saved: Callable[[ir.Model], Path], tmp_path: Path) -> None:
    source = saved(residual_net())
    card = card_for(tmp_path, labels=labels_of(source))
    found = eval_alone(source, card)
    assert found["value"] == pytest.approx(75.0)
    assert (found["samples"], found["runtime"]) == (COUNT, "onnxruntime")
    compile_alone(source, load_target("openvino-cpu-fp32", Path()), tmp_path / "ir")
    assert eval_alone(tmp_path / "ir" / "model.xml", card)["value"] == pytest.approx(75.0)


@pytest.mark.parametrize(("name", "told"), [("none.onnx", "no such file"), ("lonely.xml", "weights are missing")])
def test_what_is_no_artifact_is_told(tmp_path: Path, name: str, told: str) -> None:
    if name == "lonely.xml":
        (tmp_path / name).write_text("<net/>")
    with pytest.raises(ModelError, match=told):
        eval_alone(tmp_path / name, card_for(tmp_path))
