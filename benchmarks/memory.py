"""Memory of calibration: does the peak grow with the number of samples?

    python benchmarks/memory.py [PACK=../shared/data] [--peers-python PYTHON] [--results FILE.json]

squeezenet, entropy ranges, from picture files: the pack's 300 pictures, and mirrored, shifted and brightened copies of
them, written by this script. ``edgekit quantize`` with 2,000 calibration samples may take at most 5 % more memory at
its peak than with 100; exit code 1 where it does. With ``--peers-python``, ONNX Runtime's histogram calibration
(percentile) is measured at 25 and 100 of the same samples, for the growth per sample; 2,000 would need tens of
gigabytes.
"""

import argparse
import csv
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageOps

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "peers"))

import figures  # noqa: E402 - lies in benchmarks/peers
from contenders import run_timed, words_of  # noqa: E402 - likewise

FEW, MANY = 100, 2000
PEER_COUNTS = (25, 100)
MOST_GROWTH = 1.05
EVALUATED = 10


def write_pictures(pack: Path, folder: Path, count: int) -> list[str]:
    """Write ``count`` pictures, every one another, and return their names. Drawn with a fixed seed."""
    folder.mkdir(parents=True)
    originals = sorted((pack / "imagenet300").glob("*.jpg"))
    generator = np.random.default_rng(0)
    names = []
    for number in range(count):
        with Image.open(originals[number % len(originals)]) as opened:
            picture = opened.convert("RGB")
        if number >= len(originals):
            right, down = (int(each) for each in generator.integers(-40, 41, 2))
            picture = ImageChops.offset(ImageOps.mirror(picture) if number % 2 else picture, right, down)
            picture = ImageEnhance.Brightness(picture).enhance(float(generator.uniform(0.7, 1.3)))
        names.append(f"{number:05d}.jpg")
        picture.save(folder / names[-1], quality=90)
    return names


def write_card(folder: Path, names: Sequence[str], count: int) -> Path:
    """Write a card of squeezenet that calibrates on the first ``count`` pictures and evaluates on the last ones."""
    place = folder / f"calibrate-{count}"
    place.mkdir()
    text = (HERE / "cards" / "squeezenet" / "card.toml").read_text().replace('"pictures"', '"../pictures"')
    (place / "card.toml").write_text(text + f"count = {count}\n")
    for table, chosen in (("calibration", names[:count]), ("evaluation", names[-EVALUATED:])):
        with (place / f"{table}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([("file", "label"), *((name, 0) for name in chosen)])
    return place / "card.toml"


def measure_edgekit(model: Path, card: Path, out: Path) -> dict[str, float]:
    """Seconds and peak memory of one ``edgekit quantize`` with entropy ranges."""
    words = ["-d", str(card), "-t", "onnxruntime-x86", "--set", "ranges=entropy", "-o", str(out), "-q"]
    return measured([sys.executable, "-m", "edgekit", "quantize", str(model), *words], out)


def measure_peer(model: Path, card: Path, python: Path, out: Path) -> dict[str, float]:
    """Seconds and peak memory of ONNX Runtime's quantizer with percentile ranges on the same samples."""
    samples = out.with_suffix(".samples")
    figures.write_calibration(model, card, samples)
    words = ["--model", str(model), "--samples", str(samples), "--out", str(out)]
    script = HERE / "peers" / "quantize_peer.py"
    cost = measured([str(python), str(script), "onnxruntime-percentile-channel", *words], out)
    shutil.rmtree(samples)
    return cost


def measured(command: Sequence[str], out: Path) -> dict[str, float]:
    """Run a command and return what it cost.

    Raises:
        RuntimeError: it failed.
    """
    ended, cost = run_timed(command, out.with_suffix(".cost.json"))
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {ended.returncode}: {words_of(ended.stderr)}")
    return cost


def main(words: Sequence[str]) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path, nargs="?", default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--peers-python", type=Path)
    parser.add_argument("--results", type=Path)
    given = parser.parse_args(words)
    model = given.pack / "models" / "squeezenet.onnx"
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="memory-") as place:
        folder = Path(place)
        names = write_pictures(given.pack, folder / "pictures", MANY + EVALUATED)
        cards = {count: write_card(folder, names, count) for count in sorted({FEW, MANY, *PEER_COUNTS})}
        for count in (FEW, MANY):
            found[f"edgekit {count}"] = measure_edgekit(model, cards[count], folder / f"edgekit-{count}.onnx")
            print(f"edgekit {count}", found[f"edgekit {count}"], flush=True)
        for count in PEER_COUNTS if given.peers_python else ():
            out = folder / f"onnxruntime-{count}.onnx"
            found[f"onnxruntime {count}"] = measure_peer(model, cards[count], given.peers_python, out)
            print(f"onnxruntime {count}", found[f"onnxruntime {count}"], flush=True)
    growth = found[f"edgekit {MANY}"]["peak_rss_mib"] / found[f"edgekit {FEW}"]["peak_rss_mib"]
    print(f"edgekit: {MANY} samples take {growth:.3f} times the memory of {FEW} (at most {MOST_GROWTH:g})")
    if given.peers_python:
        few, many = (found[f"onnxruntime {count}"]["peak_rss_mib"] for count in PEER_COUNTS)
        print(f"onnxruntime: {(many - few) / (PEER_COUNTS[1] - PEER_COUNTS[0]):.1f} MiB more with every sample")
    if given.results:
        given.results.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if growth <= MOST_GROWTH else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
