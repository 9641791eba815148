"""Preprocessing of files equals what the packed networks were trained and measured with, to 1e-5."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.runner.clips import audio_from_file
from edgekit.runner.pictures import picture_from_file
from edgekit.runner.preprocess import AudioFeatures, Crop, Preprocessing, Resize, finish

Array = np.ndarray[Any, np.dtype[Any]]

SQUEEZENET = Preprocessing(layout="HWC->CHW", mean=(104.0, 117.0, 123.0), colour="BGR", crop=Crop(227, 227))
VWW = Preprocessing(layout="HWC->CHW", scale=255.0, resize=Resize(96, 96))
DETECTOR = Preprocessing(layout="HWC->CHW", scale=255.0, colour="BGR", resize=Resize(352, 352))
KEYWORDS = Preprocessing(
    layout="TF->1TF", sample_rate=16_000, seconds=1.0, features=AudioFeatures("mfcc", normalise="largest")
)


@pytest.fixture(scope="module")
def load(shared: Path) -> Any:
    """The pack's own readers."""
    path = shared / "data" / "load.py"
    spec = importlib.util.spec_from_file_location("pack_load", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    spec.loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


def prepared(path: Path, how: Preprocessing) -> Array:
    return finish(picture_from_file(path, how), how, "float32")


def largest_difference(ours: Array, theirs: Array) -> float:
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype == np.float32
    return float(np.abs(ours - theirs).max())


def test_squeezenets_crops_come_from_the_jpeg_files(load: Any, shared: Path) -> None:
    pictures, _ = load.imagenet()
    files = [shared / "data" / "imagenet300" / row["file"] for row in load.table("imagenet300/labels.tsv")]
    assert len(files) == 300
    for index in range(300):
        theirs = load.squeezenet_input(pictures[index : index + 1])[0]
        assert largest_difference(prepared(files[index], SQUEEZENET), theirs) <= 1e-5


@pytest.mark.parametrize(("how", "name"), [(VWW, "vww_input"), (DETECTOR, "detector_input")])
def test_the_coco_networks_pictures_come_from_the_jpeg_files(
    load: Any, shared: Path, how: Preprocessing, name: str
) -> None:
    files = sorted((shared / "data" / "coco128").glob("*.jpg"))
    assert len(files) == 128
    for path in files:
        theirs = getattr(load, name)([load.image(path)])[0]
        assert largest_difference(prepared(path, how), theirs) <= 1e-5


def test_the_keyword_spotters_features_come_from_flac_clips(load: Any, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    clips, _ = load.speech()
    for index in range(len(clips)):
        path = tmp_path / "clip.flac"
        soundfile.write(path, clips[index], 16_000, subtype="PCM_16")
        ours = finish(audio_from_file(path, KEYWORDS), KEYWORDS, "float32")
        assert largest_difference(ours, load.mfcc(clips[index : index + 1])[0]) <= 1e-5


def test_a_clip_without_a_positive_sample_is_divided_by_one(load: Any, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    clip = np.full(16_000, -7, np.int16)
    soundfile.write(tmp_path / "low.flac", clip, 16_000, subtype="PCM_16")
    ours = finish(audio_from_file(tmp_path / "low.flac", KEYWORDS), KEYWORDS, "float32")
    assert largest_difference(ours, load.mfcc(clip[None])[0]) <= 1e-5
