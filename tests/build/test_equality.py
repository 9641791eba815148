import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from edgekit.build.equality import differences
from edgekit.runner.runtimes.base import Array


def error(first: Array, second: Array) -> float:
    return differences({"y": first}, {"y": second})[0].error


def holds(first: Array, second: Array) -> bool:
    return differences({"y": first}, {"y": second})[0].holds


@given(some.lists(some.floats(-1e6, 1e6, width=32), min_size=1, max_size=8))
def test_a_run_equals_itself(values: list[float]) -> None:
    array = np.array(values, np.float32)
    assert error(array, array.copy()) == 0.0


def test_float_error_is_a_share_of_the_largest_value() -> None:
    assert error(np.array([200.0, 1.0]), np.array([200.0, 3.0])) == pytest.approx(0.01)


def test_rounding_in_another_order_holds_and_a_wrong_fold_does_not() -> None:
    values = np.linspace(-3, 3, 100, dtype=np.float32)
    assert holds(values, values * np.float32(1 + 1e-6))
    assert not holds(values, values + np.float32(1e-3))


def test_half_precision_is_given_its_own_tolerance() -> None:
    values = np.linspace(-3, 3, 100).astype(np.float16)
    assert holds(values, (values * np.float16(1.002)).astype(np.float16))
    assert not holds(values, (values * np.float16(1.05)).astype(np.float16))


def test_a_large_output_does_not_hide_a_small_one() -> None:
    first = {"boxes": np.full(1000, 640.0), "scores": np.array([0.5])}
    found = differences(first, {**first, "scores": np.array([0.6])})
    assert [each.output for each in found if not each.holds] == ["scores"]


def test_integers_count_entries_that_differ() -> None:
    labels = np.arange(2000)
    moved = labels.copy()
    moved[0] += 1
    assert error(labels, moved) == pytest.approx(1 / 2000)
    assert holds(labels, moved)
    assert not holds(labels, labels + 1)
    assert not holds(np.array([True]), np.array([False]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_entries_that_are_not_finite_must_stay_as_they_are(value: float) -> None:
    array = np.array([1.0, value])
    assert error(array, array.copy()) == 0.0
    assert not holds(array, np.array([1.0, 2.0]))
    assert not holds(np.array([1.0, 2.0]), array)


def test_signs_of_infinity_differ() -> None:
    assert not holds(np.array([np.inf]), np.array([-np.inf]))


def test_a_lost_output_another_shape_or_another_type_never_holds() -> None:
    ones = np.ones((2, 2), np.float32)
    assert not differences({"y": ones}, {"z": ones})[0].holds
    assert not holds(ones, np.ones((2, 1), np.float32))
    assert not holds(ones, np.ones((2, 2), np.float64))


def test_nothing_equals_nothing_and_zeros_are_compared_absolutely() -> None:
    assert holds(np.zeros(0), np.zeros(0))
    assert error(np.zeros(3), np.array([0.0, 0.25, 0.0])) == pytest.approx(0.25)
