"""Metrics: a card's task picks how outputs are judged against labels, sample by sample.

    image-classification, classification, text-classification    top-1, right or wrong for each sample
    segmentation                                                  mIoU over the classes that occur; label 255: ignored
    text-embedding                                                Spearman of the pairs' cosines and the labels
    regression                                                    RMSE
    any task with [metric] python                                 the user's function; object-detection needs one

A figure keeps what each independent sample contributed (:class:`Scored`), so that a difference can be bounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from edgekit.card import DataCard
from edgekit.errors import InputError, RecipeError
from edgekit.runner.runtimes.base import Array
from edgekit.samples.python import called, function_beside
from edgekit.validate.answers import classes_of_pixels, judged_name
from edgekit.validate.bootstrap import Chosen, Estimator, Refigured, Sums

IGNORED_CLASS = 255
_PAIR = 2
_CLASS_TASKS = ("image-classification", "classification", "text-classification")


@dataclass(frozen=True, eq=False)
class Scored:
    """A metric on one run's outputs.

    Attributes:
        metric: its name.
        better: which way is good.
        unit: ``points``: shown times 100; ``percent``: shown in per cent of the float model's; ``open``: the first
            where both figures are in 0..1, else the second.
        estimator: the metric on any draw of the samples.
        correct: (samples,) right or wrong, where the metric is the share of right answers.
        answers: (samples, ...) what was answered, where answers can be told equal.
    """

    metric: str
    better: Literal["higher", "lower"]
    unit: Literal["points", "percent", "open"]
    estimator: Estimator
    correct: Array | None = None
    answers: Array | None = None


def score_outputs(
    card: DataCard, labels: Mapping[str, Array], outputs: Mapping[str, Array], reference: Mapping[str, Array]
) -> Scored:
    """Judge outputs against labels with the card's metric.

    Args:
        card: its task and [metric] pick the metric.
        labels: first axis one entry for each sample (each pair of texts).
        outputs: as :func:`edgekit.validate.predict.predict` gives them with the card.
        reference: the float model's outputs; decides whether a single class score is a probability.

    Raises:
        RecipeError: the task has no metric of its own, or the user's function fails.
        InputError: outputs and labels do not fit each other.
    """
    if card.metric.python is not None:
        return _score_by_python(card, card.metric.python, labels, outputs)
    name = judged_name(card, outputs)
    if card.task in _CLASS_TASKS:
        return _score_classes(name, outputs[name], _labels(card, labels, len(outputs[name])), reference[name])
    if card.task == "segmentation":
        return _score_pixels(name, outputs[name], _labels(card, labels, len(outputs[name])))
    if card.task == "text-embedding":
        return _score_embeddings(name, outputs[name], _labels(card, labels, len(outputs[name]) // _PAIR))
    if card.task == "regression":
        return _score_numbers(name, outputs[name], _labels(card, labels, len(outputs[name])))
    raise RecipeError(
        f"task {card.task!r} has no metric of its own",
        hint='name one beside the card: [metric] python = "module:function", or use task = "agreement"',
    )


def mean_of(units: Array) -> Sums:
    """Mean over samples of one number a sample."""
    pairs = np.column_stack([units.astype(np.float64), np.ones(len(units))])
    return Sums(pairs, lambda sums: sums[:, 0] / sums[:, 1])


def _labels(card: DataCard, labels: Mapping[str, Array], count: int) -> Array:
    name = card.metric.label
    if name not in labels:
        told = f"no label is called {name!r}; labels: {', '.join(labels) or 'none'}"
        raise RecipeError(told, hint="name it in [source.labels] or metric.label")
    if len(labels[name]) != count:
        raise InputError(f"label {name!r} has {len(labels[name])} entries for {count} judged samples")
    return labels[name]


def _score_classes(name: str, scores: Array, labels: Array, reference: Array) -> Scored:
    """Top-1; a row of scores with a NaN is a wrong answer, called -1."""
    rows = scores.reshape(len(scores), -1)
    if scores.dtype.kind in "iub" and rows.shape[1] == 1:
        answers = rows[:, 0].astype(np.int64)  # the model answers with the class itself
    elif rows.shape[1] == 1:
        probabilities = bool(np.all((reference >= 0) & (reference <= 1)))
        answers = (rows[:, 0] > (0.5 if probabilities else 0.0)).astype(np.int64)
    elif max(scores.shape[1:]) == rows.shape[1]:  # (samples, classes), or (samples, classes, 1, 1)
        answers = rows.argmax(axis=1)
        if labels.max(initial=0) >= rows.shape[1]:
            told = f"label {int(labels.max())} is beyond the {rows.shape[1]} classes of output {name!r}"
            raise InputError(told, hint="class numbers count from 0 in the model's order")
    else:
        told = f"output {name!r} has shape {list(scores.shape)}; one row of class scores a sample is needed"
        raise InputError(told, hint="name the output with the class scores in metric.output")
    if scores.dtype.kind == "f":
        answers = np.where(np.isnan(rows).any(axis=1), -1, answers)
    correct = answers == labels.reshape(-1)
    return Scored("top-1", "higher", "points", mean_of(correct), correct, answers)


def _score_pixels(name: str, scores: Array, labels: Array) -> Scored:
    """Mean IoU: sum over pictures of intersection / sum of union, mean over the classes that occur."""
    found = classes_of_pixels(scores)
    truth = labels.reshape(labels.shape[0], *labels.shape[-2:]) if labels.size == found.size else labels
    if found.shape != truth.shape:
        told = f"output {name!r} gives maps of {list(found.shape[1:])}, the labels are {list(labels.shape[1:])}"
        raise InputError(told, hint="bring the labels to the output's height and width")
    valid = (truth >= 0) & (truth != IGNORED_CLASS)
    classes = int(max(found.max(initial=0), truth[valid].max(initial=0))) + 1
    statistics = np.zeros((len(found), 2 * classes))
    for index in range(len(found)):
        seen, true = found[index][valid[index]].astype(np.int64), truth[index][valid[index]].astype(np.int64)
        both = np.bincount(true[seen == true], minlength=classes)
        statistics[index, :classes] = both
        statistics[index, classes:] = np.bincount(seen, minlength=classes) + np.bincount(true, minlength=classes) - both

    def combine(sums: Array) -> Array:
        intersection, union = sums[:, :classes], sums[:, classes:]
        shares = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
        return np.asarray(shares.sum(axis=1) / np.maximum((union > 0).sum(axis=1), 1))

    return Scored("mIoU", "higher", "points", Sums(statistics, combine), answers=found)


@dataclass(frozen=True, eq=False)
class RankCorrelation:
    """Spearman's correlation of two numbers a sample; 0 where one of them does not vary."""

    first: Array
    second: Array
    draws: ClassVar[int] = 10_000
    leaves_out: ClassVar[bool] = True

    @property
    def units(self) -> int:
        """Pairs."""
        return len(self.first)

    def estimate(self, draws: Array) -> Array:
        """Rank anew within each draw, ties sharing the mean of their ranks."""
        from scipy import stats  # noqa: PLC0415 - a second of imports that quantize does without

        ranks = [stats.rankdata(each[draws], axis=1) for each in (self.first, self.second)]
        one, other = (each - each.mean(axis=1, keepdims=True) for each in ranks)
        spread = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
        product = (one * other).sum(axis=1)
        return np.asarray(np.divide(product, spread, out=np.zeros_like(product), where=spread > 0))


