"""Lay out the data of the six benchmark models as users have theirs: pictures, clips, tables, and a card beside them.

    python benchmarks/prepare.py [PACK=../shared/data] [OUT=build/data]

makes ``OUT/<model>/card.toml`` with its data beside it for resnet20, resnet56, dscnn_kws, squeezenet, mobilenet_vww and
fastestdet. The rules:

* nothing is resampled: CIFAR tiles become uint8 arrays, JPEG files are copied byte for byte, clips keep their 16 bits;
* what calibrates is never evaluated. CIFAR: 512 train pictures against the 5,000 test ones. Pictures: the first third
  against the rest. Speech: the first third of the speakers, by their names, against the rest; silence has no speaker,
  so its first third by number;
* the cards are data too: ``benchmarks/cards/<model>/`` is copied as it stands;
* ``OUT/<model>`` appears whole or not at all; one that is there already is left alone.
"""

import csv
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

HERE = Path(__file__).resolve().parent
CARDS = HERE / "cards"
TILE, TILES_A_ROW = 32, 25
CLIP_SAMPLES, SAMPLE_RATE = 16_000, 16_000
KEYWORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown")
PERSON_CLASS, PERSON_SHARE = 0, 0.005

Row = dict[str, str]
Array = np.ndarray[Any, np.dtype[Any]]


def lay_out_cifar(pack: Path, folder: Path) -> None:
    """Cut the sheets into ``<split>_images`` (n, 32, 32, 3) uint8 and ``<split>_labels`` (n,) int64 of one .npz."""
    arrays: dict[str, Array] = {}
    for split in ("train", "test"):
        sheets = sorted((pack / "cifar10").glob(f"{split}_*.webp"))
        arrays[f"{split}_images"] = np.concatenate([_tiles(sheet) for sheet in sheets])
        arrays[f"{split}_labels"] = np.load(pack / "cifar10" / f"{split}_labels.npy").astype(np.int64)
    np.savez(folder / "cifar10.npz", **arrays)


def lay_out_imagenet(pack: Path, folder: Path) -> None:
    """Copy the pictures; ``label`` is the class id, 0..999."""
    rows = _table(pack / "imagenet300" / "labels.tsv")
    _copy((pack / "imagenet300" / row["file"] for row in rows), folder / "pictures")
    _split_pictures(folder, [(row["file"], row["class_id"]) for row in rows])


def lay_out_persons(pack: Path, folder: Path) -> None:
    """Copy the pictures; ``label`` is 1 where some person's box covers more than half a per cent of the picture."""
    boxes = _boxes(pack)
    pictures = sorted((pack / "coco128").glob("*.jpg"))
    _copy(pictures, folder / "pictures")
    _split_pictures(folder, [(each.name, int(_has_person(boxes.get(each.name, [])))) for each in pictures])


def lay_out_detection(pack: Path, folder: Path) -> None:
    """Copy the pictures; ``boxes.csv`` lists their true boxes, corners in parts of 1."""
    pictures = sorted((pack / "coco128").glob("*.jpg"))
    _copy(pictures, folder / "pictures")
    _split_pictures(folder, [(each.name,) for each in pictures])
    corners = ("x1", "y1", "x2", "y2")
    rows = [
        (box["file"], box["class_id"], *(box[corner] for corner in corners))
        for boxes in _boxes(pack).values()
        for box in boxes
    ]
    _write_csv(folder / "boxes.csv", ("file", "class", *corners), rows)


