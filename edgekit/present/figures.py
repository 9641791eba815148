"""Figures as people read them: numbers with the digits that mean something, and the verdict in a sentence.

Every page, table and terminal line takes its words from here, so that they cannot differ.

>>> size(272_000), points(0.1234), times(2.118), milliseconds(0.0834)
('265.6 KiB', '0.12', '2.12x', '0.083 ms')
"""

from edgekit.report import Check, Report, TargetReport

NOT_KNOWN = "not measured"
_KIB = 1024
_MIB = 1024 * _KIB


def points(value: float | None) -> str:
    """A metric or a drop in points, two decimals; a rounded zero carries no sign."""
    return NOT_KNOWN if value is None else f"{round(value, 2) + 0.0:.2f}"


def size(size_bytes: float | None) -> str:
    """A size in the unit that reads best."""
    if size_bytes is None:
        return NOT_KNOWN
    if size_bytes < _KIB:
        return f"{size_bytes:.0f} B"
    return f"{size_bytes / _KIB:.1f} KiB" if size_bytes < _MIB else f"{size_bytes / _MIB:.2f} MiB"


def mib(value: float | None) -> str:
    """A memory figure that is in MiB already."""
    return NOT_KNOWN if value is None else f"{value:.1f} MiB"


def milliseconds(value: float | None) -> str:
    """A latency: microseconds below 1 ms, whole milliseconds from 100 ms on."""
    if value is None:
        return NOT_KNOWN
    return f"{value:.3f} ms" if value < 1 else f"{value:.2f} ms" if value < 100 else f"{value:.0f} ms"


def times(value: float | None) -> str:
    """A ratio of speed or size."""
    return NOT_KNOWN if value is None else f"{value:.2f}x"


def share(value: float | None) -> str:
    """A share in 0..1 as per cent."""
    return NOT_KNOWN if value is None else f"{100 * value:.1f} %"


def interval(ends: tuple[float, float] | None) -> str:
    """A 95 % interval of a ratio, or nothing."""
    return f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else ""


def amount(check: Check, value: float | None) -> str:
    """A value in the unit of the check's quantity."""
    if value is None:
        return NOT_KNOWN
    if check.quantity == "accuracy":
        return f"{points(value)} points"
    if check.quantity == "size":
        return size(value * _MIB)
    return mib(value) if check.quantity == "memory" else milliseconds(value)


def limit(check: Check) -> str:
    """The budget of a check, in words."""
    return f"{'<' if check.quantity == 'accuracy' else 'at most'} {amount(check, check.budget)}"


def result_name(check: Check) -> str:
    """What exactly is held against the budget."""
    return {
        "accuracy": "accuracy drop (upper 95 % bound)",
        "latency": "latency p90",
        "size": "size of the artifact",
        "memory": "peak memory",
    }[check.quantity]


def headline(report: Report) -> str:
    """One sentence: how many targets hold, and which do not."""
    count = len(report.targets)
    if count == 0:
        return "No target was built."
    bad = [each for each in report.targets if each.verdict == report.verdict]
    if report.verdict == "pass":
        return {1: "The target holds the budget.", 2: "Both targets hold the budget."}.get(
            count, f"All {count} targets hold the budget."
        )
    where = f"{len(bad)} of {count} targets" if count > 1 else "The target"
    if report.verdict == "fail":
        return f"{where} {'miss' if len(bad) > 1 else 'misses'} the budget: {_names(bad)}."
    return f"{where} cannot be told yet: {_names(bad)}."


def what_binds(report: Report) -> str:
    """One sentence: the quantity that decides, on the worst target, against its budget; nothing when none does."""
    target = next((each for each in report.targets if each.verdict == report.verdict), None)
    if target is None:
        return ""
    check = next((each for each in target.checks if each.quantity == report.binding), None)
    if check is None:
        return ""
    return (
        f"{check.quantity.capitalize()} binds on {target.name}: {result_name(check)} "
        f"{amount(check, check.value)}, budget {limit(check)}."
    )


def is_default(report: Report, check: Check) -> bool:
    """Whether nobody asked for this budget."""
    return check.quantity == "accuracy" and report.budget.drop_is_default


def other_reasons(target: TargetReport) -> list[str]:
    """The reasons that no check carries already."""
    told = {each.reason for each in target.checks}
    return [each for each in target.reasons if each not in told]


def why_null(target: TargetReport) -> list[str]:
    """One sentence for each reason why quantities are null, naming all that share it."""
    names: dict[str, list[str]] = {}
    for name, reason in target.missing.items():
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(each)} not measured: {reason}" for reason, each in names.items()]


def why_missing(target: TargetReport, name: str) -> str:
    """Why a quantity is null: the reason kept under its dotted name, or under what it is a part of; else nothing."""
    return target.missing.get(name) or target.missing.get(name.partition(".")[0], "")


def _names(targets: list[TargetReport]) -> str:
    return ", ".join(f"{each.name} ({each.binding})" if each.binding else each.name for each in targets)
