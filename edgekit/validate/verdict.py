"""Verdict: budgets against measurements: pass, fail, or inconclusive when the measurement cannot tell.

    accuracy   pass: upper bound on the drop < budget, or no drop at all; fail: lower bound > budget
    latency    pass: 99 % upper bound on the p90 <= budget; fail: 99 % lower bound > budget
    size       exact: no statistics
    memory     peak of resident memory, the median over fresh processes: no statistics

What has a budget and could not be measured is ``missing``: the verdict is then inconclusive in words, and the exit code
that of a missing measurement. What has no budget is not judged; the accuracy always has one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.report import Accuracy, Budget, Check, CheckVerdict, Latency, Memory, Quantity, Verdict

_MIB = 1 << 20
_WORST_FIRST: Sequence[CheckVerdict] = ("fail", "missing", "inconclusive", "pass")


@dataclass(frozen=True)
class Judgement:
    """The verdict on one artifact.

    Attributes:
        verdict: of the worst check; a missing measurement counts as inconclusive.
        binding: the quantity of the worst check; where all pass, the one nearest its budget.
        reasons: one sentence for each check, worst first.
        checks: one for each budgeted quantity.
    """

    verdict: Verdict
    binding: Quantity | None
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]


def judge(
    budget: Budget,
    *,
    accuracy: Accuracy | None,
    latency: Latency | None,
    size_bytes: int | None,
    memory: Memory | None,
    missing: Mapping[str, str] | None = None,
) -> Judgement:
    """Judge one artifact.

    Args:
        budget: what it may cost.
        accuracy: what was measured; None here and below where it could not be.
        latency: of the artifact beside its base.
        size_bytes: sum of the artifact's files.
        memory: peak in a fresh process.
        missing: why not, by dotted name (``latency``, ``latency.p90_ms``).
    """
    why = missing or {}
    checks = [_accuracy(budget.drop_points, accuracy, why)]
    if budget.p90_ms is not None:
        checks.append(_latency(budget.p90_ms, latency, why))
    if budget.size_mib is not None:
        size = None if size_bytes is None else size_bytes / _MIB
        checks.append(_exact("size", budget.size_mib, size, _because(why, "size", "artifact")))
    if budget.rss_mib is not None:
        peak = None if memory is None else memory.peak_rss_mib
        checks.append(_exact("memory", budget.rss_mib, peak, _because(why, "memory", "memory.peak_rss_mib")))
    ranked = sorted(checks, key=lambda check: (_WORST_FIRST.index(check.verdict), -_share(check)))
    worst = ranked[0]
    verdict: Verdict = "inconclusive" if worst.verdict == "missing" else worst.verdict
    return Judgement(verdict, worst.quantity, tuple(check.reason for check in ranked), tuple(checks))


def _accuracy(budget: float, accuracy: Accuracy | None, why: Mapping[str, str]) -> Check:
    if accuracy is None:
        return _missing("accuracy", budget, "points", _because(why, "accuracy"))
    upper, lower = accuracy.drop_upper_95, accuracy.drop_lower_95
    found = f"{accuracy.metric} drops by {accuracy.drop:.2f} points on {accuracy.samples} samples"
    if upper is None or lower is None:
        told = f"accuracy: {found}; too few samples for any bound, budget {budget:g}"
        return Check(quantity="accuracy", budget=budget, value=None, unit="points", verdict="inconclusive", reason=told)
    verdict: CheckVerdict = "pass" if upper < budget or upper <= 0 else "fail" if lower > budget else "inconclusive"
    if verdict == "pass":
        told = f"accuracy: {found}, with 95 % confidence by no more than {upper:.2f}: within the budget of {budget:g}"
    elif verdict == "fail":
        told = f"accuracy: {found}, with 95 % confidence by more than {lower:.2f}: the budget is {budget:g}"
    else:
        needed = (
            f"about {accuracy.samples_needed:,} samples could tell" if accuracy.samples_needed else "no more is known"
        )
        told = (
            f"accuracy: {found}, with 95 % confidence between {lower:.2f} and {upper:.2f}: "
            f"these samples cannot tell whether the budget of {budget:g} holds; {needed}"
        )
    return Check(quantity="accuracy", budget=budget, value=upper, unit="points", verdict=verdict, reason=told)


def _latency(budget: float, latency: Latency | None, why: Mapping[str, str]) -> Check:
    if latency is None or latency.value.p90_ms is None:
        return _missing("latency", budget, "ms", _because(why, "latency", "latency.p90_ms"))
    p90, lower, upper = latency.value.p90_ms, latency.value.p90_lower_99_ms, latency.value.p90_upper_99_ms
    if lower is None or upper is None:
        because = _because(why, "latency.p90_upper_99_ms")
        told = f"latency: p90 {p90:.3f} ms, budget {budget:g} ms: no bound on it: {because}"
        return Check(quantity="latency", budget=budget, value=p90, unit="ms", verdict="inconclusive", reason=told)
    verdict: CheckVerdict = "pass" if upper <= budget else "fail" if lower > budget else "inconclusive"
    said = {"pass": "within", "fail": "beyond", "inconclusive": "too near to tell from"}[verdict]
    told = f"latency: p90 {p90:.3f} ms (99 % bounds {lower:.3f} to {upper:.3f}), {said} the budget of {budget:g} ms"
    return Check(quantity="latency", budget=budget, value=upper, unit="ms", verdict=verdict, reason=told)


def _exact(quantity: Quantity, budget: float, value: float | None, because: str) -> Check:
    if value is None:
        return _missing(quantity, budget, "MiB", because)
    verdict: CheckVerdict = "pass" if value <= budget else "fail"
    said = "within" if verdict == "pass" else "beyond"
    told = f"{quantity}: {value:.3f} MiB, {said} the budget of {budget:g} MiB"
    return Check(quantity=quantity, budget=budget, value=value, unit="MiB", verdict=verdict, reason=told)


def _missing(quantity: Quantity, budget: float, unit: str, because: str) -> Check:
    told = f"{quantity}: not measured, budget {budget:g} {unit}: {because}"
    return Check(quantity=quantity, budget=budget, value=None, unit=unit, verdict="missing", reason=told)


def _because(why: Mapping[str, str], *names: str) -> str:
    return next((why[name] for name in names if name in why), "no reason is known")


def _share(check: Check) -> float:
    """How much of the budget is used; a budget of 0 is all used by anything."""
    if check.value is None:
        return 0.0
    return check.value / check.budget if check.budget > 0 else float(check.value > 0)
