"""The main job as a user types it, on the example that ships: one command, two runtimes, a verdict."""

import json
from functools import partial
from pathlib import Path

import pytest

from edgekit.cli.main import main
from edgekit.report import Report
from edgekit.validate import rounds


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two short rounds: what is measured is not judged here."""
    monkeypatch.setattr("edgekit.build.target.measure_rounds", partial(rounds.measure_rounds, rounds=2))
    monkeypatch.setattr(rounds, "SECONDS", 0.01)


def test_the_example_builds_for_both_runtimes_and_a_second_build_is_quick(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["build", str(root / "examples/digits/recipe.toml"), "-o", "out"]
    assert main(words) == 0
    said = capfd.readouterr().out
    assert said.startswith("PASS")
    assert "report: out/report.html" in said
    first = Report.from_json((tmp_path / "out/report.json").read_text())
    assert [each.name for each in first.targets] == ["onnxruntime-x86", "openvino-cpu"]
    for target in first.targets:
        assert target.accuracy is not None
        assert target.accuracy.drop_upper_95 is not None
        assert target.accuracy.drop_upper_95 < 1
        assert "int8" in {target.precision, *(each.precision for each in target.alternatives)}
    assert main([*words, "--resume", "--json"]) == 0
    second = json.loads(capfd.readouterr().out)
    again = {(step["use"], step["target"]) for step in second["steps"] if step["reused"]}
    made = ("prepare", "quantize", "compile", "price")
    assert again == {(step.use, step.target) for step in first.steps if step.use.startswith(made)}
    assert {step["use"] for step in second["steps"] if not step["reused"]} >= {"measure.rounds", "accuracy.int8"}
