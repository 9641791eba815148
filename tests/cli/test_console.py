import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from edgekit.cli.console import Bars, Voice, in_words, print_facts, stdout


@pytest.fixture
def screen() -> tuple[io.StringIO, Progress]:
    """What a terminal would show, and the display that draws on it."""
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=100, no_color=True)
    return shown, Progress(console=console, auto_refresh=False)


def test_progress_is_silent_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Voice().progress() as bars:
        bars.advance("calibrate", 0, 0)
        for done in range(4):
            bars.advance("samples", done, 3)
    assert capsys.readouterr() == ("", "")


def test_verbose_says_each_step_once_it_begins_and_no_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with Voice(verbose=True).progress() as bars:
        bars.advance("prepare", 0, 0)
        bars.advance("samples", 1, 3)
        bars.advance("quantize.static for openvino-cpu", 0, 0)
    assert capsys.readouterr() == ("", "prepare\nquantize.static for openvino-cpu\n")


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    voice = Voice(quiet=True)
    voice.say("a sentence")
    with voice.progress() as bars:
        bars.advance("prepare", 0, 0)
    assert capsys.readouterr() == ("", "")


def test_messages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Voice().say("float kept: nothing to quantize")
    assert capsys.readouterr() == ("", "float kept: nothing to quantize\n")


def test_a_terminal_shows_the_step_and_a_bar_for_each_count_until_it_is_full(
    screen: tuple[io.StringIO, Progress],
) -> None:
    _, display = screen
    bars = Bars(Voice(), display)
    bars.advance("measure", 0, 0)
    bars.advance("rounds", 3, 10)
    assert [(task.description, task.completed) for task in display.tasks] == [("measure", 0), ("rounds", 3)]
    bars.advance("rounds", 10, 10)
    assert [task.description for task in display.tasks] == ["measure"]
    bars.advance("report", 0, 0)
    assert [task.description for task in display.tasks] == ["report"]


def test_a_terminal_keeps_a_line_for_each_step_when_verbose(screen: tuple[io.StringIO, Progress]) -> None:
    shown, display = screen
    Bars(Voice(verbose=True), display).advance("[red]prepare[/red]", 0, 0)
    assert "[red]prepare[/red]" in shown.getvalue()


def test_what_is_piped_is_wide_enough_for_a_table() -> None:
    assert stdout().width >= 160


def test_facts_are_lines_or_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"path": "m.onnx", "size_bytes": 12, "layers": ["a", "b"]}
    print_facts("edgekit.quantize/1", facts, as_json=False, quiet=False)
    assert capsys.readouterr().out == "path        m.onnx\nsize_bytes  12\nlayers      a, b\n"
    print_facts("edgekit.quantize/1", facts, as_json=True, quiet=True)
    assert json.loads(capsys.readouterr().out) == {"schema": "edgekit.quantize/1", **facts}
    print_facts("edgekit.quantize/1", facts, as_json=False, quiet=True)
    print_facts("edgekit.quantize/1", {}, as_json=False, quiet=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456789, "0.123457"),
        ({"Conv": 19, "Add": 9}, "Conv 19, Add 9"),
        ([{"name": "x"}, 2], "name x, 2"),
        (None, "none"),
        ([], "none"),
        (Path("a"), "a"),
    ],
)
def test_plain_values_are_written_as_people_do(value: object, text: str) -> None:
    assert in_words(value) == text
