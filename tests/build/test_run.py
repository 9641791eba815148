import importlib
import json
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from tiny_project import Clock, recipe_for

from edgekit import build
from edgekit.artifact import digest_file
from edgekit.build import preparing
from edgekit.errors import CompileError, InputError, MissingExtra, RecipeError, RuntimeFault, StepError
from edgekit.report import Report, exit_code
from edgekit.validate import rounds as rounds_module

BOTH = ("onnxruntime-x86", "openvino-cpu")
run_module = importlib.import_module("edgekit.build.run")  # the package's own ``run`` is the function


def files(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_a_build_leaves_what_it_promises(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekit.build.target.measure_rounds", partial(rounds_module.measure_rounds, rounds=2))
    monkeypatch.setattr(rounds_module, "SECONDS", 0.01)
    told: list[str] = []
    out = tmp_path / "out"
    report = build.run(recipe_for(project, *BOTH), out, progress=lambda what, _done, _total: told.append(what))
    assert exit_code(report) == 0, [each.reasons for each in report.targets]
    assert Report.from_json((out / "report.json").read_text()) == report
    for name in ("report.md", "report.html", "report.junit.xml", "log.txt"):
        assert (out / name).stat().st_size > 100, name
    assert tomllib.loads((out / "recipe.resolved.toml").read_text())["model"] == str(project / "model.onnx")
    for target in report.targets:
        assert target.artifact is not None
        for each in target.artifact.files:
            assert digest_file(out / each.path) == each.sha256
        assert target.accuracy is not None
        assert target.accuracy.base == 100.0
        assert target.latency is not None
        assert target.latency.rounds == 2
        assert target.latency.speedup_vs_onnxruntime_float is not None
        assert target.latency.prepare_speedup is not None
        assert target.memory is not None
        assert target.memory.peak_rss_mib > 10
        assert target.load_ms is not None
    uses = [step.use for step in report.steps]
    assert uses[0] == "prepare"
    assert {"quantize.static", "compile.onnxruntime", "compile.openvino", "measure.rounds"} <= set(uses)
    assert report.steps[0].facts["equal_on_samples"] == 24
    assert "prepare" in told
    assert "quantize.static for openvino-cpu" in told
    assert sorted(each.name for each in out.iterdir()) == sorted([*run_module._WRITTEN, "artifacts", ".steps", ".lock"])


@pytest.mark.usefixtures("clock")
def test_a_second_build_takes_the_finished_steps_and_a_fresh_one_runs_them(project: Path, tmp_path: Path) -> None:
    out, recipe = tmp_path / "out", recipe_for(project, "onnxruntime-x86")
    first = build.run(recipe, out)
    kept = files(out / "artifacts")
    stored = [step.use for step in first.steps if step.use.startswith(("prepare", "quantize", "compile"))]
    assert not any(step.reused for step in first.steps)
    second = build.run(recipe, out, resume=True)
    assert [step.use for step in second.steps if step.reused] == stored
    assert [step.use for step in second.steps] == [step.use for step in first.steps]
    assert files(out / "artifacts") == kept
    third = build.run(recipe, out, fresh=True)
    assert not any(step.reused for step in third.steps)
    assert files(out / "artifacts") == kept


@pytest.mark.usefixtures("clock")
def test_two_builds_give_the_same_artifact_bytes(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "moved")
    build.run(recipe_for(project, *BOTH), tmp_path / "one")
    build.run(recipe_for(tmp_path / "moved", *BOTH), tmp_path / "other")
    assert files(tmp_path / "one/artifacts") == files(tmp_path / "other/artifacts")
    assert len(files(tmp_path / "one/artifacts")) == 3


def test_a_target_that_fails_does_not_stop_the_others(
    project: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = run_module.build_target

    def fails(error: Exception, *given: Any) -> Any:
        if given[2].name == "openvino-cpu":
            raise error
        return real(*given)

    for error, code in (
        (CompileError("it is refused", hint="mend it"), 6),
        (RuntimeFault("it crashed"), 6),
        (MissingExtra("openvino is not installed", hint="install it"), 4),
    ):
        monkeypatch.setattr(run_module, "build_target", partial(fails, error))
        report = build.run(recipe_for(project, *BOTH), tmp_path / "out")
        good, bad = report.targets
        assert good.verdict == "pass"
        assert bad.failure is not None
        assert (bad.failure.exit_code, bad.failure.error, bad.failure.hint) == (code, str(error), error.hint)
        assert bad.artifact is None
        assert exit_code(report) == code
        assert [each.name for each in (tmp_path / "out/artifacts").iterdir()] == ["onnxruntime-x86"]
    assert clock.measured


def change_card(project: Path, text: str) -> None:
    card = project / "card.toml"
    card.write_text(card.read_text() + text)


def relabel(project: Path, label: int) -> None:
    with np.load(project / "tiny.npz") as old:
        kept = dict(old)
    kept["labels"][17] = label
    np.savez(project / "tiny.npz", **kept)


@pytest.mark.parametrize(
    ("breaks", "error", "says"),
    [
        (lambda p: relabel(p, 5), InputError, "label 5 is beyond the 5 classes of output 'y'"),
        (lambda p: change_card(p, '[metric]\npython = "mine:score"\n'), RecipeError, "'mine:score' cannot be imported"),
        (lambda p: change_card(p, '[metric]\noutput = "z"\n'), RecipeError, "no output 'z'; outputs: y"),
        (lambda p: change_card(p, "[latency]\nlength = 8\n"), RecipeError, "latency.length = 8 goes with"),
    ],
    ids=["a label too large", "a metric that is not there", "an output that is not there", "a length without text"],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_written(
    breaks: Any, error: type[Exception], says: str, project: Path, tmp_path: Path
) -> None:
    breaks(project)
    with pytest.raises(error, match=says):
        build.run(recipe_for(project, "onnxruntime-x86"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_prepared_model_that_computes_something_else_is_not_built_on(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = preparing.prepare

    def wrong(model: Any) -> Any:
        prepared = real(model)
        bias = prepared.model.graph.initializers["b2"]
        bias.const_value = ir.tensor(bias.const_value.numpy() + np.float32(0.1), name="b2")
        return prepared

    monkeypatch.setattr(preparing, "prepare", wrong)
    with pytest.raises(StepError, match="prepare: output 'y' differs by"):
        build.run(recipe_for(project, "onnxruntime-x86"), tmp_path / "out")
    assert not (tmp_path / "out/report.json").exists()


def test_a_plan_names_every_step_and_runs_none(project: Path) -> None:
    assert build.plan(recipe_for(project, "onnxruntime-x86", "openvino-cpu-fp32")) == [
        "prepare, and prove it equal to the model",
        "quantize for onnxruntime-x86",
        "compile.onnxruntime for onnxruntime-x86",
        "accuracy, latency, memory, size for onnxruntime-x86",
        "compile.openvino for openvino-cpu-fp32",
        "accuracy, latency, memory, size for openvino-cpu-fp32",
        "report",
    ]
    steps = [{"use": "quantize.static", "ranges": "mse"}]
    assert "quantize.static for openvino-cpu" in build.plan(recipe_for(project, "openvino-cpu", step=steps))


BUILD_QUICKLY = """
import sys
from pathlib import Path
sys.path.insert(0, {support!r})
from tiny_project import Clock, recipe_for
import edgekit.build.pricing, edgekit.build.target
edgekit.build.target.measure_rounds = edgekit.build.pricing.measure_rounds = Clock()
from edgekit import build
project, out = map(Path, sys.argv[1:3])
build.run(recipe_for(project, "onnxruntime-x86", "openvino-cpu"), out, resume=True)
"""


def start_build(project: Path, out: Path) -> subprocess.Popen[bytes]:
    script = BUILD_QUICKLY.format(support=str(Path(__file__).parent.parent / "support"))
    return subprocess.Popen([sys.executable, "-c", script, str(project), str(out)])


def kill_and_resume(project: Path, tmp_path: Path, times: int) -> None:
    began = time.monotonic()
    assert start_build(project, tmp_path / "whole").wait() == 0
    takes = time.monotonic() - began
    wanted = files(tmp_path / "whole/artifacts")
    draw = np.random.default_rng(11)
    for number in range(times):
        out = tmp_path / f"killed{number}"
        process = start_build(project, out)
        try:
            process.wait(timeout=takes * draw.uniform(0.3, 1.0))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            if (out / "report.json").exists():
                json.loads((out / "report.json").read_text())
        assert start_build(project, out).wait() == 0
        assert files(out / "artifacts") == wanted
        assert list((out / ".steps").iterdir())
        assert not (out / ".work").exists()


def test_a_build_that_is_killed_and_resumed_gives_the_same_bytes(project: Path, tmp_path: Path) -> None:
    kill_and_resume(project, tmp_path, 2)


@pytest.mark.slow
def test_a_build_that_is_killed_20_times_and_resumed_gives_the_same_bytes(project: Path, tmp_path: Path) -> None:
    kill_and_resume(project, tmp_path, 20)
