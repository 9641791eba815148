"""The choice among the precisions of one target: the fastest that holds the budget.

    int8   2.1x faster   drop within the budget       <- chosen
    bf16   1.4x faster   drop within the budget
    fp32   1.0x          the base itself

Rules:

* Candidates are ranked by how they stand to the budget: it holds; the samples are too few to tell, and the measured
  drop is within it; too few to tell, and the measured drop exceeds it; it is missed. Only the best rank competes.
* The float base cannot drop, so it always holds the accuracy budget. It does not win by that alone against a smaller
  candidate of the second rank, which more samples may prove: there it competes by speed.
* The fastest wins. One that is not slower beyond the measurement's noise, and smaller, wins before it. Where no
  latency could be measured, the first wins: what was asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from edgekit.report import CheckVerdict

Rank = Literal[0, 1, 2, 3]


@dataclass(frozen=True)
class Standing:
    """How one candidate stands to the budget.

    Attributes:
        precision: ``int8``, ``mixed``, ``bf16``, ``fp16`` or ``fp32``.
        size_bytes: of the artifact.
        verdicts: one for each check.
        drop: measured drop in points; None where it could not be measured.
        drop_budget: in points.
        speedup: over the base; None where it could not be measured.
        is_base: whether this is the float model that the others are compared with.
    """

    precision: str
    size_bytes: int
    verdicts: tuple[CheckVerdict, ...]
    drop: float | None
    drop_budget: float
    speedup: float | None
    is_base: bool = False

    @property
    def rank(self) -> Rank:
        """0 holds the budget, 1 and 2 cannot be told, 3 misses it."""
        if "fail" in self.verdicts:
            return 3
        if "inconclusive" not in self.verdicts and "missing" not in self.verdicts:
            return 0
        return 1 if self.drop is not None and self.drop <= self.drop_budget else 2


def choose(standings: Sequence[Standing], slower: Callable[[int, int], bool]) -> int:
    """Return the index of the candidate to ship.

    Args:
        standings: at least one; first what was asked for.
        slower: whether the candidate of the first index is slower than that of the second beyond the noise.
    """
    ranks = _ranks(standings)
    field = [index for index, rank in enumerate(ranks) if rank == min(ranks)]
    if min(ranks) > 1:  # nothing holds: the one that comes nearest
        return min(field, key=lambda index: (_misses(standings[index]), _drop(standings[index]), index))
    timed = [index for index in field if standings[index].speedup is not None]
    if not timed:
        return field[0]
    fastest = max(timed, key=lambda index: standings[index].speedup or 0.0)
    field = [index for index in timed if index == fastest or not slower(index, fastest)]
    return min(field, key=lambda index: (standings[index].size_bytes, index))


def _ranks(standings: Sequence[Standing]) -> list[Rank]:
    """The ranks, with the base no better than the best of the others where those may yet be proven."""
    others = [each.rank for each in standings if not each.is_base]
    undecided = bool(others) and min(others) == 1
    return [1 if each.is_base and undecided and each.rank == 0 else each.rank for each in standings]


def _misses(standing: Standing) -> int:
    return sum(verdict == "fail" for verdict in standing.verdicts)


def _drop(standing: Standing) -> float:
    return float("inf") if standing.drop is None else standing.drop
