"""Accuracy: a float model's and an artifact's outputs on the same samples, compared with the card's metric.

Figures are in points: 100 x a metric in 0..1 or a correlation; any other metric in per cent of the float model's,
whose own figure is then 100. A positive drop is worse, whichever way the metric points.

Bounds: Tango's where answers are right or wrong; else the bootstrap. Where no sample's figure changed at all the
bootstrap knows nothing, and the bound of "none of n changed" stands in: with 128 samples, up to 2 points. Two cases are
told outright: an error in per cent or an agreement that is equal in every sample has not dropped, and an output that
is not finite where the float model's is has failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import JsonValue

from edgekit.card import DataCard
from edgekit.errors import InputError, RecipeError
from edgekit.recipe import Progress, silent
from edgekit.report import Accuracy
from edgekit.runner.runtimes.base import Array
from edgekit.validate.agreement import agreement, fidelity
from edgekit.validate.bootstrap import Bounds, bootstrap_bounds, whole
from edgekit.validate.metrics import Scored, score_outputs
from edgekit.validate.statistics import samples_needed, samples_needed_for, tango_bounds, zero_change_bound

_POINTS = 100.0


@dataclass(frozen=True)
class Drop:
    """A drop in points with its bounds; ``churn`` and ``needed`` as in the report."""

    base: float
    value: float
    bounds: Bounds | None
    drop: float
    churn: float | None
    needed: int | None


def score(card: DataCard, labels: Mapping[str, Array], outputs: Mapping[str, Array]) -> tuple[str, float]:
    """Judge one model alone: the metric's name, and its figure in points (as it is, where it is not in 0..1).

    Raises:
        RecipeError: the card's task compares two models.
        InputError: outputs and labels do not fit each other.
    """
    if card.task == "agreement" and card.metric.python is None:
        hint = "give a card with labels, or compare two models: edgekit build, edgekit quantize"
        raise RecipeError("task 'agreement' compares two models; one alone has no figure", hint=hint)
    scored = score_outputs(card, labels, outputs, outputs)
    figure = whole(scored.estimator)
    points = scored.unit == "points" or (scored.unit == "open" and 0 <= figure <= 1)
    return scored.metric, figure * _POINTS if points else figure


def compare_accuracy(
    card: DataCard,
    labels: Mapping[str, Array],
    base: Mapping[str, Array],
    value: Mapping[str, Array],
    *,
    seed: int,
    measured_with: str,
    drop_points: float | None = None,
    progress: Progress = silent,
) -> Accuracy:
    """Compare an artifact's outputs with the float model's on the same samples.

    Args:
        card: its task and [metric] pick the metric.
        labels: of the evaluation samples.
        base: outputs of the float model, as ``predict(..., card=card)`` gives them.
        value: outputs of the artifact, likewise.
        seed: of the bootstrap's draws.
        measured_with: runtime, version and place, such as ``onnxruntime 1.32.0 on this host``.
        drop_points: the budget; where the samples cannot tell, how many could is worked out for it.
        progress: told how many draws are done.

    Raises:
        RecipeError, InputError: as :func:`edgekit.validate.metrics.score_outputs`.
        RuntimeFault: the artifact's outputs are not those of the float model.
    """
    facts: dict[str, JsonValue] = {"outputs": fidelity(base, value)}
    if card.task == "agreement" and card.metric.python is None:
        metric, better, found = "agreement", "higher", _compare_runs(base, value, drop_points, seed, progress)
        samples = agreement(base, base).units
    else:
        one, other = score_outputs(card, labels, base, base), score_outputs(card, labels, value, base)
        metric, better, samples = one.metric, one.better, one.estimator.units
        facts |= {"base_figure": whole(one.estimator), "value_figure": whole(other.estimator)}
        found = _compare_scored(one, other, drop_points, seed, progress)
    facts["bounds_by"] = found.bounds.method if found.bounds else "fewer than 2 independent samples: no bounds"
    return Accuracy(
        metric=metric,
        better=_direction(better),
        base=found.base,
        value=found.value,
        drop=found.drop,
        drop_lower_95=found.bounds.lower if found.bounds else None,
        drop_upper_95=found.bounds.upper if found.bounds else None,
        samples=samples,
        churn=found.churn,
        measured_with=measured_with,
        samples_needed=found.needed,
        facts=facts,
    )


def _direction(better: str) -> Literal["higher", "lower"]:
    return "higher" if better == "higher" else "lower"


def _compare_scored(one: Scored, other: Scored, margin: float | None, seed: int, progress: Progress) -> Drop:
    churn = None
    if one.answers is not None and other.answers is not None:
        changed = one.answers != other.answers
        churn = float(changed.reshape(len(changed), -1).mean(axis=1).mean())
    if one.correct is not None and other.correct is not None:
        return _compare_answers(one.correct, other.correct, churn, margin)
    if one.estimator.units != other.estimator.units:
        told = f"{one.metric} gave statistics of {one.estimator.units} samples, then of {other.estimator.units}"
        raise RecipeError(told, hint="a metric's statistics have one entry for each sample, whatever the outputs are")
    base, value = whole(one.estimator), whole(other.estimator)
    points = one.unit == "points" or (one.unit == "open" and min(base, value) >= 0 and max(base, value) <= 1)
    if not points and base == 0:
        told = f"{one.metric} of the float model is 0, so a drop in per cent of it does not exist"
        raise InputError(told, hint="use task = 'agreement', or a metric in 0..1")
    sign = _POINTS if one.better == "higher" else -_POINTS

    def drop(first: Array, second: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            change = (first - second) if points else (first - second) / np.abs(first)
        return sign * np.nan_to_num(change, nan=0.0)

    bounds = bootstrap_bounds(one.estimator, other.estimator, drop, seed=seed, progress=progress)
    if bounds is not None and bounds.unchanged and points:
        half = _POINTS * zero_change_bound(one.estimator.units)
        bounds = Bounds(bounds.drop, bounds.drop - half, bounds.drop + half, 0.0, "Tango, no sample's figure changed")
    measured = float(drop(np.array([base]), np.array([value]))[0])
    scale = 1.0 if points else abs(base)
    shown = (_POINTS * base / scale, _POINTS * value / scale)
    return Drop(*shown, bounds, measured, churn, _needed(bounds, one.estimator.units, margin))


def _compare_answers(base: Array, value: Array, churn: float | None, margin: float | None) -> Drop:
    """Right or wrong: Tango's bounds."""
    worse, better, count = int((base & ~value).sum()), int((~base & value).sum()), len(base)
    lower, upper = tango_bounds(worse, better, count)
    drop = (worse - better) / count
    bounds = Bounds(_POINTS * drop, _POINTS * lower, _POINTS * upper, 0.0, f"Tango: {worse} worse, {better} better")
    needed = None
    if margin is not None and bounds.lower <= margin <= bounds.upper:
        needed = samples_needed((worse + better) / count, drop, margin / _POINTS)
    shown = (_POINTS * int(base.sum()) / count, _POINTS * int(value.sum()) / count)
    return Drop(*shown, bounds, _POINTS * drop, churn, needed)


def _compare_runs(
    base: Mapping[str, Array], value: Mapping[str, Array], margin: float | None, seed: int, progress: Progress
) -> Drop:
    """Agreement: 100 x the worst output's cosine, against 100."""
    one, other = agreement(base, base), agreement(base, value)
    figure = whole(other)
    drop = _POINTS * (whole(one) - figure)
    if other.statistics[:, 3::4].any():
        bounds: Bounds | None = Bounds(drop, drop, drop, 0.0, "an output is not finite where the float model's is")
    else:
        bounds = bootstrap_bounds(
            one, other, lambda first, second: _POINTS * (first - second), seed=seed, progress=progress
        )
    return Drop(_POINTS, _POINTS * figure, bounds, drop, None, _needed(bounds, other.units, margin))


def _needed(bounds: Bounds | None, units: int, margin: float | None) -> int | None:
    if bounds is None or margin is None or not bounds.lower <= margin <= bounds.upper:
        return None
    if bounds.standard_error == 0:
        return samples_needed(0.0, bounds.drop / _POINTS, margin / _POINTS)
    return samples_needed_for(bounds.standard_error, units, abs(margin - bounds.drop))
