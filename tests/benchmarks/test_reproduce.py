"""Reproduce and memory: what the scripts compare, and what they write."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from edgekit.card import read_card

Loader = Callable[[str], ModuleType]


@pytest.fixture
def reproduce(script: Loader, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with a stand-in for the build: it writes two files, one at a time."""
    module = script("reproduce")

    def command(what: str, out: Path, flags: list[str]) -> list[str]:
        code = (
            "import pathlib, sys, time\n"
            "folder = pathlib.Path(sys.argv[2], 'artifacts', 'target'); folder.mkdir(parents=True, exist_ok=True)\n"
            "for name in ('a', 'b'):\n"
            "    (folder / name).write_text(sys.argv[1])\n"
            "    '--slow' in sys.argv and time.sleep(60)\n"
        )
        return [sys.executable, "-c", code, what, str(out), *flags]

    monkeypatch.setattr(module, "command", command)
    return module


def test_two_builds_are_compared_file_by_file(reproduce: ModuleType, tmp_path: Path) -> None:
    first, _ = reproduce.build("one", tmp_path / "first", [])
    again, _ = reproduce.build("one", tmp_path / "second", [])
    other, _ = reproduce.build("two", tmp_path / "third", [])
    assert sorted(first) == ["target/a", "target/b"]
    assert reproduce.differences(first, again) == []
    assert reproduce.differences(first, other) == ["target/a", "target/b"]
    assert reproduce.differences(first, {"target/a": first["target/a"]}) == ["target/b"]


def test_a_build_is_killed_with_its_children(reproduce: ModuleType, tmp_path: Path) -> None:
    assert reproduce.build_and_kill("one", tmp_path / "out", ["--slow"], 0.5)
    assert not (tmp_path / "out" / "artifacts" / "target" / "b").exists()


def test_a_build_that_is_done_cannot_be_killed(reproduce: ModuleType, tmp_path: Path) -> None:
    assert not reproduce.build_and_kill("one", tmp_path / "out", [], 30.0)


def test_a_build_without_a_verdict_is_no_result(
    reproduce: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reproduce, "command", lambda *_: [sys.executable, "-c", "raise SystemExit('error: a disk')"])
    monkeypatch.setattr(reproduce, "VERDICTS", (0, 3))
    with pytest.raises(RuntimeError, match="error: a disk"):
        reproduce.build("one", tmp_path / "out", [])


def test_the_script_says_whether_the_bytes_are_the_same(
    reproduce: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reproduce.main(["one", "--kills", "2"]) == 0
    said = capsys.readouterr().out
    assert said.count("the same bytes") == 3
    assert said.endswith("0 missed\n")


def test_the_memory_card_names_as_many_pictures_as_it_counts(script: Loader, tmp_path: Path) -> None:
    memory = script("memory")
    names = [f"{number:05d}.jpg" for number in range(30)]
    card = read_card(memory.write_card(tmp_path, names, 12))
    assert card.calibration.count == 12
    assert (card.folder / "calibration.csv").read_text().split() == [
        "file,label",
        *(f"{each},0" for each in names[:12]),
    ]
    assert len((card.folder / "evaluation.csv").read_text().split()) == memory.EVALUATED + 1


def test_pictures_are_the_same_each_time_and_differ_from_one_another(
    script: Loader, shared: Path, tmp_path: Path
) -> None:
    memory = script("memory")
    names = memory.write_pictures(shared / "data", tmp_path / "one", 303)
    memory.write_pictures(shared / "data", tmp_path / "two", 303)
    one, two = ([(tmp_path / folder / name).read_bytes() for name in names] for folder in ("one", "two"))
    assert one == two
    assert len(set(one)) == 303
