"""quantize, compile and eval: what each hands to the build, and what it prints."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit import build
from edgekit.artifact import Artifact
from edgekit.cli.main import main
from edgekit.recipe import Outcome

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


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """A working directory with a model and a card; what is called is noted."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.onnx").write_bytes(b"looked at later")
    (tmp_path / "card.toml").write_text(CARD)
    artifact = Artifact.of(tmp_path / "m.onnx", kind="onnx")
    answers = {
        "quantize_alone": Outcome(artifact, changed=False, facts={"why_float": "no operator that runs on integers"}),
        "compile_alone": artifact,
        "eval_alone": {"metric": "top1", "better": "higher", "value": 92.5, "samples": 5000},
    }
    noted: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
    for name, answer in answers.items():

        def call(*parts: Any, name: str = name, answer: Any = answer, **flags: Any) -> Any:
            noted.append((name, parts, flags))
            return answer

        monkeypatch.setattr(build, name, call, raising=False)
    return noted


def test_quantize_writes_where_it_is_told_and_says_why_float_was_kept(
    calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quantize", "m.onnx", "-d", "card.toml", "-t", "openvino-cpu", "-o", "x.onnx", "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == "float kept: no operator that runs on integers\n"
    document = json.loads(said.out)
    assert (document["schema"], document["path"], document["target"]) == (
        "edgekit.quantize/1",
        "x.onnx",
        "openvino-cpu",
    )
    ((name, parts, flags),) = calls
    assert name == "quantize_alone"
    assert (parts[0], parts[1].name, parts[2].name, parts[3]) == (Path("m.onnx"), "n", "openvino-cpu", Path("x.onnx"))
    assert (flags["step"], flags["threads"]) == (None, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["quantize", "m.onnx", "-d", "card.toml"], "no output is given (-o)"),
        (["quantize", "m.onnx", "-o", "x.onnx"], "no data card is given"),
        (["quantize", "m.onnx", "-d", "card.toml", "-o", "x.tflite"], "ends in .onnx"),
        (
            ["quantize", "m.onnx", "-d", "card.toml", "-o", "x.onnx", "--use", "statc"],
            "did you mean 'quantize.static'?",
        ),
        (["compile", "m.onnx", "-t", "openvino-cpu"], "no output is given (-o)"),
        (["compile", "m.onnx", "-t", "openvino-cpu", "-o", "card.toml"], "is a folder, this is a file"),
        (["compile", "m.onnx", "-t", "openvino", "-o", "out"], "did you mean 'openvino-"),
        (["eval", "m.onnx"], "no data card is given"),
        (["eval", "nothing.onnx", "-d", "card.toml"], "no such file"),
        (["inspect", "m.pkl"], "pickles can run any code"),
    ],
)
def test_wrong_words_leave_with_2_before_any_work(
    words: list[str], said: str, calls: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: ")
    assert said in lines[0]
    assert lines[-1].startswith("hint: ")
    assert calls == []
    assert sorted(each.name for each in tmp_path.iterdir()) == ["card.toml", "m.onnx"]


def test_compile_prints_what_it_made(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "m.onnx", "-t", "openvino-cpu", "-o", "out", "--threads", "2"]) == 0
    said = capsys.readouterr().out
    assert "sha256" in said
    assert "openvino-cpu" in said
    ((_, parts, flags),) = calls
    assert (parts[0], parts[1].name, parts[2], flags["threads"]) == (Path("m.onnx"), "openvino-cpu", Path("out"), 2)


@pytest.mark.usefixtures("calls")
def test_eval_prints_the_metric(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "m.onnx", "-d", "card.toml"]) == 0
    assert "value     92.5" in capsys.readouterr().out
