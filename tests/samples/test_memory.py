"""Peak memory of a whole process does not follow the number of samples."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = """
import resource, sys
from pathlib import Path
from edgekit.card import read_card
from edgekit.runner.runtimes.base import Port
from edgekit.samples.sets import open_samples

samples = open_samples(read_card(Path(sys.argv[1])), [Port("x", "float32", (None, 3, 224, 224))])
count = sum(len(feeds["x"]) for feeds in samples.calibration.batches(8))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
HEAD = 'name = "a"\ntask = "agreement"\nlicence = "CC0"\n'
PICTURES = """
[source]
kind = "images"
path = "pictures"
[preprocess.x]
layout = "HWC->CHW"
resize = { width = 224, height = 224 }
[evaluation]
count = 8
[calibration]
count = COUNT
"""
ARRAYS = """
[source]
kind = "arrays"
path = "arrays.npz"
inputs = { x = "x" }
[evaluation]
count = 8
[calibration]
count = COUNT
"""


def peak_mib(folder: Path, card: str, count: int) -> int:
    path = folder / "card.toml"
    path.write_text(HEAD + card.replace("COUNT", str(count)))
    done = subprocess.run([sys.executable, "-c", SCRIPT, path], check=True, capture_output=True, text=True)
    seen, peak = map(int, done.stdout.split())
    assert seen == count
    return peak


@pytest.mark.parametrize("kind", ["pictures", "stored arrays", "compressed arrays"])
def test_ten_times_the_samples_take_no_more_memory(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(0)
    if kind == "pictures":
        (tmp_path / "pictures").mkdir()
        for index in range(420):
            noise = random.integers(0, 256, (60, 80, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / "pictures" / f"{index:04}.jpg", quality=60)
        card = PICTURES
    else:
        values = np.arange(420, dtype=np.float32)[:, None, None, None] + np.zeros((1, 3, 224, 224), np.float32)
        (np.savez if kind == "stored arrays" else np.savez_compressed)(tmp_path / "arrays.npz", x=values)
        card = ARRAYS
    few, many = peak_mib(tmp_path, card, 40), peak_mib(tmp_path, card, 400)
    assert many <= 1.05 * few + 4  # 400 samples in float32 would be 230 MiB
