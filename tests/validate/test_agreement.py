"""Agreement of two runs, output by output."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.errors import RuntimeFault
from edgekit.validate.agreement import agreement, fidelity
from edgekit.validate.bootstrap import whole

Array = np.ndarray[Any, Any]


def agreed(base: Any, value: Any) -> float:
    return whole(agreement({"y": np.asarray(base)}, {"y": np.asarray(value)}))


def row(*numbers: float, dtype: Any = np.float32) -> Array:
    return np.array([numbers], dtype)


def test_the_cosine_is_over_all_samples_put_together() -> None:
    draw = np.random.default_rng(0)
    base, value = draw.standard_normal((2, 20, 5))
    expected = np.dot(base.ravel(), value.ravel()) / (np.linalg.norm(base) * np.linalg.norm(value))
    assert agreed(base, value) == pytest.approx(expected)


def test_the_worst_output_decides() -> None:
    base = {"good": row(1, 2), "bad": row(1, 0), "integers": np.array([[1, 2]])}
    value = {"good": row(2, 4), "bad": row(1, 1), "integers": np.array([[1, 2]])}
    assert whole(agreement(base, value)) == pytest.approx(1 / math.sqrt(2))


def test_integers_and_booleans_agree_by_the_share_of_equal_entries() -> None:
    assert agreed(np.array([[1, 2, 3, 4]]), np.array([[1, 2, 3, 5]])) == 0.75
    assert agreed(np.array([[True, False]]), np.array([[True, True]])) == 0.5


@pytest.mark.parametrize(
    ("base", "value", "expected"),
    [
        ((0, 0), (0, 0), 1.0),
        ((0, 0), (1, 0), 0.0),
        ((1, 0), (0, 0), 0.0),
        ((1, 0), (-1, 0), -1.0),
        ((np.nan, 1), (np.nan, 1), 1.0),
        ((np.inf, 1), (np.inf, 1), 1.0),
        ((-np.inf, 1), (-np.inf, 2), 1.0),
        ((np.inf, 1), (-np.inf, 1), 0.0),
        ((np.nan, 1), (1, 1), 0.0),
        ((np.inf, 1), (3e38, 1), 0.0),
        ((1, 1), (np.nan, 1), 0.0),
        ((1, 1), (np.inf, 1), 0.0),
    ],
)
def test_zeros_and_entries_that_are_not_finite(
    base: tuple[float, ...], value: tuple[float, ...], expected: float
) -> None:
    assert agreed(row(*base), row(*value)) == expected


def test_huge_numbers_do_not_overflow() -> None:
    assert agreed(row(-3.4e38, 1), row(-3.4e38, 2)) == pytest.approx(1.0)
    assert agreed(row(1e300, -1e300, dtype=np.float64), row(1e300, 1e300, dtype=np.float64)) == pytest.approx(0.0)


def test_another_shape_or_another_kind_of_number_does_not_agree() -> None:
    assert agreed(np.ones((2, 3), np.float32), np.ones((2, 4), np.float32)) == 0.0
    assert agreed(np.ones((2, 3), np.float32), np.ones((2, 3), np.int64)) == 0.0


def test_an_output_without_entries_agrees() -> None:
    assert agreed(np.zeros((3, 0), np.float32), np.zeros((3, 0), np.float32)) == 1.0
    assert agreed(np.zeros((3, 0), np.int64), np.zeros((3, 0), np.int64)) == 1.0


def test_another_number_of_samples_is_a_fault() -> None:
    with pytest.raises(RuntimeFault, match="'y' has 2 rows, the float model's has 3"):
        agreed(np.ones((3, 1)), np.ones((2, 1)))


def test_a_missing_output_is_a_fault_that_names_the_others() -> None:
    with pytest.raises(RuntimeFault, match="no output 'y'; its outputs: z"):
        agreement({"y": row(1)}, {"z": row(1)})


FINITE = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=3, max_side=5), elements=st.floats(-1e6, 1e6))


@given(FINITE)
def test_anything_agrees_with_itself(array: Array) -> None:
    assert agreed(array, array) == pytest.approx(1.0)


@given(FINITE, st.floats(1e-3, 1e3))
def test_a_cosine_does_not_know_a_factor(array: Array, factor: float) -> None:
    assert agreed(array, array * factor) == pytest.approx(1.0)


@given(FINITE, st.integers(0, 10**6))
def test_agreement_stays_in_range(array: Array, seed: int) -> None:
    other = np.random.default_rng(seed).permuted(array.ravel()).reshape(array.shape)
    assert -1.0000001 <= agreed(array, other) <= 1


def test_fidelity_tells_every_figure() -> None:
    base, value = np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[3.0, 4.5], [0.0, 0.5]])
    told = fidelity({"y": base}, {"y": value})["y"]
    assert isinstance(told, dict)
    noise = ((base - value) ** 2).sum()
    assert told["sqnr_db"] == pytest.approx(10 * math.log10((base**2).sum() / noise))
    assert told["max_abs"] == 1.0
    assert told["top1_share"] == 0.5
    assert told["cosine"] == pytest.approx(agreed(base, value))


def test_equal_runs_have_no_noise_to_tell_of() -> None:
    told = fidelity({"y": row(1, 2)}, {"y": row(1, 2)})["y"]
    assert told == {"cosine": pytest.approx(1.0), "sqnr_db": None, "max_abs": 0.0, "top1_share": 1.0}


def test_integers_tell_their_share_of_equal_entries() -> None:
    assert fidelity({"y": np.array([[1, 2]])}, {"y": np.array([[1, 3]])}) == {"y": {"equal_share": 0.5}}


def test_rows_of_another_rank_have_no_top_1() -> None:
    told = fidelity({"y": np.ones((2, 3, 4))}, {"y": np.ones((2, 3, 4))})["y"]
    assert isinstance(told, dict)
    assert "top1_share" not in told


def test_fidelity_leaves_out_what_is_not_finite() -> None:
    told = fidelity({"y": row(np.nan, 2, np.inf)}, {"y": row(np.nan, 1, np.inf)})["y"]
    assert isinstance(told, dict)
    assert told["max_abs"] == 1.0
    assert told["sqnr_db"] == pytest.approx(10 * math.log10(4))


def test_another_shape_has_only_a_cosine_of_zero() -> None:
    told = fidelity({"y": np.ones((2, 3))}, {"y": np.ones((2, 4))})["y"]
    assert told == {"cosine": 0.0, "sqnr_db": None, "max_abs": None}
