"""Each task's metric against a plain way of working it out, or a library's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as theirs

from edgekit.card import DataCard
from edgekit.errors import InputError, RecipeError
from edgekit.validate.bootstrap import whole
from edgekit.validate.metrics import RankCorrelation, Scored, score_outputs

Array = np.ndarray[Any, Any]
MakeCard = Callable[..., DataCard]


def judged(card: DataCard, labels: Array, outputs: Array, reference: Array | None = None) -> Scored:
    base = outputs if reference is None else reference
    return score_outputs(card, {"target": labels}, {"y": outputs}, {"y": base})


# top-1 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["image-classification", "classification", "text-classification"])
def test_top_1_is_the_share_of_right_answers(make_card: MakeCard, task: str) -> None:
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], np.float32)
    found = judged(make_card(task), np.array([1, 0, 0, 0]), scores)
    assert (found.metric, found.better, found.unit) == ("top-1", "higher", "points")
    assert whole(found.estimator) == 0.75
    assert found.correct is not None
    assert found.correct.tolist() == [True, True, False, True]
    assert found.answers is not None
    assert found.answers.tolist() == [1, 0, 1, 0]


def test_top_1_equals_scikit_learn_s(make_card: MakeCard) -> None:
    draw = np.random.default_rng(0)
    scores, labels = draw.random((200, 7)), draw.integers(0, 7, 200)
    expected = theirs.accuracy_score(labels, scores.argmax(axis=1))
    assert whole(judged(make_card("classification"), labels, scores).estimator) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(4, 3, 1, 1), (4, 1, 3), (4, 1, 1, 3)])
def test_axes_of_length_one_do_not_matter(make_card: MakeCard, shape: tuple[int, ...]) -> None:
    scores = np.eye(4, 3, dtype=np.float32).reshape(shape)
    assert whole(judged(make_card("classification"), np.array([0, 1, 2, 0]), scores).estimator) == 1.0


def test_a_model_may_answer_with_the_class_itself(make_card: MakeCard) -> None:
    for outputs in (np.array([2, 0, 1]), np.array([[2], [0], [1]])):
        assert whole(judged(make_card("classification"), np.array([2, 0, 2]), outputs).estimator) == pytest.approx(
            2 / 3
        )


def test_one_score_is_a_logit_or_by_the_float_model_s_range_a_probability(make_card: MakeCard) -> None:
    card, labels = make_card("classification"), np.array([1, 0, 1])
    logits = np.array([[0.3], [-2.0], [4.0]], np.float32)
    assert whole(judged(card, labels, logits).estimator) == 1.0
    probabilities = np.array([[0.7], [0.3], [0.9]], np.float32)
    assert whole(judged(card, labels, probabilities).estimator) == 1.0
    quantized = np.array([[1.01], [0.3], [0.9]], np.float32)  # beyond 1 by a quantization step: still probabilities
    assert whole(judged(card, labels, quantized, reference=probabilities).estimator) == 1.0


def test_a_row_with_a_nan_is_a_wrong_answer(make_card: MakeCard) -> None:
    scores = np.array([[np.nan, 0.0], [1.0, 0.0]], np.float32)
    found = judged(make_card("classification"), np.array([0, 0]), scores)
    assert found.correct is not None
    assert found.correct.tolist() == [False, True]
    assert found.answers is not None
    assert found.answers[0] == -1


def test_a_label_beyond_the_classes_is_told(make_card: MakeCard) -> None:
    with pytest.raises(InputError, match="label 3 is beyond the 3 classes of output 'y'"):
        judged(make_card("classification"), np.array([0, 3]), np.zeros((2, 3), np.float32))


def test_an_output_that_is_no_row_of_scores_is_told(make_card: MakeCard) -> None:
    with pytest.raises(InputError, match=r"shape \[2, 3, 4\]; one row of class scores") as caught:
        judged(make_card("classification"), np.array([0, 1]), np.zeros((2, 3, 4), np.float32))
    assert "metric.output" in caught.value.hint


def test_the_card_picks_output_and_label(make_card: MakeCard) -> None:
    card = make_card("classification", metric={"output": "b", "label": "fine"})
    outputs = {"a": np.array([[1.0, 0.0]]), "b": np.array([[0.0, 1.0]])}
    labels = {"coarse": np.array([0]), "fine": np.array([1])}
    assert whole(score_outputs(card, labels, outputs, outputs).estimator) == 1.0


def test_a_missing_label_names_those_there_are(make_card: MakeCard) -> None:
    outputs = {"y": np.zeros((1, 2))}
    with pytest.raises(RecipeError, match="no label is called 'target'; labels: fine"):
        score_outputs(make_card("classification"), {"fine": np.array([1])}, outputs, outputs)
    with pytest.raises(RecipeError, match="labels: none"):
        score_outputs(make_card("classification"), {}, outputs, outputs)


def test_another_number_of_labels_is_told(make_card: MakeCard) -> None:
    with pytest.raises(InputError, match="'target' has 3 entries for 2 judged samples"):
        judged(make_card("classification"), np.array([0, 1, 1]), np.zeros((2, 2), np.float32))


# mIoU ---------------------------------------------------------------------------------------------------------------


def test_miou_equals_scikit_learn_s_jaccard_score(make_card: MakeCard) -> None:
    draw = np.random.default_rng(0)
    found, truth = draw.integers(0, 5, (6, 8, 9)), draw.integers(0, 5, (6, 8, 9))
    scored = judged(make_card("segmentation"), truth, found.astype(np.uint8))
    assert scored.metric == "mIoU"
    expected = theirs.jaccard_score(truth.ravel(), found.ravel(), average="macro")
    assert whole(scored.estimator) == pytest.approx(expected)


def test_ignored_pixels_do_not_count(make_card: MakeCard) -> None:
    truth = np.array([[[0, 1, 255, -1]]])
    assert whole(judged(make_card("segmentation"), truth, np.array([[[0, 1, 1, 0]]], np.uint8)).estimator) == 1.0


def test_only_classes_that_occur_are_averaged(make_card: MakeCard) -> None:
    truth, found = np.array([[[0, 0, 7, 7]]]), np.array([[[0, 0, 7, 0]]], np.uint8)
    assert whole(judged(make_card("segmentation"), truth, found).estimator) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_scores_and_labels_with_an_axis_of_their_own_are_understood(make_card: MakeCard) -> None:
    scores = np.zeros((1, 2, 1, 3), np.float32)
    scores[0, 1, 0, 2] = 1
    truth = np.array([[[[0, 0, 1]]]])
    assert whole(judged(make_card("segmentation"), truth, scores).estimator) == 1.0


def test_maps_of_another_size_are_told(make_card: MakeCard) -> None:
    with pytest.raises(InputError, match=r"gives maps of \[2, 2\], the labels are \[4, 4\]"):
        judged(make_card("segmentation"), np.zeros((1, 4, 4), int), np.zeros((1, 2, 2), np.uint8))


# Spearman -----------------------------------------------------------------------------------------------------------


def test_pairs_are_compared_by_cosine_and_ranked_as_scipy_ranks(make_card: MakeCard) -> None:
    draw = np.random.default_rng(0)
    vectors, labels = draw.standard_normal((60, 5)), np.round(draw.random(30) * 5)
    one, other = vectors[0::2], vectors[1::2]
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    found = judged(make_card("text-embedding"), labels, vectors.astype(np.float32))
    assert (found.metric, found.unit) == ("Spearman", "points")
    assert whole(found.estimator) == pytest.approx(stats.spearmanr(cosine, labels).statistic, abs=1e-6)


def test_ranks_within_each_draw_are_scipy_s() -> None:
    draw = np.random.default_rng(1)
    first, second = draw.random(25), draw.integers(0, 4, 25).astype(float)
    draws = draw.integers(0, 25, (6, 25))
    expected = [stats.spearmanr(first[row], second[row]).statistic for row in draws]
    np.testing.assert_allclose(RankCorrelation(first, second).estimate(draws), expected)


def test_what_does_not_vary_has_no_correlation() -> None:
    assert whole(RankCorrelation(np.ones(5), np.arange(5.0))) == 0.0


def test_a_vector_of_zeros_or_nans_counts_as_unlike_everything(make_card: MakeCard) -> None:
    vectors = np.array([[1, 0], [1, 0], [1, 0], [0.5, 1], [0, 0], [1, 0], [np.nan, 0], [1, 0]], np.float32)
    found = judged(make_card("text-embedding"), np.array([5.0, 4.0, 0.0, 0.0]), vectors)
    assert isinstance(found.estimator, RankCorrelation)
    assert found.estimator.first.tolist() == pytest.approx([1, 0.4472136, 0, 0])


@pytest.mark.parametrize("shape", [(4, 3, 2), (6,)])
def test_outputs_that_are_no_vectors_are_told(make_card: MakeCard, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="two vectors a pair"):
        judged(make_card("text-embedding"), np.zeros(shape[0] // 2), np.zeros(shape, np.float32))


# RMSE ---------------------------------------------------------------------------------------------------------------


def test_rmse_equals_scikit_learn_s(make_card: MakeCard) -> None:
    draw = np.random.default_rng(0)
    found, truth = draw.random((40, 2)), draw.random((40, 2))
    scored = judged(make_card("regression"), truth, found)
    assert (scored.metric, scored.better, scored.unit) == ("RMSE", "lower", "percent")
    assert whole(scored.estimator) == pytest.approx(np.sqrt(theirs.mean_squared_error(truth, found)))


def test_a_column_and_a_row_of_numbers_are_the_same(make_card: MakeCard) -> None:
    assert whole(judged(make_card("regression"), np.array([1.0, 2.0]), np.array([[1.0], [4.0]])).estimator) == 2**0.5


def test_numbers_that_are_not_finite_are_told(make_card: MakeCard) -> None:
    with pytest.raises(InputError, match="not finite for sample 1"):
        judged(make_card("regression"), np.zeros(3), np.array([0.0, np.nan, 0.0]))


def test_another_number_of_figures_is_told(make_card: MakeCard) -> None:
    with pytest.raises(InputError, match=r"shape \[3, 2\], the labels \[3\]"):
        judged(make_card("regression"), np.zeros(3), np.zeros((3, 2)))


# the user's own -----------------------------------------------------------------------------------------------------


def own(make_card: MakeCard, folder: Path, source: str, task: str = "object-detection", **metric: str) -> DataCard:
    (folder / "metrics.py").write_text(source)
    return make_card(task, metric={"python": "metrics:mine", **metric})


def test_a_function_that_gives_a_number_is_the_metric(make_card: MakeCard, tmp_path: Path) -> None:
    source = "def mine(outputs, labels):\n    return (outputs['y'] == labels['target']).mean()\n"
    found = judged(own(make_card, tmp_path, source), np.array([1, 2, 3, 4]), np.array([1, 2, 0, 0]))
    assert (found.metric, found.better, found.unit) == ("mine", "higher", "open")
    assert whole(found.estimator) == 0.5
    assert found.estimator.estimate(np.array([[0, 0, 1, 2], [2, 2, 3, 3]])).tolist() == [0.75, 0.0]


def test_the_whole_set_is_not_figured_twice(make_card: MakeCard, tmp_path: Path) -> None:
    source = "calls = []\ndef mine(outputs, labels):\n    calls.append(1)\n    return float(len(calls))\n"
    found = judged(own(make_card, tmp_path, source), np.zeros(3), np.zeros(3))
    assert whole(found.estimator) == 1.0
    assert whole(found.estimator) == 1.0


@pytest.mark.parametrize("form", ["array", "list"])
def test_a_function_may_give_statistics_and_what_combines_them(make_card: MakeCard, tmp_path: Path, form: str) -> None:
    statistics = "hits" if form == "array" else "[[each] for each in hits]"
    combine = "chosen.mean()" if form == "array" else "sum(each[0] for each in chosen) / len(chosen)"
    source = (
        "def mine(outputs, labels):\n"
        "    hits = outputs['y'] == labels['target']\n"
        f"    return {statistics}, lambda chosen: {combine}\n"
    )
    card = own(make_card, tmp_path, source, better="lower")
    found = judged(card, np.array([1, 2, 3, 4]), np.array([1, 2, 0, 0]))
    assert found.better == "lower"
    assert whole(found.estimator) == 0.5
    assert found.estimator.estimate(np.array([[0, 0, 0, 3]])).tolist() == [0.75]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return 'good'", "metrics:mine gave str"),
        ("return None", "metrics:mine gave NoneType"),
        ("return float('nan')", "metrics:mine gave nan"),
        ("return float('inf')", "metrics:mine gave inf"),
        ("return (1, 2)", "metrics:mine gave tuple"),
        ("return [], len", "gave list as the statistics"),
        ("return 5, float", "gave int as the statistics"),
        ("raise KeyError('boxes')", "metrics:mine failed: KeyError"),
        ("return outputs['z']", "metrics:mine failed: KeyError: 'z'"),
    ],
)
def test_what_a_user_s_function_does_wrong_is_told(make_card: MakeCard, tmp_path: Path, body: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        judged(own(make_card, tmp_path, f"def mine(outputs, labels):\n    {body}\n"), np.zeros(2), np.zeros(2))


def test_a_combination_that_gives_no_number_is_told(make_card: MakeCard, tmp_path: Path) -> None:
    card = own(make_card, tmp_path, "def mine(outputs, labels):\n    return [1, 2], lambda chosen: 'good'\n")
    with pytest.raises(RecipeError, match="metrics:mine gave str"):
        whole(judged(card, np.zeros(2), np.zeros(2)).estimator)


def test_a_function_that_is_not_there_is_told(make_card: MakeCard, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no function 'mine'"):
        judged(own(make_card, tmp_path, "def other():\n    pass\n"), np.zeros(2), np.zeros(2))


@pytest.mark.parametrize("task", ["object-detection", "language-modelling", "translation"])
def test_a_task_without_a_metric_of_its_own_asks_for_one(make_card: MakeCard, task: str) -> None:
    with pytest.raises(RecipeError, match=f"task '{task}' has no metric of its own") as caught:
        judged(make_card(task), np.zeros(2), np.zeros(2))
    assert "[metric] python" in caught.value.hint
