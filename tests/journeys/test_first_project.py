"""The first minutes of a newcomer: a project is made, checked and built, and each verb works on what came out."""

import json
from pathlib import Path

import pytest

from edgekit.cli.main import main
from edgekit.report import Report, exit_code


@pytest.mark.parametrize("task", ["image-classification", "classification", "agreement"])
def test_a_new_project_is_planned_as_it_stands(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "project", "--task", task, "-q"]) == 0
    capsys.readouterr()
    assert main(["build", "project", "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["data"] == f"digits-{task}"
    assert plan["out"] == "build/project"
    assert not (tmp_path / "build").exists()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["image-classification", "classification", "agreement"])
def test_a_new_project_builds_as_it_stands(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "project", "--task", task, "-q"]) == 0
    code = main(["build", "project"])
    said = capsys.readouterr()
    report = Report.from_json((tmp_path / "build/project/report.json").read_bytes())
    assert (code, report.verdict) == (exit_code(report), "pass"), said
    assert said.out.startswith("PASS  The target holds the budget.")
    for name in ("report.md", "report.html", "report.junit.xml", "recipe.resolved.toml", "log.txt"):
        assert (tmp_path / "build/project" / name).stat().st_size > 0
    artifact = report.targets[0].artifact
    assert artifact is not None
    shipped = str(tmp_path / "build/project" / artifact.path)
    assert main(["eval", shipped, "-d", "project/card.toml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    accuracy = report.targets[0].accuracy
    assert accuracy is not None
    assert found["value"] == pytest.approx(accuracy.value)
    assert main(["inspect", "project/model.onnx", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "edgekit.inspect/1"
