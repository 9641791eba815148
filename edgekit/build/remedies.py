"""Remedies: what is tried when the accuracy budget is missed, cheapest first, each measured on the final artifact.

1. every range method on its own;
2. the worst layers in float, by measured damage: 1, 2, 4, 8 ... of them.

The first that holds ends the search; else the best found is kept. Each try is listed with its figures.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgekit.artifact import Artifact
from edgekit.build.candidates import Candidate, candidate_from, compile_for, quantize
from edgekit.build.job import Job
from edgekit.errors import StepError
from edgekit.profiles import Target
from edgekit.quantize.static import CANDIDATES, StaticQuantization
from edgekit.report import Accuracy, Remedy

_MOST_IN_FLOAT = 16
Judged = Callable[[Candidate], Accuracy]


@dataclass(frozen=True)
class Missed:
    """A candidate, its accuracy, and the drop in points that it should have held."""

    candidate: Candidate
    accuracy: Accuracy
    budget_points: float


@dataclass(frozen=True)
class Repaired:
    """The best candidate found, its accuracy, and every try."""

    candidate: Candidate
    accuracy: Accuracy
    remedies: tuple[Remedy, ...]


def needs_repair(accuracy: Accuracy, budget_points: float) -> bool:
    """Whether the drop was measured to be too large; too few samples alone are not mended by another model."""
    return accuracy.drop > budget_points


def repair(job: Job, prepared: Artifact, target: Target, missed: Missed, judged: Judged) -> Repaired:
    """Try remedies until one holds the budget.

    Args:
        job: the build.
        prepared: the float model.
        target: what is built for.
        missed: the candidate that missed, and by how much.
        judged: measures a candidate's accuracy.
    """
    best, reached = missed.candidate, missed.accuracy
    tries: list[Remedy] = []
    kept: int | None = None
    for step, note in _remedies():
        started = time.perf_counter()
        outcome = quantize(job, prepared, target, [("quantize.static", step)])
        if not outcome.changed:
            continue
        try:
            candidate = candidate_from(outcome, compile_for(job, outcome.model, target))
            found = judged(candidate)
        except StepError as error:
            tries.append(Remedy(use="quantize.static", note=f"{note}: {error}"))
            continue
        tries.append(
            Remedy(
                use="quantize.static",
                note=note,
                drop=found.drop,
                drop_upper_95=found.drop_upper_95,
                size_bytes=candidate.artifact.size_bytes,
                seconds=round(time.perf_counter() - started, 3),
            )
        )
        if found.drop < reached.drop:
            best, reached, kept = candidate, found, len(tries) - 1
        if not needs_repair(reached, missed.budget_points):
            break
    listed = (remedy.model_copy(update={"kept": index == kept}) for index, remedy in enumerate(tries))
    return Repaired(best, reached, tuple(listed))


def _remedies() -> Iterator[tuple[StaticQuantization, str]]:
    for method in CANDIDATES:
        yield StaticQuantization(ranges=method), f"ranges by {method}"
    count = 1
    while count <= _MOST_IN_FLOAT:
        plural = "layer" if count == 1 else "layers"
        yield StaticQuantization(worst_in_float=count), f"the {count} worst {plural} in float"
        count *= 2
