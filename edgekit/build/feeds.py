"""Feeds for the clock: evaluation samples in the shapes that the card's [latency] asks for.

* ``batch``: so many samples stacked along the first axis; the model must leave that axis free.
* ``length``: texts of exactly so many tokens: longer ones are cut, shorter ones repeated.
"""

import numpy as np

from edgekit.card import DataCard, TextSource
from edgekit.errors import RecipeError
from edgekit.runner.runtimes.base import Array
from edgekit.samples.sets import SampleSet
from edgekit.validate.rounds import FEEDS_MAX

_TEXT_RANK = 2


def check_latency_shape(card: DataCard, samples: SampleSet) -> None:
    """Check that the samples can be brought into the shapes that latency is to be measured at.

    Raises:
        RecipeError: they cannot; every reason is named.
    """
    wanted, mistakes = card.latency, []
    if wanted.batch and wanted.batch > 1 and not samples.stacks:
        mistakes.append(f"latency.batch = {wanted.batch}: the model's inputs have a fixed first axis; allowed: 1")
    if wanted.batch and wanted.batch > len(samples):
        mistakes.append(f"latency.batch = {wanted.batch}: there are {len(samples)} evaluation samples")
    if wanted.length and not isinstance(card.source, TextSource):
        mistakes.append(f"latency.length = {wanted.length} goes with a source of kind 'text'")
    if wanted.length and isinstance(card.source, TextSource) and wanted.length > card.source.max_length:
        mistakes.append(f"latency.length = {wanted.length} is beyond source.max_length = {card.source.max_length}")
    if mistakes:
        raise RecipeError(mistakes, hint=f"correct [latency] of the data card {card.name!r}")


def latency_feeds(card: DataCard, samples: SampleSet) -> list[dict[str, Array]]:
    """Return up to 16 feeds, each of one inference."""
    batch, length = card.latency.batch or 1, card.latency.length
    count = min(FEEDS_MAX * batch, len(samples) // batch * batch)
    feeds = [samples[index] for index in range(count)]
    if length:
        feeds = [{name: _of_length(array, length) for name, array in each.items()} for each in feeds]
    groups = [feeds[start : start + batch] for start in range(0, count, batch)]
    return [{name: np.concatenate([each[name] for each in group]) for name in group[0]} for group in groups]


def _of_length(tokens: Array, length: int) -> Array:
    """Cut or repeat (1, tokens); anything else is no text and stays."""
    if tokens.ndim != _TEXT_RANK:
        return tokens
    return np.asarray(np.resize(tokens, (1, length)), tokens.dtype)
