from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import InputError, RecipeError
from edgekit.runner.runtimes.base import Port
from edgekit.samples.sets import Samples

Open = Callable[..., Samples]
PORT = Port("x", "float32", (None, 4))
SOURCE = {"kind": "arrays", "path": "a.npz", "inputs": {"x": "images"}, "labels": {"target": "labels"}}


@pytest.fixture
def arrays(tmp_path: Path) -> dict[str, Any]:
    """Ten samples for evaluation and six others for calibration, saved as a.npz."""
    random = np.random.default_rng(0)
    made = {
        "images": random.normal(size=(10, 4)).astype(np.float32),
        "labels": np.arange(10),
        "other": random.normal(size=(6, 4)).astype(np.float32),
        "other_labels": np.arange(6),
    }
    np.savez(tmp_path / "a.npz", **made)
    return made


def test_picks_read_their_own_arrays(open_card: Open, arrays: dict[str, Any]) -> None:
    samples = open_card(SOURCE, PORT, calibration={"from": {"x": "other"}, "from_labels": {"target": "other_labels"}})
    assert len(samples.calibration) == 6
    assert len(samples.evaluation) == 10
    assert samples.calibration[5]["x"].tolist() == arrays["other"][5:6].tolist()
    assert samples.evaluation[9]["x"].tolist() == arrays["images"][9:10].tolist()
    assert samples.calibration.labels["target"].tolist() == list(range(6))


def test_other_arrays_without_other_labels_have_none(open_card: Open, arrays: dict[str, Any]) -> None:
    samples = open_card(SOURCE, PORT, calibration={"from": {"x": "other"}})
    assert samples.calibration.labels == {}
    assert samples.evaluation.labels["target"].tolist() == arrays["labels"].tolist()


def test_a_pick_may_read_another_file_of_the_same_form(open_card: Open, arrays: dict[str, Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "b.npz", images=arrays["other"], labels=arrays["other_labels"])
    samples = open_card(SOURCE, PORT, calibration={"path": "b.npz"})
    assert samples.calibration[0]["x"].tolist() == arrays["other"][:1].tolist()


@pytest.mark.usefixtures("arrays")
def test_every_wrong_name_is_told_with_what_the_file_holds(open_card: Open) -> None:
    source = {**SOURCE, "inputs": {"x": "imags"}, "labels": {"target": "lables"}, "unit": "speaker"}
    with pytest.raises(RecipeError) as caught:
        open_card(source, PORT)
    told = caught.value.mistakes
    assert len(told) == 3
    assert told[0].startswith("source.inputs.x: no array 'imags' in ")
    assert told[0].endswith("it holds: images, labels, other, other_labels; did you mean 'images'?")
    assert told[1].startswith("source.labels.target: no array 'lables'")
    assert told[2].startswith("source.unit: no array 'speaker'")


@pytest.mark.usefixtures("arrays")
def test_other_arrays_are_for_inputs_that_there_are(open_card: Open) -> None:
    with pytest.raises(RecipeError, match=r"calibration\.from: 'y' is not in source\.inputs"):
        open_card(SOURCE, PORT, calibration={"from": {"y": "other"}})


def test_arrays_that_count_different_samples_are_refused(open_card: Open, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((10, 4), np.float32), labels=np.arange(9))
    with pytest.raises(InputError, match="the arrays count different samples: images has 10, labels has 9"):
        open_card(SOURCE, PORT)


def test_empty_arrays_are_refused(open_card: Open, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((0, 4), np.float32), labels=np.arange(0))
    with pytest.raises(InputError, match="no samples in images, labels"):
        open_card(SOURCE, PORT)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_with_their_row(open_card: Open, tmp_path: Path, value: float) -> None:
    images = np.arange(40, dtype=np.float32).reshape(10, 4)
    images[7, 2] = value
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(10))
    with pytest.raises(InputError, match=r"a\.npz: images, row 7: holds NaN or infinity"):
        open_card(SOURCE, PORT)


def test_text_is_no_input(open_card: Open, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.array(["a", "b"]), labels=np.arange(2))
    with pytest.raises(InputError, match="images: holds text; a model input takes numbers"):
        open_card(SOURCE, PORT)


def test_units_keep_a_speaker_on_one_side(open_card: Open, tmp_path: Path) -> None:
    images = np.arange(24, dtype=np.float32).reshape(6, 4)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(6), who=np.array(["a", "b", "a", "c", "b", "c"]))
    samples = open_card(
        {**SOURCE, "unit": "who"}, PORT, calibration={"share": [0.0, 0.34]}, evaluation={"share": [0.34, 1.0]}
    )
    assert samples.calibration.labels["target"].tolist() == [0, 2]
    assert samples.evaluation.labels["target"].tolist() == [1, 3, 4, 5]
