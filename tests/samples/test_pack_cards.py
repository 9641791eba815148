"""Cards over the pack's own files: whole pools equal the pack's readers, and the networks keep their figures."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.card import DataCard
from edgekit.runner.runtimes.base import Port, open_session
from edgekit.samples.sets import Samples, SampleSet, open_samples

Array = np.ndarray[Any, np.dtype[Any]]
KEYWORD_FEATURES = {"kind": "mfcc", "normalise": "largest", "low_hz": 20.0, "high_hz": 4000.0}


@pytest.fixture(scope="module")
def load(shared: Path) -> Any:
    """The pack's own readers."""
    spec = importlib.util.spec_from_file_location("pack_load", shared / "data" / "load.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def opened(folder: Path, port: Port, **words: Any) -> Samples:
    card = DataCard.model_validate({"name": "pack", "licence": "internal use", **words})
    return open_samples(card.within(folder), [port])


def thirds() -> dict[str, Any]:
    return {"calibration": {"share": (0.0, 1 / 3)}, "evaluation": {"share": (1 / 3, 1.0)}}


def largest_difference(samples: SampleSet, expected: Array) -> float:
    ours = np.concatenate([feeds["input"] for feeds in samples.batches(32)])
    assert ours.shape == expected.shape
    return float(np.abs(ours - expected).max())


def right_per_cent(shared: Path, name: str, samples: SampleSet) -> float:
    session = open_session("onnxruntime", shared / "data" / "models" / f"{name}.onnx")
    answers = np.concatenate([session.infer(feeds)["logits"].argmax(1) for feeds in samples.batches(32)])
    session.close()
    return float(100 * (answers == samples.labels["target"]).mean())


def test_the_imagenet_table_gives_squeezenets_inputs(load: Any, shared: Path) -> None:
    samples = opened(
        shared / "data" / "imagenet300",
        Port("input", "float32", (None, 3, 227, 227)),
        task="image-classification",
        source={"kind": "images", "path": ".", "labels": "labels.tsv", "label": "class_id"},
        preprocess={
            "input": {
                "colour": "BGR",
                "crop": {"width": 227, "height": 227},
                "layout": "HWC->CHW",
                "mean": (104.0, 117.0, 123.0),
            }
        },
        **thirds(),
    )
    pictures, labels = load.imagenet()
    assert largest_difference(samples.calibration, load.squeezenet_input(pictures[:100])) <= 1e-5
    assert largest_difference(samples.evaluation, load.squeezenet_input(pictures[100:])) <= 1e-5
    assert samples.evaluation.labels["target"].tolist() == labels[100:].tolist()
    both = (right_per_cent(shared, "squeezenet", each) for each in (samples.calibration, samples.evaluation))
    assert sum(share * right / 3 for share, right in zip((1, 2), both, strict=True)) == pytest.approx(59.67, abs=0.4)


def test_coco_pictures_come_with_their_boxes(load: Any, shared: Path) -> None:
    samples = opened(
        shared / "data",
        Port("input", "float32", (1, 3, 352, 352)),
        task="object-detection",
        source={"kind": "images", "path": "coco128", "boxes": {"path": "coco128/boxes.tsv"}},
        preprocess={
            "input": {
                "colour": "BGR",
                "resize": {"width": 352, "height": 352},
                "layout": "HWC->CHW",
                "scale": 255.0,
            }
        },
        **thirds(),
    )
    expected = load.coco()
    assert (len(samples.calibration), len(samples.evaluation)) == (42, 86)
    assert (
        largest_difference(samples.evaluation, load.detector_input([picture for picture, _ in expected[42:]])) <= 1e-5
    )
    for found, (_, boxes) in zip(samples.evaluation.labels["boxes"], expected[42:], strict=True):
        kept = found[~np.isnan(found[:, 0])]
        np.testing.assert_array_equal(kept, boxes)


def test_speech_clips_are_split_by_speaker(load: Any, shared: Path, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    clips, labels = load.speech()
    chosen = range(0, len(clips), 5)
    rows = load.table("speech/clips.tsv")
    speakers = [rows[index].get("speaker") or f"silence {index}" for index in chosen]
    (tmp_path / "clips").mkdir()
    with (tmp_path / "clips.csv").open("w") as stream:
        stream.write("file,label,speaker\n")
        for index, speaker in zip(chosen, speakers, strict=True):
            soundfile.write(tmp_path / "clips" / f"{index}.flac", clips[index], 16_000, subtype="PCM_16")
            stream.write(f"{index}.flac,{load.SPEECH[labels[index]]},{speaker}\n")
    samples = opened(
        tmp_path,
        Port("input", "float32", (None, 1, 49, 10)),
        task="classification",
        source={
            "kind": "audio",
            "path": "clips",
            "labels": "clips.csv",
            "unit": "speaker",
            "classes": load.SPEECH,
        },
        preprocess={
            "input": {"sample_rate": 16_000, "seconds": 1.0, "features": KEYWORD_FEATURES, "layout": "TF->1TF"}
        },
        **thirds(),
    )
    kept, judged = (
        [int(Path(each.name(unit)).stem) for unit in range(len(each))]
        for each in (samples.calibration, samples.evaluation)
    )
    owners = dict(zip(chosen, speakers, strict=True))
    assert {owners[index] for index in kept}.isdisjoint(owners[index] for index in judged)
    assert sorted(kept + judged) == list(chosen) or samples.dropped > 0
    assert largest_difference(samples.calibration, load.mfcc(clips[kept])) <= 1e-5
    assert largest_difference(samples.evaluation, load.mfcc(clips[judged])) <= 1e-5
    assert samples.evaluation.labels["target"].tolist() == labels[judged].tolist()
    assert right_per_cent(shared, "dscnn_kws", samples.evaluation) == pytest.approx(91.5, abs=6.0)
