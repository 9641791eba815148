"""Which samples of a pool: the arithmetic of a card's picks, as functions of numbers alone.

Rules: a pick's share bounds what may be drawn; the draw is without replacement and depends on seed and index only (the
samples with the smallest sha256 of "seed:index"), so it is the same on every machine and in every version, and a
larger draw contains the smaller one; picks of one pool never overlap. The evaluation is drawn first when it says how
many, so that a change of the calibration does not change what is judged; else the calibration is, and the evaluation
gets the rest.

>>> allot(10, Pick(count=2), Pick(count=3))
([3, 4], [0, 1, 2])
"""

import hashlib
import math
from collections.abc import Sequence

from edgekit.card import Pick
from edgekit.errors import RecipeError

CALIBRATION_DEFAULT = 512
"""Samples for calibration when the card does not say how many: more change ranges no more."""


def within_share(count: int, pick: Pick, units: Sequence[str] | None) -> list[int]:
    """Return the indices inside a pick's share of the pool, or of its units in order of first appearance.

    A share [a, b] of n takes those from floor(a n) up to, not including, floor(b n), so shares that meet never overlap.
    """
    if pick.share is None:
        return list(range(count))
    owners = list(range(count)) if units is None else _numbered(units)
    total = max(owners) + 1
    # 1e-9: 0.1 + 0.2 style sums must not lose the sample at the boundary
    first, last = (math.floor(bound * total + 1e-9) for bound in pick.share)
    return [index for index, owner in enumerate(owners) if first <= owner < last]


def draw(candidates: Sequence[int], count: int, seed: int | None) -> list[int]:
    """Return ``count`` of the candidates in ascending order: the first ones, or a seeded draw without replacement."""
    if seed is None:
        return list(candidates[:count])
    ranked = sorted(candidates, key=lambda index: hashlib.sha256(f"{seed}:{index}".encode()).digest())
    return sorted(ranked[:count])


def allot_one(
    count: int, pick: Pick, key: str, units: Sequence[str] | None = None, default: int | None = None
) -> list[int]:
    """Return the indices of a pick that has its pool for itself."""
    return _taken(within_share(count, pick, units), pick, key, default)


def allot(
    count: int, calibration: Pick, evaluation: Pick, units: Sequence[str] | None = None
) -> tuple[list[int], list[int]]:
    """Return the indices of (calibration, evaluation) from one pool of ``count`` samples, without a common one.

    Raises:
        RecipeError: a pick asks for more than there are, or for none.
    """
    for_calibration, for_evaluation = (within_share(count, pick, units) for pick in (calibration, evaluation))
    shared = not set(for_calibration).isdisjoint(for_evaluation)
    if evaluation.count is not None or not shared:
        judged = _taken(for_evaluation, evaluation, "evaluation", None)
        left = sorted(set(for_calibration) - set(judged))
        return _taken(left, calibration, "calibration", CALIBRATION_DEFAULT), judged
    default = min(CALIBRATION_DEFAULT, max(1, len(for_calibration) // 3))
    seen = _taken(for_calibration, calibration, "calibration", default)
    return seen, _taken(sorted(set(for_evaluation) - set(seen)), evaluation, "evaluation", None)


def _taken(candidates: Sequence[int], pick: Pick, key: str, default: int | None) -> list[int]:
    """Draw a pick from its candidates."""
    hint = "lower the counts, or give calibration a pool of its own (path, labels, from or python)"
    if not candidates:
        raise RecipeError(f"{key}: no sample is left for it", hint=hint)
    if pick.count is not None and pick.count > len(candidates):
        raise RecipeError(f"{key}.count: {pick.count} samples asked for, {len(candidates)} are there for it", hint=hint)
    wanted = pick.count or default or len(candidates)
    return draw(candidates, min(wanted, len(candidates)), pick.seed)


def _numbered(units: Sequence[str]) -> list[int]:
    """Number units in order of first appearance, for each sample."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(unit, len(numbers)) for unit in units]
