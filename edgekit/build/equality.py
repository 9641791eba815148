"""Equality: two runs of what should be one function, compared output by output.

Each output is compared on its own, over all samples, so that a large output cannot hide a small one:

* float outputs: the largest absolute difference, as a share of the largest absolute value of the first;
* integer and bool outputs: the share of entries that are not equal, each (a tie between two classes may turn on the
  last bit of a float).

Entries that are not finite must be the same on both sides.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgekit.runner.runtimes.base import Array

TOLERANCES = {"float64": 1e-4, "float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""Largest difference that rounding in another order explains, by numpy dtype; folding a BatchNorm changes 1e-6."""
TOLERANCE_OF_INTEGERS = 1e-3


@dataclass(frozen=True)
class Difference:
    """How far two arrays of one output are apart: ``error`` as the module says, against what is tolerated."""

    output: str
    error: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether rounding explains the difference."""
        return self.error <= self.tolerance


def differences(first: Mapping[str, Array], second: Mapping[str, Array]) -> list[Difference]:
    """Compare two runs, one Difference for each output of ``first`` in its order."""
    return [_difference(name, values, second.get(name)) for name, values in first.items()]


def _difference(name: str, first: Array, second: Array | None) -> Difference:
    tolerance = TOLERANCES.get(first.dtype.name, TOLERANCE_OF_INTEGERS)
    if second is None or second.shape != first.shape or second.dtype != first.dtype:
        return Difference(name, float("inf"), tolerance)
    if first.size == 0:
        return Difference(name, 0.0, tolerance)
    if first.dtype.name not in TOLERANCES:
        return Difference(name, float(np.mean(first != second)), tolerance)
    one, other = first.astype(np.float64), second.astype(np.float64)
    finite = np.isfinite(one)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True) or not np.isfinite(other[finite]).all():
        return Difference(name, float("inf"), tolerance)
    largest = float(np.abs(one, where=finite, out=np.zeros_like(one)).max())
    error = float(np.abs(one[finite] - other[finite]).max(initial=0.0))
    return Difference(name, error / largest if largest else error, tolerance)
