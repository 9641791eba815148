import json

import pytest

from edgekit import doctor
from edgekit.cli.main import main


def test_a_person_sees_runtimes_extras_targets_and_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for words in (
        "edgekit",
        "python",
        "processor",
        "memory",
        "disk",
        "governor",
        "onnxruntime-x86",
        "runs here",
        "extra",
    ):
        assert words in said


def test_a_tool_gets_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "edgekit.doctor/1"
    assert document["runtimes"]["onnxruntime"]
    assert isinstance(document["host"]["flags"], list)


def test_one_runtime_is_answered_with_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "onnxruntime"]) == 0
    assert capsys.readouterr().out == f"onnxruntime {doctor.version_of('onnxruntime')}\n"


def test_a_runtime_that_is_missing_leaves_with_4_and_the_words_that_bring_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "version_of", lambda _package: None)
    assert main(["doctor", "openvino"]) == 4
    assert capsys.readouterr().err == (
        "error: the package 'openvino' is not installed\nhint: pip install \"edgekit[openvino]\"\n"
    )


def test_an_unknown_runtime_is_answered_with_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "openvno"]) == 2
    assert "did you mean 'openvino'?" in capsys.readouterr().err
