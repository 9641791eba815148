"""Markdown of a report, for a pull request or a wiki: verdict first, one table, then what stands behind it.

Bounded to 65,000 characters, which is what GitHub takes in a comment.
"""

from collections.abc import Iterable, Sequence

from edgekit.present.figures import (
    amount,
    headline,
    interval,
    is_default,
    limit,
    mib,
    milliseconds,
    other_reasons,
    points,
    result_name,
    share,
    size,
    times,
    what_binds,
    why_null,
)
from edgekit.report import Report, TargetReport

_LIMIT_CHARACTERS = 65_000


def markdown_from_report(report: Report) -> str:
    """Return the page as text."""
    parts = [
        f"# {report.verdict.upper()}: {_text(report.model.path)}",
        " ".join(filter(None, [headline(report), what_binds(report)])),
        _table(
            ["target", "precision", "size", report_metric(report), "drop (95 % bound)", "speed-up", "p90", "verdict"],
            [_row(each) for each in report.targets],
        ),
        "## Budget against result",
        _table(
            ["target", "quantity", "budget", "result", "verdict", "why"],
            [
                [
                    each.name,
                    result_name(check),
                    limit(check) + (" (default)" if is_default(report, check) else ""),
                    amount(check, check.value),
                    check.verdict,
                    check.reason,
                ]
                for each in report.targets
                for check in each.checks
            ],
        ),
        *(part for each in report.targets for part in _details(each)),
        "## Steps",
        _table(
            ["step", "target", "seconds", ""],
            [
                [each.use, each.target or "all", f"{each.seconds:.1f}", "reused" if each.reused else ""]
                for each in report.steps
            ],
        ),
        _surroundings(report),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    cut = "\n\n(cut: the whole is in report.json)\n"
    return text if len(text) <= _LIMIT_CHARACTERS else text[: _LIMIT_CHARACTERS - len(cut)] + cut


def report_metric(report: Report) -> str:
    """The metric's name, or ``metric`` where nothing was measured."""
    return next((each.accuracy.metric for each in report.targets if each.accuracy), "metric")


def _row(target: TargetReport) -> list[str]:
    accuracy, latency = target.accuracy, target.latency
    return [
        target.name,
        target.precision,
        size(target.artifact.size_bytes if target.artifact else None),
        f"{points(accuracy.base)} -> {points(accuracy.value)}" if accuracy else points(None),
        f"{points(accuracy.drop)} (up to {points(accuracy.drop_upper_95)})" if accuracy else points(None),
        times(latency.speedup) + interval(latency.speedup_ci95) if latency else times(None),
        milliseconds(latency.value.p90_ms) if latency else milliseconds(None),
        f"**{target.verdict}**",
    ]


def _details(target: TargetReport) -> Iterable[str]:
    yield f"## {_text(target.name)}"
    facts = [
        f"runtime {target.runtime} {target.runtime_version or '(no version)'}, measured on {target.measured_on}",
        f"int8 share of the multiply-accumulates: {share(target.int8_ops_share)}",
        f"load time: {milliseconds(target.load_ms)}",
        f"peak memory: {mib(target.memory.peak_rss_mib if target.memory else None)}",
    ]
    if target.accuracy:
        facts.append(f"accuracy on {target.accuracy.samples} samples with {target.accuracy.measured_with}")
    if target.failure:
        facts += [f"failed: {target.failure.error}", target.failure.hint]
    facts += other_reasons(target)
    facts += why_null(target)
    yield "\n".join(f"- {_text(fact)}" for fact in facts if fact)
    if target.alternatives:
        yield _table(
            ["alternative", "drop", "speed-up", "size", ""],
            [[e.precision, points(e.drop), times(e.speedup), size(e.size_bytes), e.note] for e in target.alternatives],
        )
    if target.remedies:
        yield _table(
            ["remedy tried", "what", "drop", "size", ""],
            [[e.use, e.note, points(e.drop), size(e.size_bytes), "kept" if e.kept else ""] for e in target.remedies],
        )


def _surroundings(report: Report) -> str:
    facts = ", ".join(
        f"{name} {value}" for name, value in report.surroundings.items() if isinstance(value, (str, int, float))
    )
    return _text(f"Measured with {report.tool}: {facts}." if facts else f"Made with {report.tool}.")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")


def _text(text: str) -> str:
    """Keep to one line, and keep HTML from being HTML."""
    return " ".join(text.split()).replace("<", "&lt;")
