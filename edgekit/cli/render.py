"""Tables for the terminal; every figure in the words of :mod:`edgekit.present.figures`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from pydantic import JsonValue
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgekit.cli.console import in_words
from edgekit.present.figures import (
    headline,
    interval,
    mib,
    milliseconds,
    points,
    share,
    size,
    times,
    what_binds,
)
from edgekit.recipe import Recipe
from edgekit.report import Budget, Report, TargetReport

_STYLE_OF = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}


def table(heads: Sequence[str], rows: Iterable[Sequence[str | Text]], *, title: str = "") -> Table:
    """A plain table; cells are shown as they are, without rich's markup."""
    made = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold", box=SIMPLE_HEAD)
    for head in heads:
        made.add_column(Text(head))
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return made


def report_summary(report: Report, page: str) -> RenderableType:
    """The verdict, one table of budget against result, why, and where the report lies."""
    verdict = Text(report.verdict.upper(), style=_STYLE_OF[report.verdict])
    lines: list[RenderableType] = [Text.assemble(verdict, f"  {headline(report)} {what_binds(report)}".rstrip())]
    heads = ["target", "precision", *_budget_heads(report.budget), "verdict"]
    lines.append(table(heads, [_row(each) for each in report.targets]))
    lines += [Text(f"{each.name}: {reason}") for each in report.targets for reason in _why(each)]
    lines.append(Text(f"report: {page}"))
    return Group(*lines)


def _budget_heads(budget: Budget) -> list[str]:
    """Column heads that carry what was asked for."""
    default = ", default" if budget.drop_is_default else ""
    latency = f"p90 (at most {milliseconds(budget.p90_ms)})" if budget.p90_ms else "p90"
    memory = f"peak memory (at most {mib(budget.rss_mib)})" if budget.rss_mib else "peak memory"
    limit = f" (at most {mib(budget.size_mib)})" if budget.size_mib else ""
    return [
        f"size{limit}",
        "accuracy",
        f"drop (< {points(budget.drop_points)}{default})",
        "speed-up",
        latency,
        memory,
        "in int8",
    ]


def _row(target: TargetReport) -> list[str | Text]:
    accuracy, latency = target.accuracy, target.latency
    return [
        target.name,
        target.precision,
        size(target.artifact.size_bytes if target.artifact else None),
        f"{points(accuracy.base)} -> {points(accuracy.value)}" if accuracy else points(None),
        f"{points(accuracy.drop)} (up to {points(accuracy.drop_upper_95)})" if accuracy else points(None),
        times(latency.speedup) + interval(latency.speedup_ci95) if latency else times(None),
        milliseconds(latency.value.p90_ms) if latency else milliseconds(None),
        mib(target.memory.peak_rss_mib if target.memory else None),
        share(target.int8_ops_share),
        Text(target.verdict, style=_STYLE_OF[target.verdict]),
    ]


def _why(target: TargetReport) -> list[str]:
    failure = [target.failure.error] if target.failure else []
    missing = [f"{name} is null: {reason}" for name, reason in target.missing.items()]
    return [*failure, *target.reasons, *missing]


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
