"""Tables for the terminal; every figure in the words of :mod:`edgekit.present.figures`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from pydantic import JsonValue
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from edgekit.cli.console import in_words
from edgekit.present.figures import (
    headline,
    interval,
    mib,
    milliseconds,
    other_reasons,
    points,
    share,
    size,
    times,
    what_binds,
    why_null,
)
from edgekit.recipe import Recipe
from edgekit.report import Report, TargetReport

_NONE = "-"
_STYLE_OF = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}


def table(heads: Sequence[str], rows: Iterable[Sequence[str | Text]], *, title: str = "") -> Table:
    """A plain table; cells are shown as they are, without rich's markup."""
    made = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold", box=SIMPLE_HEAD)
    for head in heads:
        made.add_column(Text(head), overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return made


def print_report(console: Console, report: Report, page: str) -> None:
    """Print the verdict, one table of budget against result, why, and where the report lies.

    The table has a row for each quantity and a column for each target, so that two targets fit 80 columns.
    """
    verdict = Text(report.verdict.upper(), style=_STYLE_OF[report.verdict])
    sentences = f"  {headline(report)} {what_binds(report)}".rstrip()
    console.print(Text.assemble(verdict, sentences), soft_wrap=True)
    columns = [_column(each) for each in report.targets]
    rows = [[name, limit, *(column[name] for column in columns)] for name, limit in _limits(report).items()]
    console.print(table(["", "budget", *(each.name for each in report.targets)], rows))
    for target in report.targets:
        for reason in _why(target):
            console.print(Text(f"{target.name}: {reason}"), soft_wrap=True)
    console.print(Text(f"report: {page}"), soft_wrap=True)


def _limits(report: Report) -> dict[str, str]:
    """The rows of the table, each with what was asked for."""
    budget = report.budget
    return {
        "precision": "",
        "size": f"{mib(budget.size_mib)}" if budget.size_mib else "",
        "accuracy": "",
        "drop": f"< {points(budget.drop_points)}{' (default)' if budget.drop_is_default else ''}",
        "speed-up": "",
        "p90": milliseconds(budget.p90_ms) if budget.p90_ms else "",
        "peak memory": mib(budget.rss_mib) if budget.rss_mib else "",
        "in int8": "",
        "verdict": "",
    }


def _column(target: TargetReport) -> dict[str, str | Text]:
    accuracy, latency = target.accuracy, target.latency
    return {
        "precision": target.precision,
        "size": size(target.artifact.size_bytes) if target.artifact else _NONE,
        "accuracy": f"{points(accuracy.base)} -> {points(accuracy.value)}" if accuracy else _NONE,
        "drop": f"{points(accuracy.drop)} (up to {points(accuracy.drop_upper_95)})" if accuracy else _NONE,
        "speed-up": times(latency.speedup) + interval(latency.speedup_ci95) if latency else _NONE,
        "p90": milliseconds(latency.value.p90_ms) if latency else _NONE,
        "peak memory": mib(target.memory.peak_rss_mib) if target.memory else _NONE,
        "in int8": _NONE if target.int8_ops_share is None else share(target.int8_ops_share),
        "verdict": Text(target.verdict, style=_STYLE_OF[target.verdict]),
    }


def _why(target: TargetReport) -> list[str]:
    """What a person must know besides the table: what failed, what does not hold, what else was found, what is null."""
    failure = [target.failure.error, target.failure.hint] if target.failure else []
    checks = [each.reason for each in target.checks if each.verdict != "pass"]
    return [each for each in (*failure, *checks, *other_reasons(target), *why_null(target)) if each]


def plan_document(recipe: Recipe, out: Path, steps: Sequence[str]) -> dict[str, JsonValue]:
    """What a build would do, as plain data."""
    return {
        "schema": "edgekit.plan/1",
        "model": str(recipe.model),
        "data": recipe.card.name,
        "targets": [each.name for each in recipe.targets],
        "threads": recipe.threads,
        "budget": recipe.budget.model_dump(exclude_none=True),
        "out": str(out),
        "profiles": {name: str(path) for name, path in recipe.profiles.items()},
        "steps": list(steps),
    }


def plan_summary(document: dict[str, JsonValue]) -> RenderableType:
    """The plan, one line for each step."""
    facts = [f"{name}: {in_words(document[name])}" for name in ("model", "data", "targets", "threads", "budget", "out")]
    steps = cast(list[str], document["steps"])
    return Text("\n".join([*facts, *(f"{number}. {step}" for number, step in enumerate(steps, 1))]))
