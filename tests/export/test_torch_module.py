"""torch to ONNX: factories, weights, names, and the proof that both agree."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")

from edgekit.errors import ModelError, StepError  # noqa: E402 - after the skip
from edgekit.export.torch_module import export_module, input_names, load_module  # noqa: E402 - after the skip

SOURCE = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.bn = torch.nn.BatchNorm2d(4)
        self.fc = torch.nn.Linear(4, 2)

    def forward(self, picture, scale=None):
        return self.fc(torch.relu(self.bn(self.conv(picture))).mean((2, 3)))

class TakesAway(torch.nn.Module):
    def forward(self, a, b):
        return a - b, b * 2

def make():
    return Net()

def pair():
    return TakesAway()

def broken():
    raise RuntimeError("no weights in this world")

def other():
    return 5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A recipe's folder with a module ``tinynet`` in it."""
    (tmp_path / "tinynet.py").write_text(SOURCE)
    yield tmp_path
    sys.modules.pop("tinynet", None)


@pytest.fixture
def weights(folder: Path) -> Path:
    torch.manual_seed(3)
    state = load_module("tinynet:make", None, folder).state_dict()
    state["bn.running_mean"] = torch.randn(4)
    state["bn.running_var"] = torch.rand(4) + 0.5
    safetensors.save_file(state, folder / "w.safetensors")
    return folder / "w.safetensors"


def test_the_file_computes_what_the_module_does_at_any_batch(folder: Path, weights: Path, tmp_path: Path) -> None:
    module = load_module("tinynet:make", weights, folder)
    (tmp_path / "out").mkdir()
    picture = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    made = export_module(module, {"picture": picture}, tmp_path / "out")
    session = onnxruntime.InferenceSession(str(made.path))
    assert [port.name for port in session.get_inputs()] == ["picture"]
    five = np.random.default_rng(1).standard_normal((5, 3, 8, 8)).astype(np.float32)
    with torch.no_grad():
        wanted = module(torch.from_numpy(five)).numpy()
    np.testing.assert_allclose(session.run(None, {"picture": five})[0], wanted, atol=1e-5)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model.onnx"]


def test_inputs_are_called_as_forward_calls_them(folder: Path) -> None:
    assert input_names(load_module("tinynet:make", None, folder)) == ["picture"]
    assert input_names(load_module("tinynet:pair", None, folder)) == ["a", "b"]


def test_two_inputs_and_two_outputs_keep_their_order(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    feeds = {"a": np.ones((1, 3), np.float32), "b": np.full((1, 3), 4, np.float32)}
    made = export_module(load_module("tinynet:pair", None, folder), feeds, tmp_path / "out")
    got = onnxruntime.InferenceSession(str(made.path)).run(None, feeds)
    assert [float(each[0, 0]) for each in got] == [-3.0, 8.0]


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        ("nowhere:make", "cannot be imported"),
        ("tinynet:absent", "no function 'absent'"),
        ("tinynet:broken", "no weights in this world"),
        ("tinynet:other", "gave int"),
    ],
)
def test_a_factory_that_gives_no_module_is_named(folder: Path, factory: str, told: str) -> None:
    with pytest.raises(ModelError, match=told) as caught:
        load_module(factory, None, folder)
    assert caught.value.hint


def test_a_module_with_a_mistake_is_told_in_words(folder: Path) -> None:
    (folder / "bent.py").write_text("def make(:\n")
    with pytest.raises(ModelError, match="SyntaxError"):
        load_module("bent:make", None, folder)


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.bin", "w.ckpt"])
def test_pickles_are_refused_before_they_are_read(folder: Path, name: str) -> None:
    with pytest.raises(ModelError, match="pickled weights are refused") as caught:
        load_module("tinynet:make", folder / name, folder)
    assert "safetensors" in caught.value.hint


def test_what_is_no_safetensors_file_is_refused(folder: Path) -> None:
    (folder / "w.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match="no safetensors file"):
        load_module("tinynet:make", folder / "w.safetensors", folder)


def test_weights_that_do_not_fit_are_told_all_at_once(folder: Path, weights: Path) -> None:
    state = safetensors.load_file(weights)
    state["fc.weight"] = torch.zeros(7, 4)
    state["head.weight"] = state.pop("conv.weight")
    safetensors.save_file(state, weights)
    with pytest.raises(ModelError) as caught:
        load_module("tinynet:make", weights, folder)
    said = "\n".join(caught.value.mistakes)
    assert all(word in said for word in ("conv.weight", "head.weight", "[7, 4]", "[2, 4]"))
    assert len(caught.value.mistakes) == 3


def test_what_torch_cannot_export_is_told_in_words(tmp_path: Path) -> None:
    class Branches(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if float(x.sum()) > 0 else -x

    with pytest.raises(StepError, match="cannot export"):
        export_module(Branches().eval(), {"x": np.ones((1, 3), np.float32)}, tmp_path)


def test_the_pack_s_resnet20_gives_the_pack_s_onnx(shared: Path, tmp_path: Path) -> None:
    source = f"import sys\nsys.path.insert(0, {str(shared / 'data')!r})\nimport models\n"
    (tmp_path / "packed.py").write_text(source + "def make():\n    return models.create('resnet20')\n")
    module = load_module("packed:make", shared / "data/models/resnet20.safetensors", tmp_path)
    (tmp_path / "out").mkdir()
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)
    made = export_module(module, {"x": x[:1]}, tmp_path / "out")
    ours = onnxruntime.InferenceSession(str(made.path)).run(None, {"x": x})[0]
    theirs = onnxruntime.InferenceSession(str(shared / "data/models/resnet20.onnx")).run(None, {"input": x})[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
