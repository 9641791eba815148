from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.build.feeds import check_latency_shape, latency_feeds
from edgekit.build.job import Job
from edgekit.card import DataCard
from edgekit.errors import RecipeError

TEXT = {
    "name": "texts",
    "task": "agreement",
    "licence": "made here",
    "source": {"kind": "text", "path": "t.tsv", "text": "t", "tokenizer": "tokenizer.json", "max_length": 32},
}


class Texts:
    """Stands in for a SampleSet of token rows: text k has k + 3 tokens."""

    stacks = True
    per_label = 1

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> dict[str, Any]:
        tokens = np.arange(index + 3, dtype=np.int64)[None]
        return {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "position": np.zeros(1)}


def with_latency(card: DataCard, **words: int) -> DataCard:
    return DataCard.model_validate({**card.model_dump(by_alias=True), "latency": words}).within(card.folder)


def test_sixteen_single_samples_by_default(job: Job) -> None:
    samples = job.inputs.samples.evaluation
    feeds = latency_feeds(job.inputs.card, samples)
    assert len(feeds) == 16
    assert np.array_equal(feeds[3]["x"], samples[3]["x"])


def test_a_batch_stacks_samples_in_their_order(job: Job) -> None:
    samples = job.inputs.samples.evaluation
    card = with_latency(job.inputs.card, batch=8)
    check_latency_shape(card, samples)
    feeds = latency_feeds(card, samples)
    assert len(feeds) == 16
    assert feeds[1]["x"].shape == (8, 3, 8, 8)
    assert np.array_equal(feeds[1]["x"][2:3], samples[10]["x"])


def test_texts_are_cut_or_repeated_to_the_length() -> None:
    card = DataCard.model_validate({**TEXT, "latency": {"length": 4}})
    feeds = latency_feeds(card, Texts())  # type: ignore[arg-type]  # stands in
    assert [each["input_ids"].tolist() for each in feeds] == [[[0, 1, 2, 0]], *[[[0, 1, 2, 3]]] * 4]
    assert feeds[0]["attention_mask"].dtype == np.int64
    assert feeds[0]["position"].shape == (1,)


def test_texts_of_one_length_make_a_batch() -> None:
    card = DataCard.model_validate({**TEXT, "latency": {"length": 6, "batch": 2}})
    feeds = latency_feeds(card, Texts())  # type: ignore[arg-type]  # stands in
    assert [each["input_ids"].shape for each in feeds] == [(2, 6)] * 2  # the fifth text fills no batch


def test_every_shape_that_cannot_be_had_is_named(job: Job) -> None:
    samples = job.inputs.samples.evaluation
    card = with_latency(job.inputs.card, batch=400, length=8)
    with pytest.raises(RecipeError) as caught:
        check_latency_shape(card, samples)
    assert caught.value.mistakes == (
        "latency.batch = 400: there are 200 evaluation samples",
        "latency.length = 8 goes with a source of kind 'text'",
    )
    samples.stacks = False
    with pytest.raises(RecipeError, match="fixed first axis; allowed: 1"):
        check_latency_shape(with_latency(job.inputs.card, batch=2), samples)
    long = DataCard.model_validate({**TEXT, "latency": {"length": 64}})
    with pytest.raises(RecipeError, match=r"latency.length = 64 is beyond source.max_length = 32"):
        check_latency_shape(long, Texts())  # type: ignore[arg-type]  # stands in


def test_a_card_that_asks_for_nothing_is_fine(job: Job) -> None:
    check_latency_shape(job.inputs.card, job.inputs.samples.evaluation)
    assert job.inputs.card.folder == Path(job.inputs.model.path).parent
