"""The verb alone: what it hands to the build, and what it makes of the report."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit import build
from edgekit.cli.main import main
from edgekit.report import Report, exit_code

CARD = """
name = "n"
task = "agreement"
licence = "CC0"
[source]
kind = "arrays"
path = "n.npz"
[source.inputs]
x = "x"
"""
WORDS = ["build", "m.onnx", "-d", "card.toml", "-t", "openvino-cpu"]


@pytest.fixture
def calls(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A working directory with a model and a card; builds are noted and give the golden report."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.onnx").write_bytes(b"looked at later")
    (tmp_path / "card.toml").write_text(CARD)
    noted: list[dict[str, Any]] = []
    report = Report.from_json((root / "tests/golden/report.json").read_bytes())

    def run(recipe: Any, out: Path, **flags: Any) -> Report:
        noted.append({"recipe": recipe, "out": out, **flags})
        flags["progress"]("prepare", 0, 0)
        return report

    monkeypatch.setattr(build, "run", run, raising=False)
    monkeypatch.setattr(build, "plan", lambda _recipe: ["prepare", "quantize.static for openvino-cpu"], raising=False)
    return noted


def test_the_words_reach_the_build(calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    code = main(
        [*WORDS, "-o", "out", "--max-drop", "0.5", "--p90-ms", "2", "--size-mib", "1", "--rss-mib", "64", "--resume"]
    )
    (call,) = calls
    assert (call["out"], call["resume"], call["fresh"]) == (Path("out"), True, False)
    budget = call["recipe"].budget
    assert (budget.drop_points, budget.p90_ms, budget.size_mib, budget.rss_mib) == (0.5, 2.0, 1.0, 64.0)
    assert code == 4
    assert capsys.readouterr().err == ""


def test_the_report_ends_as_one_table_and_its_path(
    calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    main(WORDS)
    said = capsys.readouterr().out
    lines = [line.rstrip() for line in said.splitlines()]
    assert lines[0].startswith("FAIL  1 of 3 targets misses the budget: openvino-cpu (accuracy). Accuracy binds")
    assert lines[-1] == "report: build/m/report.html"
    assert any(line.split()[:4] == ["drop", "<", "1.00", "(default)"] for line in lines)
    assert "\x1b[" not in said
    assert len(calls) == 1


def test_json_is_the_report_and_nothing_else(
    calls: list[dict[str, Any]], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([*WORDS, "--json"])
    said = capsys.readouterr()
    assert said.out == (root / "tests/golden/report.json").read_text()
    assert said.err == ""
    assert code == exit_code(Report.from_json(said.out))
    assert len(calls) == 1


@pytest.mark.usefixtures("calls")
def test_quiet_leaves_the_verdict_to_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS, "-q"]) == 4
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("calls")
def test_verbose_says_each_step_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    main([*WORDS, "-v"])
    assert capsys.readouterr().err == "prepare\n"


def test_a_dry_run_shows_the_plan_and_does_nothing(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "model: m.onnx" in said
    assert "2. quantize.static for openvino-cpu" in said
    assert main([*WORDS, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["schema"] == "edgekit.plan/1"
    assert plan["targets"] == ["openvino-cpu"]
    assert plan["out"] == "build/m"
    assert calls == []
    assert sorted(each.name for each in tmp_path.iterdir()) == ["card.toml", "m.onnx"]


def test_resume_and_fresh_exclude_one_another(calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS, "--resume", "--fresh"]) == 2
    assert "exclude one another" in capsys.readouterr().err
    assert calls == []
