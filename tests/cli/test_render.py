import io
from pathlib import Path

import pytest
from rich.console import Console

from edgekit.cli.render import print_report, table
from edgekit.report import Failure, Report


@pytest.fixture(scope="module")
def golden(root: Path) -> Report:
    return Report.from_json((root / "tests/golden/report.json").read_bytes())


def drawn(report: Report, width: int) -> str:
    text = io.StringIO()
    print_report(Console(file=text, width=width, force_terminal=False), report, "build/resnet20/report.html")
    return text.getvalue()


def test_two_targets_fit_a_terminal_of_80_columns_without_a_cut(golden: Report) -> None:
    two = golden.model_copy(update={"targets": golden.targets[:2]})
    text = drawn(two, 80)
    assert "\u2026" not in text
    rows = [line for line in text.splitlines() if line.startswith("  ")]
    assert all(len(line) <= 80 for line in rows)
    for words in ("onnxruntime-x86", "openvino-cpu", "0.5 MiB", "2.00 ms", "294.1 KiB", "99.8 %", "verdict"):
        assert words in text


def test_what_is_null_is_a_dash_with_its_reason_below(golden: Report) -> None:
    text = drawn(golden, 160)
    speed = next(line for line in text.splitlines() if line.strip().startswith("speed-up"))
    assert speed.split()[-1] == "-"
    assert "onnxruntime-arm: latency, memory, load_ms, int8_ops_share not measured: this machine is x86_64" in text


def test_what_does_not_hold_says_why_and_what_holds_says_nothing(golden: Report) -> None:
    lines = drawn(golden, 160).splitlines()
    assert "openvino-cpu: at least 1.24" in lines
    assert "onnxruntime-arm: 4300 samples could tell" in lines
    assert not [line for line in lines if line.startswith("onnxruntime-x86: ")]


def test_a_failed_target_says_why(golden: Report) -> None:
    failure = Failure(exit_code=6, error="the compiler said no", hint="see log.txt")
    nothing = {"artifact": None, "accuracy": None, "latency": None, "memory": None, "missing": {}, "failure": failure}
    text = drawn(golden.model_copy(update={"targets": (golden.targets[0].model_copy(update=nothing),)}), 100)
    assert "onnxruntime-x86: the compiler said no" in text
    assert "onnxruntime-x86: see log.txt" in text


def test_cells_are_shown_as_they_are() -> None:
    text = io.StringIO()
    Console(file=text, width=60).print(table(["[bold]name"], [["[red]x[/red]"]]))
    assert "[bold]name" in text.getvalue()
    assert "[red]x[/red]" in text.getvalue()
