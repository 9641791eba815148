"""What a task judges of raw outputs."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgekit.card import DataCard
from edgekit.errors import RecipeError
from edgekit.validate.answers import answers_of, classes_of_pixels, judged_name, pooled

MakeCard = Callable[..., DataCard]


def embedding_card(make_card: MakeCard, **source: object) -> DataCard:
    text = {"kind": "text", "path": "x.tsv", "text": ["one", "other"], "label": "score", "tokenizer": "tokenizer.json"}
    return make_card("text-embedding", source={**text, **source})


def test_the_first_output_is_judged_unless_the_card_names_one(make_card: MakeCard) -> None:
    outputs = {"scores": np.zeros(1), "aux": np.zeros(1)}
    assert judged_name(make_card("classification"), outputs) == "scores"
    assert judged_name(make_card("classification", metric={"output": "aux"}), outputs) == "aux"


def test_an_output_that_is_not_there_is_told_with_the_nearest(make_card: MakeCard) -> None:
    with pytest.raises(RecipeError, match=r"no output 'score'; outputs: scores, aux.*did you mean 'scores'"):
        judged_name(
            make_card("classification", metric={"output": "score"}), {"scores": np.zeros(1), "aux": np.zeros(1)}
        )


@pytest.mark.parametrize("task", ["classification", "agreement", "regression", "object-detection"])
def test_most_tasks_keep_their_outputs(make_card: MakeCard, task: str) -> None:
    outputs = {"scores": np.zeros((1, 3)), "aux": np.zeros((1, 2))}
    assert answers_of(make_card(task), {}, outputs) is outputs


def test_a_metric_of_the_user_s_sees_raw_outputs(make_card: MakeCard) -> None:
    outputs = {"maps": np.zeros((1, 3, 4, 4))}
    assert answers_of(make_card("segmentation", metric={"python": "metrics:iou"}), {}, outputs) is outputs


def test_segmentation_keeps_the_class_of_each_pixel_and_drops_the_rest(make_card: MakeCard) -> None:
    scores = np.random.default_rng(0).random((1, 5, 4, 6))
    answers = answers_of(make_card("segmentation"), {}, {"maps": scores, "aux": scores})
    assert list(answers) == ["maps"]
    assert answers["maps"].dtype == np.uint8
    np.testing.assert_array_equal(answers["maps"], scores.argmax(axis=1))


def test_one_class_alone_is_foreground_above_zero() -> None:
    assert classes_of_pixels(np.array([[[[-1.0, 0.0, 2.0]]]])).tolist() == [[[0, 0, 1]]]


def test_many_classes_need_a_wider_type() -> None:
    scores = np.zeros((1, 300, 1, 1), np.float32)
    scores[0, 299] = 1
    found = classes_of_pixels(scores)
    assert found.dtype == np.int32
    assert found.item() == 299


def test_maps_of_classes_pass_through() -> None:
    maps = np.array([[[1, 2], [3, 4]]])
    assert classes_of_pixels(maps) is maps


STATES = np.array([[[1.0, 0.0], [3.0, 4.0], [100.0, 100.0]]], np.float32)


def test_the_mean_counts_only_tokens_that_the_mask_lets_through() -> None:
    assert pooled(STATES, np.array([[1, 1, 0]]), "mean").tolist() == [[2.0, 2.0]]


def test_a_text_without_tokens_is_zero_and_not_a_division_by_zero() -> None:
    assert pooled(STATES, np.array([[0, 0, 0]]), "mean").tolist() == [[0.0, 0.0]]


def test_cls_is_the_first_token() -> None:
    assert pooled(STATES, np.array([[1, 1, 1]]), "cls").tolist() == [[1.0, 0.0]]


def test_none_and_vectors_pass_through() -> None:
    assert pooled(STATES, np.ones((1, 3)), "none") is STATES
    vectors = np.ones((1, 4))
    assert pooled(vectors, np.ones((1, 3)), "mean") is vectors


def test_pooling_keeps_the_type() -> None:
    assert pooled(STATES.astype(np.float16), np.ones((1, 3)), "mean").dtype == np.float16


def test_embeddings_are_pooled_with_the_feeds_mask_and_scaled_to_length_one(make_card: MakeCard) -> None:
    feeds = {"input_ids": np.ones((1, 3), np.int64), "attention_mask": np.array([[0, 1, 0]])}
    answers = answers_of(embedding_card(make_card), feeds, {"states": STATES, "aux": STATES})
    assert list(answers) == ["states"]
    np.testing.assert_allclose(answers["states"], [[0.6, 0.8]], rtol=1e-6)


def test_lengths_stay_where_the_card_says_so(make_card: MakeCard) -> None:
    feeds = {"attention_mask": np.array([[0, 1, 0]])}
    answers = answers_of(embedding_card(make_card, normalize=False), feeds, {"states": STATES})
    assert answers["states"].tolist() == [[3.0, 4.0]]


def test_a_zero_vector_stays_zero(make_card: MakeCard) -> None:
    answers = answers_of(embedding_card(make_card), {}, {"vector": np.zeros((1, 4), np.float32)})
    assert answers["vector"].tolist() == [[0, 0, 0, 0]]


def test_without_a_mask_every_token_counts(make_card: MakeCard) -> None:
    answers = answers_of(embedding_card(make_card, normalize=False), {}, {"states": STATES[:, :2]})
    assert answers["states"].tolist() == [[2.0, 2.0]]


def test_the_pooling_file_beside_the_tokenizer_is_obeyed(make_card: MakeCard, tmp_path: Path) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    answers = answers_of(embedding_card(make_card, normalize=False), {}, {"states": STATES})
    assert answers["states"].tolist() == [[1.0, 0.0]]
