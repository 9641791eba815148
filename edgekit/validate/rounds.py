"""Rounds: artifacts measured beside one another, each in fresh processes, so that their ratios can be trusted.

A round starts one fresh process for every artifact, one after the other; the order of a round is drawn, and the next
round runs it backwards (A B, B A): a machine that slowly warms up or slows down favours nobody. Each process discards
10 inferences, then times 30 or half a second's worth, whichever is more; all rotate over the same samples.

The round is the observation: inferences of one process share its luck (memory layout, neighbours), and taking them
for independent finds a difference in a quarter of all comparisons of a thing with itself.
"""

import random
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.artifact import Artifact
from edgekit.recipe import Progress, silent
from edgekit.runner.child import TIMEOUT_S, run_job
from edgekit.runner.runtimes.base import Array
from edgekit.runner.worker import write_runs
from edgekit.validate.statistics import Interval, ratio_interval

ROUNDS = 10
DISCARD = 10
AT_LEAST = 30
SECONDS = 0.5
FEEDS_MAX = 16
"""Samples that a process rotates over; more would only fill memory."""


@dataclass(frozen=True)
class Round:
    """What one fresh process measured."""

    runtime_version: str
    load_ms: float
    first_ms: float
    times_ms: tuple[float, ...]
    loaded_rss_mib: float
    peak_rss_mib: float

    @property
    def p50_ms(self) -> float:
        """Median of the process's inferences."""
        return statistics.median(self.times_ms)


@dataclass(frozen=True)
class Rounds:
    """All rounds of a comparison: for each artifact's name its processes, in the order of the rounds."""

    threads: int
    seed: int
    by_name: Mapping[str, tuple[Round, ...]]

    @property
    def count(self) -> int:
        """Rounds."""
        return len(next(iter(self.by_name.values())))

    def times_ms(self, name: str) -> list[float]:
        """All inferences of an artifact, rounds put together."""
        return [each for one in self.by_name[name] for each in one.times_ms]

    def speedup(self, base: str, value: str) -> Interval | None:
        """How many times faster ``value`` is than ``base``, from the medians of each round; None with one round."""
        if self.count < 2:  # one round has no spread
            return None
        return ratio_interval([one.p50_ms for one in self.by_name[base]], [one.p50_ms for one in self.by_name[value]])

    def load_ms(self, name: str) -> float:
        """Median over rounds of the time that the runtime needs to load the model."""
        return statistics.median(one.load_ms for one in self.by_name[name])

    def peak_rss_mib(self, name: str) -> float:
        """Median over rounds of the fresh process's peak of resident memory."""
        return statistics.median(one.peak_rss_mib for one in self.by_name[name])

    def runtime_version(self, name: str) -> str:
        """Version of the runtime that ran the artifact."""
        return self.by_name[name][0].runtime_version

    def to_json(self) -> dict[str, Any]:
        """The raw measurement, to be kept beside the report."""
        rounds = {name: [vars(one) for one in each] for name, each in self.by_name.items()}
        return {"schema": "edgekit.rounds/1", "threads": self.threads, "seed": self.seed, "rounds": rounds}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Rounds":
        """Rebuild what :meth:`to_json` gave."""
        by_name = {
            name: tuple(Round(**{**one, "times_ms": tuple(one["times_ms"])}) for one in each)
            for name, each in data["rounds"].items()
        }
        return cls(data["threads"], data["seed"], by_name)


def measure_rounds(
    artifacts: Mapping[str, Artifact],
    feeds: Sequence[Mapping[str, Array]],
    *,
    threads: int = 1,
    rounds: int = ROUNDS,
    seed: int = 0,
    progress: Progress = silent,
    timeout_s: float = TIMEOUT_S,
) -> Rounds:
    """Measure artifacts beside one another.

    Args:
        artifacts: by a name of the caller's; all take the same feeds.
        feeds: real samples; the first 16 are rotated over.
        threads: of each runtime.
        rounds: at least 1; 10 for a decision.
        seed: of the order.
        progress: told how many processes are done.
        timeout_s: for one process.

    Raises:
        RuntimeFault: a process crashed, hung or refused the model.
    """
    measured: dict[str, list[Round]] = {name: [] for name in artifacts}
    with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
        file = Path(folder, "feeds.npz")
        write_runs(file, feeds[:FEEDS_MAX])
        for done, name in enumerate(order(list(artifacts), rounds, seed)):
            progress(f"measure {name}", done, rounds * len(artifacts))
            measured[name].append(_measure(artifacts[name], file, threads, timeout_s))
    progress("measure", rounds * len(artifacts), rounds * len(artifacts))
    return Rounds(threads, seed, {name: tuple(each) for name, each in measured.items()})


def order(names: Sequence[str], rounds: int, seed: int) -> Iterator[str]:
    """Yield whose process comes next: every second round is the one before it backwards."""
    generator = random.Random(seed)  # noqa: S311 - an order, not a secret
    drawn: list[str] = []
    for number in range(rounds):
        drawn = drawn[::-1] if number % 2 else generator.sample(list(names), len(names))
        yield from drawn


def _measure(artifact: Artifact, feeds: Path, threads: int, timeout_s: float) -> Round:
    answer = run_job(
        {
            "job": "measure",
            "path": str(artifact.path.resolve()),
            "runtime": artifact.runtime,
            "threads": threads,
            "options": dict(artifact.options),
            "feeds": str(feeds),
            "discard": DISCARD,
            "at_least": AT_LEAST,
            "seconds": SECONDS,
        },
        timeout_s=timeout_s,
    )
    return Round(**{**answer, "times_ms": tuple(answer["times_ms"])})
