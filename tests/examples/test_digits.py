import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.card import read_card
from edgekit.runner.runtimes.base import open_session
from edgekit.samples.sets import Samples, open_samples


@pytest.fixture(scope="module")
def model(root: Path) -> Path:
    """The example's network."""
    return root / "examples" / "digits" / "digits.onnx"


@pytest.fixture(scope="module")
def data(root: Path) -> Path:
    """The example's arrays."""
    return root / "calibration" / "digits" / "digits.npz"


def right_per_cent(model: Path, samples: Samples) -> float:
    session = open_session("onnxruntime", model)
    answers = np.concatenate([session.infer(feeds)["logits"].argmax(1) for feeds in samples.evaluation.batches(64)])
    session.close()
    return float(100 * (answers == samples.evaluation.labels["target"]).mean())


def samples_for(model: Path, root: Path) -> Samples:
    session = open_session("onnxruntime", model)
    samples = open_samples(read_card(root / "calibration" / "digits.toml"), session.inputs)
    session.close()
    return samples


def test_the_example_is_small_enough_to_ship(model: Path, data: Path) -> None:
    assert model.stat().st_size <= 200_000
    assert data.stat().st_size <= 100_000
    assert "CC BY 4.0" in (data.parent / "LICENCE.txt").read_text()
    onnx.checker.check_model(str(model), full_check=True)


def test_the_network_reads_the_digits_of_the_held_out_third(model: Path, root: Path) -> None:
    samples = samples_for(model, root)
    assert len(samples.evaluation) == 599
    assert len(samples.calibration) == 400
    assert samples.dropped == 0
    assert 97.5 <= right_per_cent(model, samples) < 100.0


def test_the_arrays_are_scikit_learns_digits(data: Path) -> None:
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    held = np.arange(len(digits.target)) % 3 == 2
    with np.load(data) as arrays:
        assert arrays["evaluation_images"].tolist() == digits.images[held].tolist()
        assert arrays["evaluation_labels"].tolist() == digits.target[held].tolist()
        assert arrays["calibration_images"].tolist() == digits.images[~held][:400].tolist()
        assert arrays["calibration_labels"].tolist() == digits.target[~held][:400].tolist()


def test_the_script_makes_the_data_byte_for_byte(root: Path, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("digits_train", root / "examples" / "digits" / "train.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.write_data(tmp_path / "digits.npz")
    assert (tmp_path / "digits.npz").read_bytes() == data.read_bytes()


@pytest.mark.slow
def test_the_script_makes_a_network_as_good(root: Path, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    made = tmp_path / "digits.onnx"
    script = root / "examples" / "digits" / "train.py"
    subprocess.run([sys.executable, script, "--data", tmp_path / "digits.npz", "--model", made], check=True)
    samples = samples_for(model, root)
    assert abs(right_per_cent(made, samples) - right_per_cent(model, samples)) <= 1.0
    layers = [node.op_type for node in onnx.load(made).graph.node]
    assert layers == [node.op_type for node in onnx.load(model).graph.node]
