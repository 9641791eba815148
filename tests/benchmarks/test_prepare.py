"""The six models' data, laid out once, gives the very inputs of the pack's own reader."""

import csv
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgekit.card import read_card
from edgekit.runner.runtimes.base import open_session
from edgekit.samples.sets import Samples, open_samples

Array = np.ndarray[Any, np.dtype[Any]]
Loader = Callable[[str], ModuleType]
TOLERANCE = 1e-5
MODELS = ("resnet20", "dscnn_kws", "squeezenet", "mobilenet_vww", "fastestdet")


@pytest.fixture(scope="module")
def pack(request: pytest.FixtureRequest) -> Path:
    shared: Path = request.getfixturevalue("shared")
    return shared / "data"


@pytest.fixture(scope="module")
def load(pack: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("load", pack / "load.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def laid_out(pack: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = importlib.util.spec_from_file_location("prepare", root / "benchmarks" / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out = tmp_path_factory.mktemp("data")
    module.prepare(pack, out, MODELS)
    return out


def samples_of(model: str, pack: Path, laid_out: Path) -> Samples:
    session = open_session("onnxruntime", pack / "models" / f"{model}.onnx")
    return open_samples(read_card(laid_out / model / "card.toml"), session.inputs)


def column(table: Path, name: str) -> list[str]:
    with table.open(newline="") as stream:
        return [row[name] for row in csv.DictReader(stream)]


def assert_inputs_equal(samples: Samples, expected: Array) -> None:
    """Calibration samples first, then evaluation samples, are the rows of ``expected``."""
    feeds = [*samples.calibration, *samples.evaluation]
    assert len(feeds) == len(expected)
    for found, row in zip(feeds, expected, strict=True):
        (array,) = found.values()
        assert float(np.abs(array[0] - row).max()) <= TOLERANCE


def test_cifar_gives_the_packs_inputs_and_labels(pack: Path, laid_out: Path, load: ModuleType) -> None:
    samples = samples_of("resnet20", pack, laid_out)
    assert (len(samples.calibration), len(samples.evaluation), samples.dropped) == (512, 5000, 0)
    images, labels = load.cifar10("test")
    np.testing.assert_array_equal(samples.evaluation.labels["target"], labels)
    for index in range(0, 5000, 97):
        found = samples.evaluation[index]["input"][0]
        assert float(np.abs(found - load.cifar10_input(images[index : index + 1])[0]).max()) <= TOLERANCE


def test_cifar_calibrates_on_train_pictures(laid_out: Path, load: ModuleType) -> None:
    with np.load(laid_out / "resnet20" / "cifar10.npz") as arrays:
        np.testing.assert_array_equal(arrays["train_images"], load.cifar10("train")[0])


def test_pictures_of_squeezenet_give_the_packs_inputs(pack: Path, laid_out: Path, load: ModuleType) -> None:
    samples = samples_of("squeezenet", pack, laid_out)
    images, labels = load.imagenet()
    assert len(samples.calibration) == 100
    assert_inputs_equal(samples, load.squeezenet_input(images))
    np.testing.assert_array_equal(samples.evaluation.labels["target"], labels[100:])


def test_pictures_of_the_person_detector_give_the_packs_inputs(pack: Path, laid_out: Path, load: ModuleType) -> None:
    samples = samples_of("mobilenet_vww", pack, laid_out)
    pictures = load.coco()
    assert len(samples.evaluation) == 85
    assert_inputs_equal(samples, load.vww_input([picture for picture, _ in pictures]))
    people = [int(load.has_person(boxes)) for _, boxes in pictures]
    assert [*samples.calibration.labels["target"], *samples.evaluation.labels["target"]] == people


def test_pictures_of_fastestdet_give_the_packs_inputs_and_boxes(pack: Path, laid_out: Path, load: ModuleType) -> None:
    samples = samples_of("fastestdet", pack, laid_out)
    pictures = load.coco()
    assert_inputs_equal(samples, load.detector_input([picture for picture, _ in pictures]))
    for found, (_, expected) in zip(samples.evaluation.labels["boxes"], pictures[43:], strict=True):
        np.testing.assert_allclose(found[~np.isnan(found[:, 0])], expected, rtol=0, atol=1e-7)


def test_clips_give_the_packs_inputs(pack: Path, laid_out: Path, load: ModuleType) -> None:
    samples = samples_of("dscnn_kws", pack, laid_out)
    clips, labels = load.speech()
    tables = [laid_out / "dscnn_kws" / f"{pick}.csv" for pick in ("calibration", "evaluation")]
    names = [name for table in tables for name in column(table, "file")]
    order = [90 * load.SPEECH.index(name.split("_")[0]) + int(name[-7:-5]) for name in names]
    assert sorted(order) == list(range(1080))
    assert_inputs_equal(samples, load.mfcc(clips[order]))
    found = [*samples.calibration.labels["target"], *samples.evaluation.labels["target"]]
    assert found == labels[order].tolist()


def test_no_speaker_is_heard_in_both_picks(laid_out: Path) -> None:
    heard, judged = (
        set(column(laid_out / "dscnn_kws" / f"{pick}.csv", "speaker")) for pick in ("calibration", "evaluation")
    )
    assert not heard & judged
    voices = [name for name in heard | judged if not name.startswith("silence")]
    assert (len(voices), sum(name in heard for name in voices)) == (106, 35)


def test_silence_is_shared_by_count(laid_out: Path) -> None:
    names = column(laid_out / "dscnn_kws" / "calibration.csv", "file")
    assert sum(name.startswith("silence") for name in names) == 30


@pytest.mark.parametrize(("model", "folder"), [("squeezenet", "imagenet300"), ("mobilenet_vww", "coco128")])
def test_pictures_are_copied_byte_for_byte(pack: Path, laid_out: Path, model: str, folder: str) -> None:
    pictures = sorted((pack / folder).glob("*.jpg"))
    assert sorted(each.name for each in (laid_out / model / "pictures").iterdir()) == [each.name for each in pictures]
    for each in pictures[::17]:
        assert (laid_out / model / "pictures" / each.name).read_bytes() == each.read_bytes()


def test_what_is_there_is_left_alone(script: Loader, pack: Path, tmp_path: Path) -> None:
    (tmp_path / "mobilenet_vww").mkdir()
    (tmp_path / "mobilenet_vww" / "mine.txt").write_text("mine")
    script("prepare").prepare(pack, tmp_path, ["mobilenet_vww"])
    assert [each.name for each in (tmp_path / "mobilenet_vww").iterdir()] == ["mine.txt"]


def test_a_folder_appears_whole_or_not_at_all(script: Loader, pack: Path, tmp_path: Path) -> None:
    prepare = script("prepare")

    def fail(_pack: Path, folder: Path) -> None:
        (folder / "half").mkdir()
        raise OSError("the disk is full")

    prepare.MODELS["squeezenet"] = fail
    with pytest.raises(OSError, match="disk"):
        prepare.prepare(pack, tmp_path, ["squeezenet"])
    assert not (tmp_path / "squeezenet").exists()


def test_a_folder_that_is_no_pack_is_told(script: Loader, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script("prepare").main([str(tmp_path), str(tmp_path / "out")]) == 2
    assert "error:" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
