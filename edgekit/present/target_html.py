"""One target's part of report.html: its checks as meters, its size, accuracy and latency as bars, what was tried."""

from collections.abc import Iterator, Sequence
from html import escape

from edgekit.present.charts import bar, meter, on_axis, on_log_axis, ratio_axis, span
from edgekit.present.figures import (
    amount,
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
    why_missing,
    why_null,
)
from edgekit.report import Accuracy, Check, Latency, Report, TargetReport

_BEYOND = 1.5
"""A meter's track ends at this many budgets, so that a result beyond the budget shows as beyond."""


def target_section(report: Report, target: TargetReport) -> str:
    """Return the section as HTML."""
    where = f"{target.runtime} {target.runtime_version or '(no version)'}, {target.measured_on}"
    checks = "".join(_check(report, target, each) for each in target.checks)
    reasons = "".join(
        f"<li>{escape(each)}</li>" for each in (*_failure(target), *other_reasons(target), *why_null(target))
    )
    return (
        f'<section class="card target"><header><h2>{escape(target.name)}</h2>'
        f'<span class="chip">{escape(target.precision)}</span><span class="chip">{escape(where)}</span>'
        f'<span class="pill {target.verdict}">{target.verdict}</span></header>'
        f'{checks}<div class="charts">{_size(report, target)}{_accuracy(report, target)}{_latency(target)}'
        f"{_other(target)}</div>"
        + (f'<ul class="reasons small">{reasons}</ul>' if reasons else "")
        + _files(target)
        + "".join(_tables(target))
        + "</section>"
    )


def _check(report: Report, target: TargetReport, check: Check) -> str:
    """One budget against its result."""
    found, asked = amount(check, check.value), limit(check) + (" (default)" if is_default(report, check) else "")
    shown = ""
    if check.value is not None:
        title = f"{target.name} {result_name(check)}: {found}, budget {asked}"
        shown = meter(check.value / (_BEYOND * check.budget) if check.budget else 1.0, 1 / _BEYOND, title)
    return (
        f'<div class="check {check.verdict}"><div>{escape(result_name(check))}</div><div class="bar">{shown}</div>'
        f'<div class="numbers"><b>{escape(found)}</b> <span class="soft small">budget {escape(asked)}</span></div>'
        f'<div class="verdict"><span class="pill">{check.verdict}</span></div>'
        + (f'<div class="why small soft">{escape(check.reason)}</div>' if check.reason else "")
        + "</div>"
    )


def _size(report: Report, target: TargetReport) -> str:
    if target.artifact is None:
        return _nothing("size", why_missing(target, "artifact"))
    base, value = report.model.size_bytes, target.artifact.size_bytes
    smaller = f"{times(base / value)} smaller" if 0 < value <= base else f"{times(value / base)} larger" if base else ""
    return (
        f'<div><h3>size</h3><p class="big">{size(value)}</p><p class="small soft">{smaller} than the model</p>'
        + _pair([("model", base, size(base)), ("artifact", value, size(value))])
        + "</div>"
    )


def _accuracy(report: Report, target: TargetReport) -> str:
    accuracy = target.accuracy
    if accuracy is None:
        return _nothing("accuracy", why_missing(target, "accuracy"))
    return (
        f'<div><h3>accuracy: {escape(accuracy.metric)}</h3><p class="big">{points(accuracy.base)} &rarr; '
        f'{points(accuracy.value)}</p><p class="small soft">{accuracy.samples:,} samples, '
        f"{escape(accuracy.measured_with)}</p>{_drop(accuracy, report.budget.drop_points)}</div>"
    )


def _drop(accuracy: Accuracy, budget: float) -> str:
    """The drop with its 95 % interval, between no drop and the budget."""
    low = accuracy.drop if accuracy.drop_lower_95 is None else accuracy.drop_lower_95
    high = accuracy.drop if accuracy.drop_upper_95 is None else accuracy.drop_upper_95
    margin = 0.15 * max(max(high, budget) - min(low, 0.0), 1e-9)
    start, end = min(low, 0.0) - margin, max(high, budget) + margin
    title = (
        f"drop {points(accuracy.drop)} points, 95 % between {points(low)} and {points(high)}; budget {points(budget)}"
    )
    marks = [(on_axis(0.0, start, end), "base"), (on_axis(budget, start, end), "limit")]
    drawn = span(
        (on_axis(low, start, end), on_axis(high, start, end)), on_axis(accuracy.drop, start, end), marks, title
    )
    return (
        f'<div class="span">{drawn}<div class="ends"><span>drop {points(accuracy.drop)}, 95 % from {points(low)} '
        f"to {points(high)}</span><span>budget {points(budget)}</span></div></div>"
    )


