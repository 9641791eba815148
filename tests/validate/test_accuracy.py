"""Drops in points with honest bounds, for every kind of metric."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.card import DataCard
from edgekit.errors import InputError, RecipeError, RuntimeFault
from edgekit.report import Accuracy
from edgekit.validate.accuracy import compare_accuracy, score
from edgekit.validate.statistics import samples_needed, tango_bounds

Array = np.ndarray[Any, Any]
MakeCard = Callable[..., DataCard]
HOST = "onnxruntime 1.32.0 on this host"


def compared(card: DataCard, labels: Array | None, base: Array, value: Array, **more: Any) -> Accuracy:
    given = {} if labels is None else {"target": labels}
    return compare_accuracy(card, given, {"y": base}, {"y": value}, seed=0, measured_with=HOST, **more)


def answers(right: Array) -> Array:
    """Scores of two classes that answer 1 where ``right``."""
    return np.where(right[:, None], [[0.0, 1.0]], [[1.0, 0.0]]).astype(np.float32)


def one_hot(classes: list[int]) -> Array:
    return np.eye(3, dtype=np.float32)[classes]


def test_right_and_wrong_answers_are_bounded_by_tango(make_card: MakeCard) -> None:
    base, value = np.ones(200, bool), np.ones(200, bool)
    base[:10], value[5:20] = False, False  # 10 worse, 5 better
    found = compared(make_card("classification"), np.ones(200, int), answers(base), answers(value))
    lower, upper = tango_bounds(10, 5, 200)
    assert (found.metric, found.better, found.samples) == ("top-1", "higher", 200)
    assert (found.base, found.value) == (95.0, 92.5)
    assert found.drop == pytest.approx(2.5)
    assert (found.drop_lower_95, found.drop_upper_95) == (pytest.approx(100 * lower), pytest.approx(100 * upper))
    assert found.churn == pytest.approx(15 / 200)
    assert found.measured_with == HOST
    assert found.facts["bounds_by"] == "Tango: 10 worse, 5 better"


def test_churn_counts_answers_that_changed_from_wrong_to_wrong(make_card: MakeCard) -> None:
    found = compared(make_card("classification"), np.array([2, 2, 2, 0]), one_hot([0, 0, 2, 0]), one_hot([1, 0, 2, 0]))
    assert found.churn == 0.25
    assert found.drop == 0


def test_samples_needed_are_told_only_where_these_cannot_tell(make_card: MakeCard) -> None:
    card, right = make_card("classification"), np.ones(128, bool)
    untold = compared(card, np.ones(128, int), answers(right), answers(right), drop_points=1.0)
    assert untold.samples_needed == samples_needed(0.0, 0.0, 0.01) == 268
    assert compared(card, np.ones(128, int), answers(right), answers(right), drop_points=5.0).samples_needed is None
    assert compared(card, np.ones(128, int), answers(right), answers(right)).samples_needed is None
    assert compared(card, np.ones(128, int), answers(right), answers(~right), drop_points=1.0).samples_needed is None


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.3))
def test_a_drop_lies_between_its_bounds_and_turns_with_the_sides(seed: int, churn: float) -> None:
    draw = np.random.default_rng(seed)
    card = DataCard.model_validate(
        {
            "name": "tiny",
            "task": "classification",
            "licence": "none",
            "source": {"kind": "arrays", "path": "x.npz", "inputs": {"x": "x"}},
        }
    )
    base = draw.random(150) < 0.8
    value = np.where(draw.random(150) < churn, ~base, base)
    there = compared(card, np.ones(150, int), answers(base), answers(value))
    back = compared(card, np.ones(150, int), answers(value), answers(base))
    assert there.drop_lower_95 is not None
    assert there.drop_upper_95 is not None
    assert there.drop_lower_95 <= there.drop <= there.drop_upper_95
    assert back.drop == pytest.approx(-there.drop)
    assert back.drop_upper_95 == pytest.approx(-there.drop_lower_95)


def test_a_correlation_is_bounded_by_the_bootstrap_in_points(make_card: MakeCard) -> None:
    draw = np.random.default_rng(0)
    vectors = draw.standard_normal((300, 6))
    one, other = vectors[0::2], vectors[1::2]
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    labels = cosine + draw.normal(0, 0.2, 150)
    noisy = vectors + draw.normal(0, 0.2, vectors.shape)
    found = compared(make_card("text-embedding"), labels, vectors, noisy)
    assert found.samples == 150
    assert 80 < found.base < 100
    assert found.drop == pytest.approx(found.base - found.value)
    assert found.drop_lower_95 is not None
    assert found.drop_upper_95 is not None
    assert found.drop_lower_95 < found.drop < found.drop_upper_95
    assert found.facts["bounds_by"] == "BCa bootstrap of 10,000 draws of 150 samples"
    assert found.churn is None


def test_an_error_is_told_in_per_cent_of_the_float_model_s(make_card: MakeCard) -> None:
    draw = np.random.default_rng(0)
    labels = draw.random(200)
    base = labels + draw.normal(0, 1, 200)
    value = labels + 1.1 * (base - labels)
    found = compared(make_card("regression"), labels, base, value)
    assert (found.metric, found.better, found.base) == ("RMSE", "lower", 100.0)
    assert found.value == pytest.approx(110.0)
    assert found.drop == pytest.approx(10.0)
    assert found.drop_lower_95 == pytest.approx(10.0)
    assert found.facts["base_figure"] == pytest.approx(np.sqrt(((base - labels) ** 2).mean()))


def test_a_smaller_error_is_a_negative_drop(make_card: MakeCard) -> None:
    labels = np.random.default_rng(1).random(150)
    found = compared(make_card("regression"), labels, labels + 0.2, labels + 0.1)
    assert found.drop == pytest.approx(-50.0)


def test_per_cent_of_nothing_is_refused(make_card: MakeCard) -> None:
    with pytest.raises(InputError, match="RMSE of the float model is 0") as caught:
        compared(make_card("regression"), np.arange(5.0), np.arange(5.0), np.arange(5.0) + 1)
    assert "agreement" in caught.value.hint


def test_an_equal_error_has_not_dropped(make_card: MakeCard) -> None:
    labels = np.arange(50.0)
    found = compared(make_card("regression"), labels, labels + 1, labels + 1, drop_points=1.0)
    assert (found.drop, found.drop_lower_95, found.drop_upper_95, found.samples_needed) == (0, 0, 0, None)


def test_maps_that_did_not_change_leave_the_bound_of_none_changed(make_card: MakeCard) -> None:
    maps = np.random.default_rng(0).integers(0, 3, (128, 4, 4)).astype(np.uint8)
    found = compared(make_card("segmentation"), maps.astype(int), maps, maps, drop_points=1.0)
    assert found.drop == 0
    assert found.drop_upper_95 == pytest.approx(2.07, abs=0.01)
    assert found.drop_lower_95 == pytest.approx(-2.07, abs=0.01)
    assert found.samples_needed == 268
    assert found.churn == 0


def test_churn_of_maps_is_the_share_of_changed_pixels(make_card: MakeCard) -> None:
    maps = np.zeros((2, 2, 2), np.uint8)
    changed = maps.copy()
    changed[0, 0, 0] = 1
    assert compared(make_card("segmentation"), maps.astype(int), maps, changed).churn == 1 / 8


def test_agreement_needs_no_labels_and_is_a_hundred_times_the_worst_cosine(make_card: MakeCard) -> None:
    draw = np.random.default_rng(0)
    base = draw.standard_normal((120, 10))
    value = base + draw.normal(0, 0.1, base.shape)
    found = compared(make_card("agreement"), None, base, value)
    cosine = (base * value).sum() / np.linalg.norm(base) / np.linalg.norm(value)
    assert (found.metric, found.base) == ("agreement", 100.0)
    assert found.value == pytest.approx(100 * cosine)
    assert found.drop == pytest.approx(100 * (1 - cosine))
    assert found.drop_upper_95 is not None
    assert found.drop < found.drop_upper_95 < 3 * found.drop
    outputs = found.facts["outputs"]
    assert isinstance(outputs, dict)
    assert set(outputs["y"]) == {"cosine", "sqnr_db", "max_abs", "top1_share"}


def test_equal_runs_agree_without_a_doubt(make_card: MakeCard) -> None:
    base = np.random.default_rng(0).standard_normal((20, 10))
    found = compared(make_card("agreement"), None, base, base.copy(), drop_points=1.0)
    assert (found.value, found.drop, found.drop_lower_95, found.drop_upper_95) == (100, 0, 0, 0)
    assert found.samples_needed is None


def test_an_output_that_became_nan_has_failed_whatever_the_draw(make_card: MakeCard) -> None:
    base = np.random.default_rng(0).standard_normal((200, 10))
    value = base.copy()
    value[7, 3] = np.nan
    found = compared(make_card("agreement"), None, base, value, drop_points=1.0)
    assert (found.drop, found.drop_lower_95, found.drop_upper_95) == (100, 100, 100)
    assert "not finite" in str(found.facts["bounds_by"])


def test_one_sample_has_no_bounds(make_card: MakeCard) -> None:
    found = compared(make_card("agreement"), None, np.ones((1, 3)), np.array([[1.0, 1.0, 0.9]]))
    assert (found.drop_lower_95, found.drop_upper_95) == (None, None)
    assert "no bounds" in str(found.facts["bounds_by"])


def test_an_artifact_without_an_output_of_the_float_model_is_a_fault(make_card: MakeCard) -> None:
    with pytest.raises(RuntimeFault, match="no output 'y'"):
        compare_accuracy(
            make_card("agreement"), {}, {"y": np.ones((2, 2))}, {"z": np.ones((2, 2))}, seed=0, measured_with=HOST
        )


def test_a_user_s_metric_in_0_to_1_is_told_in_points(make_card: MakeCard, tmp_path: Path) -> None:
    (tmp_path / "metrics.py").write_text(
        "def share(outputs, labels):\n    return outputs['y'] == labels['target'], lambda chosen: chosen.mean()\n"
    )
    card = make_card("object-detection", metric={"python": "metrics:share"})
    labels = np.zeros(120, int)
    value = labels.copy()
    value[:6] = 1
    found = compared(card, labels, labels, value)
    assert (found.metric, found.base, found.value) == ("share", 100.0, 95.0)
    assert found.drop == pytest.approx(5.0)
    assert found.facts["bounds_by"] == "BCa bootstrap of 2,000 draws of 120 samples"


def test_any_other_metric_of_a_user_s_is_told_in_per_cent(make_card: MakeCard, tmp_path: Path) -> None:
    (tmp_path / "metrics.py").write_text("def perplexity(outputs, labels):\n    return float(outputs['y'].mean())\n")
    card = make_card("language-modelling", metric={"python": "metrics:perplexity", "better": "lower"})
    draw = np.random.default_rng(0)
    base = draw.uniform(18, 22, 100)
    found = compared(card, None, base, base * 1.05)
    assert (found.better, found.base) == ("lower", 100.0)
    assert found.drop == pytest.approx(5.0)
    assert "200 draws" in str(found.facts["bounds_by"])


def test_statistics_of_another_number_of_samples_are_told(make_card: MakeCard, tmp_path: Path) -> None:
    (tmp_path / "metrics.py").write_text(
        "def share(outputs, labels):\n    return outputs['y'][outputs['y'] > 0], lambda chosen: chosen.mean()\n"
    )
    card = make_card("object-detection", metric={"python": "metrics:share"})
    with pytest.raises(RecipeError, match="share gave statistics of 3 samples, then of 2"):
        compared(card, None, np.array([0.5, 0.5, 1.0]), np.array([0.5, 0.0, 1.0]))


def test_the_same_seed_gives_the_same_record(make_card: MakeCard) -> None:
    draw = np.random.default_rng(0)
    base = draw.standard_normal((50, 4))
    value = base + draw.normal(0, 0.1, base.shape)
    card = make_card("agreement")
    assert compared(card, None, base, value).model_dump_json() == compared(card, None, base, value).model_dump_json()


def test_a_float_model_that_overflows_to_infinity_can_be_told(make_card: MakeCard) -> None:
    base = np.array([[np.inf, 1.0], [2.0, 3.0]])
    found = compared(make_card("agreement"), None, base, base)
    assert found.model_dump_json()
    assert found.value == 100


@pytest.mark.parametrize(
    ("task", "labels", "outputs", "expected"),
    [
        ("classification", np.array([1, 0]), answers(np.array([True, True])), ("top-1", 50.0)),
        ("regression", np.array([1.0, 1.0]), np.array([3.0, 3.0]), ("RMSE", 2.0)),
    ],
)
def test_one_model_alone_has_its_figure(
    make_card: MakeCard, task: str, labels: Array, outputs: Array, expected: tuple[str, float]
) -> None:
    assert score(make_card(task), {"target": labels}, {"y": outputs}) == expected


def test_one_model_alone_cannot_agree(make_card: MakeCard) -> None:
    with pytest.raises(RecipeError, match="compares two models"):
        score(make_card("agreement"), {}, {"y": np.ones((2, 2))})
