from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit import preprocessing
from edgekit.runner import preprocess
from edgekit.runner.faults import InputError
from edgekit.runner.preprocess import Preprocessing, cast, finish, preprocessing_from_json

PICTURE = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def test_nothing_named_changes_nothing() -> None:
    sample = np.array([[1.5, 2.5]], np.float32)
    assert finish(sample, Preprocessing(), "float32").tobytes() == sample.tobytes()


def test_a_scalar_stays_a_scalar() -> None:
    assert finish(np.array(2.0), Preprocessing(scale=2.0), "float32").shape == ()


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        ("HWC->CHW", (3, 2, 4)),
        ("NHWC->NCHW", (3, 2, 4)),
        ("HWC->1CHW", (1, 3, 2, 4)),
        ("HWC->CWH", (3, 4, 2)),
        ("HWC->HW1C", (2, 4, 1, 3)),
        ("HWC", (2, 4, 3)),
    ],
)
def test_a_layout_moves_and_adds_axes(layout: str, shape: tuple[int, ...]) -> None:
    result = finish(PICTURE, Preprocessing(layout=layout), "uint8")
    assert result.shape == shape
    assert result.flags.c_contiguous
    assert sorted(result.ravel()) == list(range(24))


def test_a_layout_says_where_each_number_goes() -> None:
    result = finish(PICTURE, Preprocessing(layout="HWC->CHW"), "uint8")
    assert all(result[c, h, w] == PICTURE[h, w, c] for c in range(3) for h in range(2) for w in range(4))


def test_a_layout_with_samples_fits_a_row_of_full_rank_too() -> None:
    assert finish(PICTURE[None], Preprocessing(layout="NHWC->NCHW"), "uint8").shape == (1, 3, 2, 4)


def test_a_layout_removes_axes_of_length_one_only() -> None:
    assert finish(np.zeros((1, 2, 4), np.uint8), Preprocessing(layout="1HW->HW"), "uint8").shape == (2, 4)
    with pytest.raises(InputError, match="needs length 1 where it says 1"):
        finish(PICTURE, Preprocessing(layout="1HW->HW"), "uint8")


def test_a_layout_of_another_rank_is_refused() -> None:
    with pytest.raises(InputError, match=r"'HW->WH' needs 2 axes, got shape \[2, 4, 3\]"):
        finish(PICTURE, Preprocessing(layout="HW->WH"), "uint8")


def test_numbers_are_divided_centred_and_divided_again_in_float32() -> None:
    how = Preprocessing(layout="HWC->CHW", scale=255.0, mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
    result = finish(PICTURE, how, "float32")
    mean, std = np.array(how.mean, np.float32), np.array(how.std, np.float32)
    expected = ((PICTURE.astype(np.float32) / np.float32(255) - mean) / std).transpose(2, 0, 1)
    assert result.dtype == np.float32
    assert result.tobytes() == np.ascontiguousarray(expected).tobytes()


def test_one_number_serves_all_channels() -> None:
    result = finish(PICTURE, Preprocessing(mean=1.0, std=2.0), "float32")
    assert result.tolist() == ((PICTURE.astype(np.float32) - 1) / 2).tolist()


def test_pictures_without_a_layout_have_their_channels_last() -> None:
    result = finish(PICTURE, Preprocessing(mean=(0.0, 1.0, 2.0)), "float32")
    assert result[0, 0].tolist() == [0.0, 0.0, 0.0]


def test_rows_of_one_axis_have_their_channels_there() -> None:
    result = finish(np.array([1.0, 2.0], np.float32), Preprocessing(mean=(1.0, 2.0)), "float32")
    assert result.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (Preprocessing(layout="HWD->DHW", mean=(1.0, 2.0, 3.0)), "no axis is called C"),
        (Preprocessing(layout="HWC->CHW", mean=(1.0, 2.0)), "mean has 2 numbers for 3 channels"),
        (Preprocessing(layout="HWC->CHW", std=(1.0, 2.0, 3.0, 4.0)), "std has 4 numbers for 3 channels"),
    ],
)
def test_numbers_that_meet_no_channels_are_refused(how: Preprocessing, message: str) -> None:
    with pytest.raises(InputError, match=message):
        finish(PICTURE, how, "float32")


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0.4, 1.6, 254.7], "uint8", [0, 2, 255]),
        ([0, 1, 1], "bool", [False, True, True]),
        ([1.0, 65504.0], "float16", [1.0, 65504.0]),
        ([1, 2], "int64", [1, 2]),
        ([True, False], "float32", [1.0, 0.0]),
    ],
)
def test_values_that_fit_take_the_inputs_dtype(values: list[Any], dtype: str, expected: list[Any]) -> None:
    result = cast(np.array(values), dtype)
    assert result.dtype.name == dtype
    assert result.tolist() == expected


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([256.0], "uint8"),
        ([-1], "uint64"),
        ([np.nan], "int32"),
        ([2], "bool"),
        ([1e6], "float16"),
        ([np.inf], "float32"),
    ],
)
def test_values_that_do_not_fit_are_refused_not_wrapped(values: list[float], dtype: str) -> None:
    with pytest.raises(InputError):
        cast(np.array(values), dtype)


@given(
    st.lists(st.integers(-(2**40), 2**40), min_size=1), st.sampled_from(["int8", "uint8", "int16", "int32", "int64"])
)
def test_whole_numbers_arrive_unchanged_or_not_at_all(values: list[int], dtype: str) -> None:
    limits = np.iinfo(dtype)
    if all(limits.min <= value <= limits.max for value in values):
        assert cast(np.array(values), dtype).tolist() == values
    else:
        with pytest.raises(InputError, match="do not fit"):
            cast(np.array(values), dtype)


def test_the_words_of_a_card_and_of_the_runner_are_the_same() -> None:
    for noun in ("Preprocess", "Resize", "Crop", "AudioFeatures"):
        words = getattr(preprocessing, noun).model_fields
        fields = getattr(preprocess, {"Preprocess": "Preprocessing"}.get(noun, noun)).__dataclass_fields__
        assert list(words) == list(fields)
        for name, field in fields.items():
            if not words[name].is_required():
                assert words[name].default == field.default, name


def test_a_cards_words_reach_the_runner_whole() -> None:
    words = preprocessing.Preprocess.model_validate(
        {
            "layout": "TF->1TF",
            "mean": (1.0, 2.0),
            "resize": {"shorter": 9},
            "crop": {"width": 3, "height": 4},
            "sample_rate": 8000,
            "features": {"kind": "mfcc", "mels": 20},
        }
    )
    for mode in ("python", "json"):
        how = preprocessing_from_json(words.model_dump(mode=mode))
        assert how.layout == "TF->1TF"
        assert how.mean == (1.0, 2.0)
        assert how.resize == preprocess.Resize(shorter=9)
        assert how.crop == preprocess.Crop(3, 4)
        assert how.features == preprocess.AudioFeatures("mfcc", mels=20)


@pytest.mark.parametrize("words", [{"scael": 1.0}, {"crop": {"width": 3}}, {"resize": {"side": 3}}])
def test_words_that_the_runner_does_not_know_are_refused(words: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="preprocessing is not understood"):
        preprocessing_from_json(words)