def _score_embeddings(name: str, vectors: Array, labels: Array) -> Scored:
    """Cosine of the vectors of rows 2k and 2k + 1 against label k; a cosine that does not exist counts as 0."""
    if len(vectors) != _PAIR * len(labels) or vectors.ndim != _PAIR:
        told = f"output {name!r} has shape {list(vectors.shape)}; two vectors a pair of texts are needed"
        raise InputError(told, hint="name two text columns in the card, and the output with the vectors")
    one, other = vectors[0::2].astype(np.float64), vectors[1::2].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (one * other).sum(axis=1) / np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    cosine = np.nan_to_num(cosine, nan=0.0, posinf=0.0, neginf=0.0)
    return Scored("Spearman", "higher", "points", RankCorrelation(cosine, labels.reshape(-1).astype(np.float64)))


def _score_numbers(name: str, numbers: Array, labels: Array) -> Scored:
    """Root of the mean squared error."""
    if numbers.size != labels.size:
        told = f"output {name!r} has shape {list(numbers.shape)}, the labels {list(labels.shape)}"
        raise InputError(told, hint="name the output in metric.output and the label in metric.label")
    errors = numbers.reshape(len(numbers), -1).astype(np.float64) - labels.reshape(len(labels), -1)
    squares = (errors**2).mean(axis=1)
    if not np.isfinite(squares).all():
        raise InputError(f"output {name!r} is not finite for sample {int(np.argmin(np.isfinite(squares)))}")
    pairs = np.column_stack([squares, np.ones(len(squares))])
    return Scored("RMSE", "lower", "percent", Sums(pairs, lambda sums: np.sqrt(sums[:, 0] / sums[:, 1])))


def _score_by_python(card: DataCard, name: str, labels: Mapping[str, Array], outputs: Mapping[str, Array]) -> Scored:
    """Judge by the user's function: a number, or per-sample statistics and what combines them into a number."""
    function = function_beside(card.folder, name)
    given = called(name, function, dict(outputs), dict(labels))
    title = name.partition(":")[2]
    if isinstance(given, tuple) and len(given) == _PAIR and callable(given[1]):
        statistics, combine = given
        if not hasattr(statistics, "__len__") or len(statistics) == 0:
            told = f"{name} gave {type(statistics).__name__} as the statistics of the samples"
            raise RecipeError(told, hint="give an array or a list with one entry for each independent sample")
        chosen = Chosen(statistics, lambda units: _number(name, called(name, combine, units)))
        return Scored(title, card.metric.better, "open", chosen)
    _number(name, given)
    count = len(next(iter(outputs.values())))

    def figure(draw: Array) -> float:
        if np.array_equal(draw, np.arange(count)):
            return _number(name, given)
        drawn = [{key: array[draw] for key, array in each.items()} for each in (outputs, labels)]
        return _number(name, called(name, function, *drawn))

    return Scored(title, card.metric.better, "open", Refigured(count, figure))


def _number(name: str, given: object) -> float:
    try:
        number = float(given)  # type: ignore[arg-type]  # what a user's function gave; refused below
    except (TypeError, ValueError) as error:
        told = f"{name} gave {type(given).__name__}"
        raise RecipeError(told, hint="return a number, or (statistics of each sample, function of those)") from error
    if not np.isfinite(number):
        raise RecipeError(f"{name} gave {number}", hint="a metric is a finite number")
    return number