def _latency(target: TargetReport) -> str:
    latency = target.latency
    if latency is None:
        return _nothing("latency", why_missing(target, "latency"))
    base, value = latency.base.p50_ms, latency.value.p50_ms
    return (
        f'<div><h3>latency, median</h3><p class="big">{milliseconds(value)}</p><p class="small soft">'
        f"{latency.rounds} rounds, {latency.threads} thread{'s' if latency.threads > 1 else ''}, "
        f"p90 {milliseconds(latency.value.p90_ms)}</p>"
        + _pair([("float", base, milliseconds(base)), ("artifact", value, milliseconds(value))])
        + _speedup(latency)
        + "</div>"
    )


def _speedup(latency: Latency) -> str:
    """The speed-up with its 95 % interval, on an axis where half and double stand equally far from one."""
    if latency.speedup is None:
        return ""
    ends = latency.speedup_ci95 or (latency.speedup, latency.speedup)
    low, high = ratio_axis([latency.speedup, *ends])
    title = f"speed-up {times(latency.speedup)}{interval(latency.speedup_ci95)} over float on the same runtime"
    drawn = span(
        (on_log_axis(ends[0], low, high), on_log_axis(ends[1], low, high)),
        on_log_axis(latency.speedup, low, high),
        [(on_log_axis(1.0, low, high), "base")],
        title,
    )
    said = (
        f"{times(latency.speedup)}{interval(latency.speedup_ci95)} faster"
        if latency.speedup >= 1
        else (f"{times(latency.speedup)}{interval(latency.speedup_ci95)}: slower")
    )
    return (
        f'<div class="span">{drawn}<div class="ends"><span>{low:g}x</span><span>{said}</span><span>{high:g}x</span>'
        "</div></div>"
    )


def _other(target: TargetReport) -> str:
    """The figures that have no chart."""
    memory, latency = target.memory, target.latency
    facts = {
        "multiply-accumulates in int8": share(target.int8_ops_share),
        "peak memory": mib(memory.peak_rss_mib if memory else None),
        "peak memory of float": mib(memory.base_peak_rss_mib if memory else None),
        "load time": milliseconds(target.load_ms),
        "speed-up over float ONNX Runtime": times(latency.speedup_vs_onnxruntime_float if latency else None),
        "speed-up by graph clean-up alone": times(latency.prepare_speedup if latency else None),
    }
    tiles = "".join(f'<div><span class="soft">{name}</span><b>{text}</b></div>' for name, text in facts.items())
    return f'<div class="stats">{tiles}</div>'


def _pair(rows: Sequence[tuple[str, float, str]]) -> str:
    """Base and value as bars on one axis from zero."""
    longest = max(value for _, value, _ in rows) or 1.0
    kinds = ("base", "value")
    return "".join(
        f'<div class="row"><span>{name}</span>{bar(value / longest, kind, f"{name}: {text}")}<span>{text}</span></div>'
        for (name, value, text), kind in zip(rows, kinds, strict=True)
    )


def _files(target: TargetReport) -> str:
    """Where the artifact lies; the digests stand in report.json."""
    if target.artifact is None:
        return ""
    shown = ", ".join(f"<code>{escape(each.path)}</code> {size(each.size_bytes)}" for each in target.artifact.files)
    return f'<p class="files small soft">{shown}</p>'


def _nothing(name: str, why: str) -> str:
    return f'<div><h3>{name}</h3><p class="big soft">not measured</p><p class="small soft">{escape(why)}</p></div>'


def _failure(target: TargetReport) -> list[str]:
    return [each for each in (target.failure.error, target.failure.hint) if each] if target.failure else []


def _tables(target: TargetReport) -> Iterator[str]:
    if target.alternatives:
        rows = [
            ("", [each.precision, points(each.drop), times(each.speedup), size(each.size_bytes), each.note])
            for each in target.alternatives
        ]
        yield _table(["alternative", "drop", "speed-up", "size", ""], rows)
    if target.remedies:
        rows = [
            (
                "kept" if each.kept else "",
                [each.note, points(each.drop), size(each.size_bytes), f"{each.use}{', kept' if each.kept else ''}"],
            )
            for each in target.remedies
        ]
        yield _table(["remedy tried", "drop", "size", ""], rows)


def _table(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A table whose first and last columns are words, and those between numbers."""
    last = len(heads) - 1
    kinds = ["" if column in {0, last} else ' class="number"' for column in range(len(heads))]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, heads, strict=True))
    body = "".join(
        f'<tr class="{name}">'
        + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, cells, strict=True))
        + "</tr>"
        for name, cells in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
