"""Speed: artifacts interleaved in rounds of fresh processes, on one runtime, one thread.

A short look first finds the fastest peers of a runtime; they, the float model and EdgeKit's artifacts are then measured
in ten rounds. The ratio of two artifacts comes from the medians of each round (edgekit.validate.rounds).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.artifact import Artifact
from edgekit.runner.runtimes.base import Array
from edgekit.validate.rounds import ROUNDS, Rounds, measure_rounds

FLOAT = "float-onnxruntime"
LOOK_ROUNDS = 2
FINALISTS = 2


def measure(
    ours: Mapping[str, Artifact],
    theirs: Mapping[str, Artifact],
    floats: Mapping[str, Artifact],
    feeds: Sequence[Mapping[str, Array]],
    rounds: int = ROUNDS,
) -> dict[str, Any]:
    """Measure one runtime's artifacts; every ratio is (time of the other) / (time of ours): above 1, ours is faster."""
    look = measure_rounds({**floats, **ours, **theirs}, feeds, rounds=LOOK_ROUNDS)
    fastest = sorted(theirs, key=lambda name: median_ms(look, name))[:FINALISTS]
    finalists = {**floats, **ours, **{name: theirs[name] for name in fastest}}
    final = measure_rounds(finalists, feeds, rounds=rounds, seed=1)
    best = min(fastest, key=lambda name: median_ms(final, name))
    return {
        "rounds": final.count,
        "look_ms": {name: median_ms(look, name) for name in look.by_name},
        "p50_ms": {name: [one.p50_ms for one in final.by_name[name]] for name in finalists},
        "load_ms": {name: final.load_ms(name) for name in finalists},
        "peak_rss_mib": {name: final.peak_rss_mib(name) for name in finalists},
        "best_peer": best,
        "speedup_vs_float": {name: ratio(final, FLOAT, name) for name in finalists},
        "ratio_to_best_peer": {name: ratio(final, best, name) for name in ours},
    }


def median_ms(rounds: Rounds, name: str) -> float:
    """Median over rounds of the processes' medians."""
    middles = sorted(one.p50_ms for one in rounds.by_name[name])
    return (middles[(len(middles) - 1) // 2] + middles[len(middles) // 2]) / 2


def ratio(rounds: Rounds, base: str, value: str) -> dict[str, float] | None:
    """How many times faster ``value`` is than ``base``, with its 95 % interval."""
    interval = rounds.speedup(base, value)
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper} if interval else None
