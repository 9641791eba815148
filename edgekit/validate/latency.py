"""Latency and memory: what the report says, computed from rounds; nothing here measures.

* p50 and p90 are those of all inferences, rounds put together; a p90 needs 64 of them.
* ``p90_lower_99_ms`` and ``p90_upper_99_ms`` bound the true p90, as MLPerf's LoadGen does; budgets are judged by them,
  and only with 10 rounds: inferences of few processes share their luck.
* ``speedup`` = exp(mean over rounds of ln(base p50 / value p50)), with Student's t interval over rounds.
"""

import statistics

from edgekit.report import Latency, Memory, P
from edgekit.validate.rounds import ROUNDS, Rounds
from edgekit.validate.statistics import fewest_for_quantile, quantile_bounds

P90 = 0.90


def latency_from_rounds(
    rounds: Rounds,
    *,
    base: str,
    value: str,
    onnxruntime_float: str | None = None,
    original: str | None = None,
) -> Latency:
    """Say how fast ``value`` is, and how much faster than ``base``.

    Args:
        rounds: holds all the names.
        base: the prepared float model on the same runtime.
        value: the artifact.
        onnxruntime_float: the prepared float model in ONNX Runtime.
        original: the user's own float model; with ``onnxruntime_float`` it tells what cleaning the graph alone brings.
    """
    speedup = rounds.speedup(base, value)
    return Latency(
        threads=rounds.threads,
        base=quantiles(rounds, base),
        value=quantiles(rounds, value),
        speedup=speedup.value if speedup else None,
        speedup_ci95=(speedup.lower, speedup.upper) if speedup else None,
        speedup_vs_onnxruntime_float=_ratio(rounds, onnxruntime_float, value),
        prepare_speedup=_ratio(rounds, original, onnxruntime_float),
        rounds=rounds.count,
    )


def memory_from_rounds(rounds: Rounds, *, base: str | None, value: str) -> Memory:
    """Say how much memory the artifact's process takes at its peak, and the base's."""
    return Memory(
        peak_rss_mib=rounds.peak_rss_mib(value),
        base_peak_rss_mib=rounds.peak_rss_mib(base) if base is not None else None,
    )


def quantiles(rounds: Rounds, name: str) -> P:
    """Median and p90 of an artifact; the p90 is null below 64 inferences, its bounds also below 10 rounds."""
    times = rounds.times_ms(name)
    p90 = quantile_bounds(times, P90)
    bounded = p90 if rounds.count >= ROUNDS else None
    return P(
        p50_ms=statistics.median(times),
        p90_ms=p90.value if p90 else None,
        p90_lower_99_ms=bounded.lower if bounded else None,
        p90_upper_99_ms=bounded.upper if bounded else None,
        samples=len(times),
    )


def missing_from_latency(latency: Latency) -> dict[str, str]:
    """Why a quantile of the artifact is null, by its dotted name in the report."""
    why: dict[str, str] = {}
    if latency.value.p90_ms is None:
        fewest = fewest_for_quantile(P90)
        why["latency.p90_ms"] = f"a p90 needs {fewest} inferences; {latency.value.samples or 0} were timed"
    elif latency.value.p90_upper_99_ms is None:
        why["latency.p90_upper_99_ms"] = f"a bound needs {ROUNDS} rounds; {latency.rounds} were run"
    return why


def _ratio(rounds: Rounds, base: str | None, value: str | None) -> float | None:
    if base is None or value is None:
        return None
    interval = rounds.speedup(base, value)
    return interval.value if interval else None
