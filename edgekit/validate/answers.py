"""Answers: what a task judges, made from one sample's raw outputs, so that scores need not be kept.

* segmentation: class scores (1, classes, height, width) become classes (1, height, width); one class alone is
  foreground where its score is above 0. Only the judged output is kept.
* text-embedding: token states (1, tokens, width) become one vector (1, width): the mean over the tokens that the
  attention mask lets through, or the first token; scaled to length 1 where the card says ``normalize``. Only the
  judged output is kept.
* every other task: the outputs as they are.
"""

from collections.abc import Mapping

import numpy as np

from edgekit.card import DataCard, TextSource
from edgekit.errors import RecipeError
from edgekit.reading import closest
from edgekit.runner.runtimes.base import Array
from edgekit.samples.text import pooling_of

_TOKEN_STATES_RANK = 3
_PIXEL_SCORES_RANK = 4


def judged_name(card: DataCard, outputs: Mapping[str, Array]) -> str:
    """Name the output that is judged: the card's, else the first.

    Raises:
        RecipeError: the model has no output of that name.
    """
    name = card.metric.output or next(iter(outputs))
    if name not in outputs:
        told = f"metric.output: the model has no output {name!r}; outputs: {', '.join(outputs)}"
        guess = closest(name, list(outputs))
        raise RecipeError(told + (f";{guess}" if guess else ""), hint=f"correct the data card {card.name!r}")
    return name


def answers_of(card: DataCard, feeds: Mapping[str, Array], outputs: Mapping[str, Array]) -> Mapping[str, Array]:
    """Reduce one sample's outputs to what the card's task judges; a card with a Python metric gets them all."""
    if card.metric.python is not None or card.task not in ("segmentation", "text-embedding"):
        return outputs
    name = judged_name(card, outputs)
    array = outputs[name]
    if card.task == "segmentation":
        return {name: classes_of_pixels(array)}
    if isinstance(card.source, TextSource):
        array = pooled(array, _mask(feeds, array), pooling_of(card))
        if card.source.normalize:
            array = array / np.maximum(np.linalg.norm(array, axis=-1, keepdims=True), np.finfo(array.dtype).tiny)
    return {name: array}


def classes_of_pixels(scores: Array) -> Array:
    """Take the class with the largest score; integer maps pass through.

    Args:
        scores: (samples, classes, height, width).

    Returns:
        (samples, height, width), uint8 where it holds the classes, else int32.
    """
    if scores.dtype.kind in "iub" or scores.ndim != _PIXEL_SCORES_RANK:
        return scores
    if scores.shape[1] == 1:
        return np.asarray(scores[:, 0] > 0, np.uint8)
    small = scores.shape[1] <= np.iinfo(np.uint8).max + 1
    return np.asarray(scores.argmax(axis=1), np.uint8 if small else np.int32)


def pooled(states: Array, mask: Array, pooling: str) -> Array:
    """Make one vector of token states.

    Args:
        states: (texts, tokens, width); anything else passes through, being vectors already.
        mask: (texts, tokens), 1 where there is a token.
        pooling: ``mean``, ``cls`` or ``none``.
    """
    if states.ndim != _TOKEN_STATES_RANK or pooling == "none":
        return states
    if pooling == "cls":
        return states[:, 0]
    weights = mask.astype(states.dtype)[..., None]
    return np.asarray((states * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1), states.dtype)


def _mask(feeds: Mapping[str, Array], states: Array) -> Array:
    """Find the attention mask among the feeds; without one every token counts."""
    masks = [array for name, array in feeds.items() if "mask" in name and array.shape == states.shape[:2]]
    return masks[0] if masks else np.ones(states.shape[:2], states.dtype)
