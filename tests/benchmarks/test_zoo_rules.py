"""The zoo's judge: what it takes for a good ending, and what not."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

Loader = Callable[[str], ModuleType]


@pytest.fixture
def zoo(script: Loader) -> ModuleType:
    return script("zoo")


def write_model(path: Path, *, scale: float | None = None, factor: float = 2.0) -> None:
    """Y = factor * x, through a Q/DQ pair where a scale is given."""
    nodes, source = [], "x"
    weights = [numpy_helper.from_array(np.float32(factor), "factor")]
    if scale is not None:
        weights += [numpy_helper.from_array(np.float32(scale), "scale"), numpy_helper.from_array(np.uint8(128), "zero")]
        nodes += [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        ]
        source = "d"
    nodes.append(helper.make_node("Mul", [source, "factor"], ["y"]))
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A model that should be quantized to a cosine of 0.99."""
    folder = tmp_path / "case"
    folder.mkdir()
    write_model(folder / "model.onnx")
    (folder / "expect.json").write_text(json.dumps({"should": "quantize", "cosine_floor": 0.99}))
    rows = np.random.default_rng(0).normal(size=(2, 8, 4)).astype(np.float32)
    np.savez(folder / "data.npz", eval_0=rows[0], calib_0=rows[1])
    return folder


def expect(case: Path, should: str) -> None:
    (case / "expect.json").write_text(json.dumps({"should": should, "cosine_floor": 0.99}))


def test_a_fine_grid_reaches_the_floor(zoo: ModuleType, case: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    write_model(out, scale=0.03)
    wrong, worst = zoo.judge(case, out, zoo.Run(0, 1.0, ""))
    assert wrong == ""
    assert worst > 0.99


def test_a_coarse_grid_does_not(zoo: ModuleType, case: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    write_model(out, scale=2.0)
    wrong, worst = zoo.judge(case, out, zoo.Run(0, 1.0, ""))
    assert "output y" in wrong
    assert worst < 0.99


def test_a_float_copy_is_not_quantized(zoo: ModuleType, case: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    write_model(out)
    assert zoo.judge(case, out, zoo.Run(0, 1.0, ""))[0] == "nothing was quantized"


def test_float_must_be_said_and_be_the_same(zoo: ModuleType, case: Path, tmp_path: Path) -> None:
    expect(case, "float")
    out = tmp_path / "out.onnx"
    write_model(out)
    assert "no line says" in zoo.judge(case, out, zoo.Run(0, 1.0, ""))[0]
    assert zoo.judge(case, out, zoo.Run(0, 1.0, "float kept: no weights"))[0] == ""
    write_model(out, scale=0.03)
    assert "where float was expected" in zoo.judge(case, out, zoo.Run(0, 1.0, "float kept: no weights"))[0]


def test_a_refusal_is_exit_2_an_error_line_and_no_file(zoo: ModuleType, case: Path, tmp_path: Path) -> None:
    expect(case, "refuse")
    out = tmp_path / "out.onnx"
    assert zoo.judge(case, out, zoo.Run(2, 1.0, "error: unknown operator\nhint: none"))[0] == ""
    assert zoo.judge(case, out, zoo.Run(2, 1.0, "something else"))[0] != ""
    assert zoo.judge(case, out, zoo.Run(6, 1.0, "error: unknown operator"))[0] != ""
    out.write_bytes(b"half")
    assert zoo.judge(case, out, zoo.Run(2, 1.0, "error: unknown operator\nhint: none"))[0] != ""


def test_a_traceback_is_never_a_good_ending(zoo: ModuleType, case: Path, tmp_path: Path) -> None:
    expect(case, "refuse")
    said = "Traceback (most recent call last):\nerror: a bug"
    assert zoo.judge(case, tmp_path / "out.onnx", zoo.Run(2, 1.0, said))[0] != ""


def test_a_file_that_does_not_load_is_told(zoo: ModuleType, case: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    write_model(out, scale=0.03)
    model = onnx.load(out)
    model.graph.node[0].input[1] = "nowhere"
    out.write_bytes(model.SerializeToString())
    assert "does not run" in zoo.judge(case, out, zoo.Run(0, 1.0, ""))[0]


def test_outputs_are_similar_by_cosine_or_by_equal_entries(zoo: ModuleType) -> None:
    base = np.array([3.0, 4.0], np.float32)
    assert zoo.similarity(base, base) == pytest.approx(1.0)
    assert zoo.similarity(base, np.array([4.0, -3.0], np.float32)) == pytest.approx(0.0)
    assert zoo.similarity(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 5])) == 0.75
    assert zoo.similarity(base, base.astype(np.float16)) == 0.0
    assert zoo.similarity(np.zeros(2, np.float32), np.zeros(2, np.float32)) == 1.0


def test_what_is_not_finite_must_stay_as_it_is(zoo: ModuleType) -> None:
    base = np.array([1.0, -np.inf, np.nan], np.float32)
    assert zoo.similarity(base, base) == pytest.approx(1.0)
    assert zoo.similarity(base, np.array([1.0, -1e9, np.nan], np.float32)) == 0.0
    assert zoo.similarity(np.ones(3, np.float32), np.array([1.0, 1.0, np.nan], np.float32)) == 0.0


def test_integer_nodes_count_in_bodies_too(zoo: ModuleType, tmp_path: Path) -> None:
    write_model(tmp_path / "body.onnx", scale=0.03)
    body = onnx.load(tmp_path / "body.onnx").graph
    branch = helper.make_graph(body.node, "branch", [], body.output)
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    onnx.save(helper.make_model(helper.make_graph([node], "g", [], [])), tmp_path / "if.onnx")
    assert zoo.integer_nodes(tmp_path / "if.onnx") == 4


def test_samples_of_one_rank_less_become_batches_of_one(zoo: ModuleType, case: Path, tmp_path: Path) -> None:
    zoo.write_samples(case, tmp_path / "samples")
    assert np.load(tmp_path / "samples" / "x.npy").shape == (8, 1, 4)


def test_a_tool_that_hangs_is_stopped(zoo: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "LIMIT_SECONDS", 0.2)
    run = zoo.run_tool(["sleep", "30"])
    assert (run.exit_code, run.seconds) == (-1, 0.2)


def test_the_table_tells_how_many_missed(zoo: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    good = zoo.Ending("one", "quantize", 0, 1.0, 0.999, "")
    bad = zoo.Ending("two", "refuse", 0, 1.0, None, "not refused")
    assert zoo.print_table([good, bad], "EdgeKit") == 1
    said = capsys.readouterr().out
    assert "as expected" in said
    assert "not refused" in said
    assert "1 of 2 as expected" in said
