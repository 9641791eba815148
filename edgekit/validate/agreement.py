"""Agreement: how alike two runs are, output by output, without labels.

For each float output, over all samples put together:

    cosine   = sum(a b) / sqrt(sum(a^2) sum(b^2))            1 where both are zero throughout
    SQNR     = 10 log10(sum(a^2) / sum((a - b)^2)) dB         none where nothing differs
    max abs  = max |a - b|
    top-1    = share of rows (samples, classes) with the same largest entry

An integer or boolean output: the share of equal entries. Entries of a float output that are not finite must be the
same in both; one that is not makes the output's cosine 0. The agreement of two runs is their worst output's.
"""

import math
from collections.abc import Mapping

import numpy as np
from pydantic import JsonValue

from edgekit.errors import RuntimeFault
from edgekit.runner.runtimes.base import Array
from edgekit.validate.bootstrap import Sums

_CLASSES_RANK = 2


def agreement(base: Mapping[str, Array], value: Mapping[str, Array]) -> Sums:
    """Tell the worst output's agreement (0..1) as sums over samples.

    Each output has four columns: for floats a b, a^2, b^2 and the number of spoilt entries; for others the equal
    entries, all entries, all entries and 0, so that one formula serves both.

    Raises:
        RuntimeFault: an output is missing on one side, or the sides have different numbers of samples.
    """
    columns = [_columns(array, _counterpart(name, array, value)) for name, array in base.items()]
    return Sums(np.concatenate(columns, axis=1), _worst)


def fidelity(base: Mapping[str, Array], value: Mapping[str, Array]) -> dict[str, JsonValue]:
    """Describe each output's fidelity in plain numbers; None where a figure does not exist."""
    described: dict[str, JsonValue] = {}
    for name, array in base.items():
        other = _counterpart(name, array, value)
        cosine = float(_worst(_columns(array, other).sum(axis=0, keepdims=True))[0])
        if array.dtype.kind != "f":
            described[name] = {"equal_share": cosine}
            continue
        facts: dict[str, JsonValue] = {"cosine": cosine, "sqnr_db": None, "max_abs": None}
        if array.shape == other.shape:
            both = np.isfinite(array) & np.isfinite(other)
            signal = np.where(both, array, 0).astype(np.float64)
            noise = signal - np.where(both, other, 0)
            facts["sqnr_db"] = _decibels(float((signal**2).sum()), float((noise**2).sum()))
            facts["max_abs"] = float(np.abs(noise).max(initial=0.0))
            if array.ndim == _CLASSES_RANK and array.shape[1] > 1:
                facts["top1_share"] = float((array.argmax(axis=1) == other.argmax(axis=1)).mean())
        described[name] = facts
    return described


def _counterpart(name: str, array: Array, value: Mapping[str, Array]) -> Array:
    if name not in value:
        raise RuntimeFault(f"the artifact has no output {name!r}; its outputs: {', '.join(value)}")
    if len(value[name]) != len(array):
        raise RuntimeFault(f"output {name!r} has {len(value[name])} rows, the float model's has {len(array)}")
    return value[name]


def _columns(one: Array, other: Array) -> Array:
    """Return (samples, 4): see :func:`agreement`."""
    count = len(one)
    if one.shape != other.shape or (one.dtype.kind == "f") != (other.dtype.kind == "f"):
        return np.tile([0.0, 1.0, 1.0, 1.0], (count, 1))
    a, b = one.reshape(count, -1), other.reshape(count, -1)
    if one.dtype.kind != "f":
        equal = (a == b).sum(axis=1, dtype=np.float64)
        entries = np.full(count, float(a.shape[1]))
        return np.column_stack([equal, entries, entries, np.zeros(count)])
    if a.size == 0:
        return np.tile([1.0, 1.0, 1.0, 0.0], (count, 1))
    a, b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(a)
    spoilt = (~finite & ~((a == b) | (np.isnan(a) & np.isnan(b)))) | (finite & ~np.isfinite(b))
    both = finite & np.isfinite(b)
    largest = np.abs(a, where=both, out=np.zeros_like(a)).max(initial=0.0) or 1.0  # squares of 1e200 would overflow
    a, b = np.where(both, a, 0) / largest, np.where(both, b, 0) / largest
    with np.errstate(over="ignore"):
        sums = [(a * b).sum(axis=1), (a * a).sum(axis=1), (b * b).sum(axis=1)]
    return np.column_stack([*sums, spoilt.sum(axis=1, dtype=np.float64)])


def _worst(sums: Array) -> Array:
    """(draws, 4 outputs) sums -> (draws,) the worst output's agreement."""
    product, first, second, spoilt = (sums[:, index::4] for index in range(4))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        cosine = product / np.sqrt(first * second)
    cosine = np.where((first == 0) & (second == 0), 1.0, np.nan_to_num(cosine, nan=0.0, posinf=0.0, neginf=0.0))
    return np.asarray(np.where(spoilt > 0, 0.0, np.minimum(cosine, 1.0)).min(axis=1))


def _decibels(signal: float, noise: float) -> float | None:
    """10 log10(signal / noise), or None where either is 0 or beyond double precision."""
    if not (0 < signal < math.inf and 0 < noise < math.inf):
        return None
    return 10 * math.log10(signal / noise)
