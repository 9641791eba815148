"""A small project that builds: what each journey starts from, and what a case breaks one part of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.cli.main import main

CARD = """name = "squares"
task = "image-classification"
licence = "CC0-1.0"

[source]
kind = "arrays"
path = "squares.npz"
[source.inputs]
image = "images"
[source.labels]
target = "labels"

[calibration]
share = [0.0, 0.5]
[evaluation]
share = [0.5, 1.0]
"""
RECIPE = """model = "model.onnx"
targets = ["onnxruntime-x86"]
data = "card.toml"
"""
SAMPLES = 40


BUILD = ("build", "recipe.toml", "-o", "out")


@dataclass(frozen=True)
class Project:
    """A folder with model.onnx, squares.npz, card.toml and recipe.toml, and the ways to break one of them."""

    folder: Path

    def write(self, name: str, data: bytes | str) -> None:
        """Make or replace a file."""
        (self.folder / name).write_bytes(data.encode() if isinstance(data, str) else data)

    def swap(self, name: str, old: str, new: str) -> None:
        """Replace words of a file that are in it."""
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def add(self, name: str, text: str) -> None:
        """Write at the end of a file."""
        self.write(name, (self.folder / name).read_text() + text)

    def remove(self, name: str) -> None:
        """Take a file away."""
        (self.folder / name).unlink()

    def arrays(self, **changed: Any) -> None:
        """Replace arrays of squares.npz: by an array, or by a function of the old one."""
        with np.load(self.folder / "squares.npz") as old:
            kept = dict(old)
        for name, new in changed.items():
            kept[name] = new(kept[name]) if callable(new) else new
        np.savez(self.folder / "squares.npz", **kept)

    def model(self, change: Callable[[onnx.ModelProto], object]) -> None:
        """Change the model's protobuf."""
        proto = onnx.load(self.folder / "model.onnx")
        change(proto)
        self.write("model.onnx", proto.SerializeToString())

    def files(self) -> dict[str, bytes]:
        """Every file and what is in it."""
        found = (each for each in self.folder.rglob("*") if each.is_file())
        return {str(each.relative_to(self.folder)): each.read_bytes() for each in found}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that builds, as the working directory."""
    monkeypatch.chdir(tmp_path)
    onnx.save(squares_model(), tmp_path / "model.onnx")
    np.savez(tmp_path / "squares.npz", **squares())
    (tmp_path / "card.toml").write_text(CARD)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return Project(tmp_path)


@pytest.fixture
def refused(project: Project, capfd: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Break the project, type the words, and check that they are refused as every mistake is."""

    def check(breaks: Callable[[Project], object], says: tuple[str, ...], words: tuple[str, ...] = BUILD) -> None:
        breaks(project)
        before = project.files()
        code = main(words)
        said = capfd.readouterr()
        lines = said.err.splitlines()
        assert code == 2, said.err
        assert [line.partition(": ")[0] for line in lines] == ["error"] * (len(lines) - 1) + ["hint"], said.err
        assert len(lines[-1]) > len("hint: "), said.err
        assert [words for words in says if words not in "\n".join(lines[:-1])] == [], said.err
        assert said.out == ""
        assert project.files() == before

    return check


def squares() -> dict[str, np.ndarray]:
    """Noise with a bright quarter, which is the label: float32 (samples, 1, 8, 8) and int64 (samples,)."""
    draw = np.random.default_rng(7)
    images = draw.normal(0, 0.1, (SAMPLES, 1, 8, 8)).astype(np.float32)
    labels = draw.integers(0, 4, SAMPLES)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 1
    return {"images": images, "labels": labels}


def squares_model() -> onnx.ModelProto:
    """A convolution, a ReLU and a linear layer that weighs the quarters."""
    draw = np.random.default_rng(3)
    quarters = np.kron(np.arange(4).reshape(2, 2), np.ones((4, 4))).astype(int).ravel()
    readout = np.tile(np.eye(4)[quarters], (4, 1)) + draw.normal(0, 0.01, (4 * 64, 4))
    weights = {
        "kernels": np.ones((4, 1, 3, 3)) / 9 + draw.normal(0, 0.01, (4, 1, 3, 3)),
        "kernel_bias": draw.normal(0, 0.01, 4),
        "readout": readout,
        "readout_bias": np.zeros(4),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernels", "kernel_bias"], ["blurred"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["blurred"], ["bright"], "relu"),
        helper.make_node("Flatten", ["bright"], ["row"], "flatten"),
        helper.make_node("Gemm", ["row", "readout", "readout_bias"], ["logits"], "gemm"),
    ]
    graph = helper.make_graph(
        nodes,
        "squares",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