def lay_out_speech(pack: Path, folder: Path) -> None:
    """Cut the packed FLAC files into one FLAC a clip; ``label`` counts the keywords in the network's order."""
    (folder / "clips").mkdir()
    rows = _table(pack / "speech" / "clips.tsv")
    voices = sorted({row["speaker"] for row in rows if row["speaker"]})
    calibrating = set(voices[: _third(len(voices))])
    picks: dict[str, list[Sequence[object]]] = {"calibration": [], "evaluation": []}
    for label, keyword in enumerate(KEYWORDS):
        packed, rate = soundfile.read(pack / "speech" / f"{keyword}.flac", dtype="int16")
        if rate != SAMPLE_RATE:
            raise ValueError(f"{keyword}.flac has {rate} Hz, not {SAMPLE_RATE}")
        clips = packed.reshape(-1, CLIP_SAMPLES)
        mine = [row for row in rows if row["label"].strip("_") == keyword]
        for row, clip in zip(mine, clips[[int(row["index"]) for row in mine]], strict=True):
            name = f"{keyword}_{int(row['index']):02d}.flac"
            soundfile.write(folder / "clips" / name, clip, SAMPLE_RATE, subtype="PCM_16")
            first = row["speaker"] in calibrating if row["speaker"] else int(row["index"]) < _third(len(mine))
            picks["calibration" if first else "evaluation"].append((name, label, row["speaker"] or f"silence {name}"))
    for pick, entries in picks.items():
        _write_csv(folder / f"{pick}.csv", ("file", "label", "speaker"), entries)


MODELS: dict[str, Callable[[Path, Path], None]] = {
    "resnet20": lay_out_cifar,
    "resnet56": lay_out_cifar,
    "dscnn_kws": lay_out_speech,
    "squeezenet": lay_out_imagenet,
    "mobilenet_vww": lay_out_persons,
    "fastestdet": lay_out_detection,
}


def prepare(pack: Path, out: Path, models: Iterable[str] = tuple(MODELS)) -> list[Path]:
    """Lay out the data of each model that is not there yet, and return the folders."""
    folders = []
    for model in models:
        folder, unfinished = out / model, out / f".{model}.part"
        if not folder.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            for each in sorted((CARDS / model).iterdir()):
                if each.is_file():
                    shutil.copyfile(each, unfinished / each.name)
            MODELS[model](pack, unfinished)
            unfinished.rename(folder)
        folders.append(folder)
    return folders


def _third(count: int) -> int:
    return round(count / 3)


def _tiles(sheet: Path) -> Array:
    """Cut a sheet of square tiles, row by row: (tiles, 32, 32, 3) uint8."""
    with Image.open(sheet) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    grid = pixels.reshape(-1, TILE, TILES_A_ROW, TILE, 3)
    return grid.swapaxes(1, 2).reshape(-1, TILE, TILE, 3)


def _table(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def _boxes(pack: Path) -> dict[str, list[Row]]:
    """Group COCO128's boxes by picture."""
    boxes: dict[str, list[Row]] = {}
    for row in _table(pack / "coco128" / "boxes.tsv"):
        boxes.setdefault(row["file"], []).append(row)
    return boxes


def _has_person(boxes: Iterable[Row]) -> bool:
    """Whether some person's box covers more than PERSON_SHARE of the picture; corners are parts of 1."""
    people = [
        {key: np.float32(box[key]) for key in ("x1", "y1", "x2", "y2")}
        for box in boxes
        if int(box["class_id"]) == PERSON_CLASS
    ]
    return any((box["x2"] - box["x1"]) * (box["y2"] - box["y1"]) > PERSON_SHARE for box in people)


def _copy(files: Iterable[Path], folder: Path) -> None:
    folder.mkdir()
    for each in files:
        shutil.copyfile(each, folder / each.name)


def _split_pictures(folder: Path, rows: Sequence[Sequence[object]]) -> None:
    """Write the first third as calibration.csv and the rest as evaluation.csv."""
    first = _third(len(rows))
    heading = ("file", "label")[: len(rows[0])]
    _write_csv(folder / "calibration.csv", heading, rows[:first])
    _write_csv(folder / "evaluation.csv", heading, rows[first:])


def _write_csv(path: Path, heading: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(heading)
        writer.writerows(rows)


def main(words: Sequence[str]) -> int:
    """Lay out everything; say where it is."""
    if len(words) > 2 or any(word.startswith("-") for word in words):
        print(__doc__)
        return 0 if "--help" in words else 2
    pack = Path(words[0]) if words else HERE.parents[1] / "shared" / "data"
    out = Path(words[1]) if len(words) > 1 else HERE.parent / "build" / "data"
    if not (pack / "load.py").exists():
        print(f"error: {pack}: not the pack of models and data\nhint: prepare.py PACK OUT", file=sys.stderr)
        return 2
    for folder in prepare(pack, out):
        print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
