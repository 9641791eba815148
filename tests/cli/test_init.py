import json
from pathlib import Path

import pytest

from edgekit import init
from edgekit.cli import init as verb
from edgekit.cli.main import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_verb_offers_every_task_that_has_an_example() -> None:
    assert verb._TASKS == init.TASKS


def test_an_example_says_how_to_go_on(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "project", "--json"]) == 0
    said = capsys.readouterr()
    assert "project/recipe.toml" in json.loads(said.out)["files"]
    assert said.err == "then: edgekit build project\n"
    assert (here / "project/card.toml").is_file()


def test_a_draft_says_what_is_to_be_filled_in(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = root / "examples/digits/digits.onnx"
    assert main(["init", "project", "--model", str(model)]) == 0
    assert capsys.readouterr().err == "fill in project/card.toml, then: edgekit build project\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["init", "p", "--task", "agreement", "--model", "m.onnx"], "--task and --model exclude one another"),
        (["init", "p", "--task", "translation"], "'translation' is not one of"),
        (["init", "p", "--model", "m.onnx"], "m.onnx: no such file"),
        (["init", "p", "--model", "m.pth"], "pickles can run any code"),
    ],
)
def test_wrong_words_leave_nothing_behind(
    words: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err
    assert list(here.iterdir()) == []
