"""Remedies: what is tried when the accuracy budget is missed, cheapest first, each measured on the final artifact.

1. every range method on its own, for all layers;
2. the worst layers in float, by measured damage, with the best range method so far: 1, 2, 4, 8 ... of them.

The first that holds ends the search; else the best found is kept. Each try is listed with its figures.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgekit.artifact import Artifact
from edgekit.build.candidates import Candidate, Steps, candidate_from, compile_for, quantize, static_variant
from edgekit.build.job import Job
from edgekit.errors import RuntimeFault, StepError
from edgekit.profiles import Target
from edgekit.quantize.static import CANDIDATES
from edgekit.report import Accuracy, Remedy

_USE = "quantize.static"
_IN_FLOAT = (1, 2, 4, 8, 16)
Judged = Callable[[Candidate], Accuracy]


@dataclass(frozen=True)
class Missed:
    """A candidate, the steps that made it, its accuracy, and the drop in points that it should have held."""

    candidate: Candidate
    steps: Steps
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
    search = _Search(missed.candidate, missed.accuracy)

    def tried(note: str, changes: Mapping[str, Any]) -> bool:
        """Try one remedy; return whether the budget holds now."""
        started = time.perf_counter()
        try:
            outcome = quantize(job, prepared, target, static_variant(missed.steps, **changes))
            if not outcome.changed:
                return False
            candidate = candidate_from(outcome, compile_for(job, outcome.model, target))
            found = judged(candidate)
        except (StepError, RuntimeFault) as error:
            search.tries.append(Remedy(use=_USE, note=f"{note}: {error}"))
            return False
        search.keep_the_better(note, candidate, found, time.perf_counter() - started)
        return not needs_repair(search.accuracy, missed.budget_points)

    for method in CANDIDATES:
        if method != missed.candidate.ranges and tried(f"ranges by {method}", {"ranges": method}):
            return search.result()
    ranges = search.candidate.ranges or "best"
    for count in _IN_FLOAT:
        note = f"the {count} worst layers in float" if count > 1 else "the worst layer in float"
        if tried(f"{note}, ranges by {ranges}", {"ranges": ranges, "worst_in_float": count}):
            break
    return search.result()


@dataclass
class _Search:
    """The best candidate so far, its accuracy, and what was tried."""

    candidate: Candidate
    accuracy: Accuracy
    tries: list[Remedy] = field(default_factory=list)
    kept: int | None = None

    def keep_the_better(self, note: str, candidate: Candidate, found: Accuracy, seconds: float) -> None:
        """List a try, and take its candidate if it drops less."""
        remedy = Remedy(
            use=_USE,
            note=note,
            drop=found.drop,
            drop_upper_95=found.drop_upper_95,
            size_bytes=candidate.artifact.size_bytes,
            seconds=round(seconds, 3),
        )
        self.tries.append(remedy)
        if found.drop < self.accuracy.drop:
            self.candidate, self.accuracy, self.kept = candidate, found, len(self.tries) - 1

    def result(self) -> Repaired:
        """What the search came to."""
        listed = (each.model_copy(update={"kept": index == self.kept}) for index, each in enumerate(self.tries))
        return Repaired(self.candidate, self.accuracy, tuple(listed))
