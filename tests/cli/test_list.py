import json
from pathlib import Path

import pytest

from edgekit.catalog import find_profile
from edgekit.cli.main import main


def listed(kind: str, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    """The rows of a list by name, from its JSON document."""
    assert main(["list", kind, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "edgekit.list/1"
    return {row["name"]: row for row in document[kind]}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_targets_say_what_they_run_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    row = listed("targets", capsys)["openvino-cpu"]
    assert row["runs"] == "openvino int8"
    assert row["from"] == "shipped"


def test_a_shadowed_target_is_marked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = find_profile("targets", "openvino-cpu", here)
    (here / "targets").mkdir()
    (here / "targets/openvino-cpu.toml").write_text(shipped.read_text())
    assert f"(shadows {shipped})" in listed("targets", capsys)["openvino-cpu"]["from"]


def test_a_file_with_mistakes_is_listed_with_the_first_of_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "calibration").mkdir()
    (here / "calibration/mine.toml").write_text("task = 3\n")
    assert "mine.toml" in listed("cards", capsys)["mine"]["licence"]


def test_cards_say_task_and_licence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "calibration").mkdir()
    (here / "calibration/numbers.toml").write_text(
        'name = "numbers"\ntask = "agreement"\nlicence = "CC0-1.0"\n'
        '[source]\nkind = "arrays"\npath = "n.npz"\n[source.inputs]\nx = "x"\n'
    )
    row = listed("cards", capsys)["numbers"]
    assert (row["task"], row["licence"]) == ("agreement", "CC0-1.0")


def test_this_machine_is_a_device(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed("devices", capsys)["this-machine"]["from"] == "probed"


def test_steps_say_what_they_take_and_give(capsys: pytest.CaptureFixture[str]) -> None:
    row = listed("steps", capsys)["quantize.static"]
    assert (row["takes"], row["gives"]) == ("onnx", "onnx")


def test_people_get_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "targets"]) == 0
    assert "openvino-npu" in capsys.readouterr().out
    assert main(["list", "targets", "-q"]) == 0
    assert capsys.readouterr().out == ""
