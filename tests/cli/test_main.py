import errno
import os
import subprocess
import sys

import click
import pytest

from edgekit import __version__, errors
from edgekit.cli import main as cli
from edgekit.cli.group import VERBS
from edgekit.cli.main import main


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """The exit code when a verb raises this."""

    def call(_arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "_call", call)
    return main([])


def test_help_names_every_verb_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr()
    for verb, about in VERBS.items():
        assert verb in said.out
        assert about.split(";")[0][:30] in said.out
    assert "130 interrupted" in said.out
    assert said.err == ""


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"Usage: edgekit {verb}" in capsys.readouterr().out


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"edgekit {__version__}\n"


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["biuld"], "error: no such verb 'biuld'; verbs: ", "hint: edgekit --help"),
        (
            ["build", "m", "--max-dorp", "1"],
            "error: no such option '--max-dorp'; did you mean '--max-drop'?",
            "hint: edgekit build --help",
        ),
        (["--versoin"], "error: no such option '--versoin'; did you mean '--version'?", "hint: edgekit --help"),
        ([], "error: missing command", "hint: edgekit --help"),
        (["build"], "error: missing argument 'RECIPE|MODEL'", "hint: edgekit build --help"),
        (
            ["build", "m", "--max-drop", "-1"],
            "error: invalid value for '--max-drop': -1.0 is not in the range",
            "hint: ",
        ),
        (["build", "m", "--threads", "many"], "error: invalid value for '--threads': 'many' is not a valid", "hint: "),
        (["list", "stepz"], "error: invalid value for", "hint: edgekit list --help"),
        (["eval", "a", "b"], "error: got unexpected extra argument (b)", "hint: edgekit eval --help"),
    ],
)
def test_clicks_own_errors_look_like_ours(
    words: list[str], error: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(error)
    assert lines[1].startswith(hint)
    assert said.out == ""


def test_a_misspelt_verb_is_answered_with_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    main(["quantise"])
    assert "did you mean 'quantize'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.RecipeError, 2),
        (errors.ModelError, 2),
        (errors.InputError, 2),
        (errors.MissingExtra, 4),
        (errors.StepError, 6),
        (errors.CompileError, 6),
        (errors.RuntimeFault, 6),
    ],
)
def test_an_error_leaves_with_the_code_of_its_class(
    kind: type[errors.EdgeKitError], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(monkeypatch, kind(["one", "two"], hint="three")) == code
    assert capsys.readouterr().err == "error: one\nerror: two\nhint: three\n"


def test_an_error_stays_on_one_line_whatever_is_in_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, errors.RecipeError("a\nhint: forged\x1b[31m " + "long " * 100))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: a\\nhint: forged\\x1b[31m long")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_leaves_with_130(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(monkeypatch, error) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_code_that_leaves_the_program_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(monkeypatch, SystemExit(0)) == 2
    assert capsys.readouterr().err.startswith("error: code that was called left the program (exit 0)\nhint: ")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "error: out of memory"),
        (OSError(errno.ENOSPC, "No space left on device", "out/model.onnx"), "error: the disk is full: out/model.onnx"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "error: the disk is full"),
    ],
)
def test_memory_and_disk_that_run_out_leave_with_6(
    error: BaseException, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(monkeypatch, error) == 6
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == said
    assert lines[1].startswith("hint: ")


@pytest.mark.parametrize("error", [ValueError("odd"), PermissionError(errno.EACCES, "no"), AssertionError()])
def test_a_bug_shows_its_traceback_and_leaves_with_70(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(monkeypatch, error) == 70
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert "error: this is a bug in EdgeKit" in said
    assert "hint: report it" in said


def test_plug_ins_are_switched_off_for_this_and_every_child_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGEKIT_NO_PLUGINS", "")
    assert main(["--no-plugins", "list", "steps"]) == 0
    assert os.environ["EDGEKIT_NO_PLUGINS"] == "1"
    assert "quantize.static" in capsys.readouterr().out


def run(*words: str, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "edgekit", *words], stderr=subprocess.PIPE, **options)  # type: ignore[call-overload, no-any-return]  # options are Popen's


def test_a_reader_that_goes_away_is_met_in_silence() -> None:
    process = run("list", "targets", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=60)
    assert said == b""
    assert process.returncode == 141


def test_a_real_interrupt_leaves_with_130_and_one_line() -> None:
    code = (
        "import os, signal, sys\n"
        "from edgekit.cli import main as cli\n"
        "def call(_): os.kill(os.getpid(), signal.SIGINT); [None for _ in iter(int, 1)]\n"
        "cli._call = call\n"
        "sys.exit(cli.main([]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")
