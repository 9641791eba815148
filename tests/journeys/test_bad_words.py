"""What bad recipes, targets, flags and outputs get; and what an interrupt or a full disk leaves behind."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgekit.cli.main import main

BUILD = ("build", "recipe.toml", "-o", "out")
ANY_DROP = ("--set", "budget.drop_points=60")
TARGET = 'name = "mine"\nplace = "here"\nruntime = "openvno"\n'


def occupied(project: Any) -> None:
    (project.folder / "out").mkdir()
    project.write("out/mine.txt", "mine")


CASES: dict[str, tuple[Callable[[Any], object], tuple[str, ...], tuple[str, ...]]] = {
    "a recipe with misspelt keys": (
        lambda p: p.add("recipe.toml", "thread = 2\n[budgets]\n"),
        ("thread: unknown key", "did you mean 'threads'?", "did you mean 'budget'?"),
        BUILD,
    ),
    "a recipe that is not there": (lambda p: p.remove("recipe.toml"), ("recipe.toml: no such file",), BUILD),
    "an unknown step": (
        lambda p: p.add("recipe.toml", '[[step]]\nuse = "quantize.statc"\n'),
        ("unknown step 'quantize.statc'", "did you mean 'quantize.static'?"),
        BUILD,
    ),
    "an unknown target": (
        lambda _: None,
        ("unknown target 'openvino-cqu'", "did you mean 'openvino-cpu'?"),
        (*BUILD, "-t", "openvino-cqu"),
    ),
    "a target with mistakes": (
        lambda p: p.write("mine.toml", TARGET),
        ("mine.toml: runtime", "did you mean 'openvino'?"),
        (*BUILD, "-t", "mine.toml"),
    ),
    "a negative budget": (lambda _: None, ("'--max-drop': -1.0 is not in the range",), (*BUILD, "--max-drop", "-1")),
    "a budget of nothing": (lambda _: None, ("'--size-mib': 0.0 is not in the range",), (*BUILD, "--size-mib", "0")),
    "a budget that is not a number": (lambda _: None, ("budget.drop_points",), (*BUILD, "--max-drop", "nan")),
    "a negative budget in the recipe": (
        lambda p: p.add("recipe.toml", "[budget]\np90_ms = -3\n"),
        ("recipe.toml: budget.p90_ms",),
        BUILD,
    ),
    "an unknown device": (lambda _: None, ("device", "this-machine"), (*BUILD, "--device", "raspberry-pi-5")),
    "a setting without a value": (lambda _: None, ("--set 'threads' is not KEY=VALUE",), (*BUILD, "--set", "threads")),
    "a misspelt verb": (lambda _: None, ("no such verb 'biuld'", "did you mean 'build'?"), ("biuld", "recipe.toml")),
    "a misspelt option": (
        lambda _: None,
        ("no such option '--max-dorp'", "did you mean '--max-drop'?"),
        (*BUILD, "--max-dorp", "1"),
    ),
    "an output below a file": (
        lambda p: p.write("file", ""),
        ("out",),
        ("build", "recipe.toml", "-o", "file/out"),
    ),
    "an output that is a file": (lambda p: p.write("out", "mine"), ("out",), BUILD),
    "an output that holds other things": (occupied, ("out",), BUILD),
    "one step without an output": (
        lambda _: None,
        ("no output is given",),
        ("quantize", "model.onnx", "-d", "card.toml"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_words_are_named_and_leave_nothing_behind(case: str, refused: Callable[..., None]) -> None:
    refused(*CASES[case])


def test_the_project_that_the_cases_break_does_build(project: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*BUILD, *ANY_DROP]) == 0, capfd.readouterr().err
    assert (project.folder / "out/report.json").is_file()


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "edgekit", *words]


def test_an_interrupted_build_leaves_with_130_and_goes_on_afterwards(project: Any) -> None:
    process = subprocess.Popen(command(*BUILD, *ANY_DROP, "-v"), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    process.stderr.readline()  # the first step has begun
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "error: interrupted"
    assert not (project.folder / "out/report.json").exists()
    assert main([*BUILD, *ANY_DROP, "--resume"]) == 0


def test_a_full_disk_leaves_with_6_and_no_half_written_report(project: Any) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("this system lets no user make a small file system")
    (project.folder / "out").mkdir()
    words = " ".join(command(*BUILD))
    script = f"mount -t tmpfs -o size=16k tmpfs out && {words}; code=$?; find out -type f -name 'report*'; exit $code"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 6, done.stderr
    assert done.stderr.splitlines()[-2].startswith("error: no room is left on the disk"), done.stderr
    assert done.stderr.splitlines()[-1].startswith("hint: ")
    assert done.stdout == ""


def test_an_output_that_may_not_be_written_is_refused(project: Any, capfd: pytest.CaptureFixture[str]) -> None:
    locked = project.folder / "locked"
    locked.mkdir(mode=0o555)
    if os.access(locked, os.W_OK):
        pytest.skip("this user may write everywhere")
    assert main(["build", "recipe.toml", "-o", "locked/out"]) == 2
    assert capfd.readouterr().err.startswith("error: ")
    assert list(locked.iterdir()) == []


@pytest.mark.usefixtures("project")
def test_a_system_folder_that_takes_no_files_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc here")
    assert main(["build", "recipe.toml", "-o", "/proc/self/out"]) == 2
    assert capfd.readouterr().err.startswith("error: ")
