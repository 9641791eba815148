"""A user's project in small: a model, samples that it answers surely, a card, a recipe; and a clock that is quick."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
from tiny_models import model_from_text, numbers, residual_net

from edgekit.artifact import Artifact
from edgekit.recipe import Progress, Recipe, silent
from edgekit.resolving import recipe_from_data
from edgekit.runner.runtimes.base import Array
from edgekit.validate.rounds import Round, Rounds

CARD = """name = "tiny"
task = "classification"
licence = "CC0-1.0"

[source]
kind = "arrays"
path = "tiny.npz"
[source.inputs]
x = "judged"
[source.labels]
target = "labels"

[calibration]
from = { x = "seen" }
count = 24
"""
EVALUATED = 200


def write_project(folder: Path, model: ir.Model | None = None, *, sure: bool = True) -> None:
    """Write model.onnx, tiny.npz and card.toml: the labels are the model's own answers, the surest or the closest."""
    folder.mkdir(parents=True, exist_ok=True)
    ir.save(model or residual_net(), folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    shape = [each if isinstance(each, int) else 1 for each in session.get_inputs()[0].shape[1:]]
    drawn = numbers(4 * EVALUATED, *shape, seed=2)
    scores = session.run(None, {"x": drawn})[0]
    ranked = np.sort(scores, axis=1)
    margin = ranked[:, -1] - ranked[:, -2]
    chosen = np.argsort(-margin if sure else margin, kind="stable")[:EVALUATED]
    labels = scores[chosen].argmax(axis=1)
    np.savez(folder / "tiny.npz", seen=numbers(24, *shape, seed=1), judged=drawn[chosen], labels=labels)
    (folder / "card.toml").write_text(CARD)


def recipe_for(folder: Path, *targets: str, **more: Any) -> Recipe:
    """Resolve a recipe of the project: a drop of 5 points is allowed."""
    words = {"model": "model.onnx", "targets": list(targets), "data": "card.toml", "budget": {"drop_points": 5.0}}
    return recipe_from_data({**words, **more}, folder=folder, source="recipe")


def products_net() -> ir.Model:
    """Nothing but products with constant matrices: input (N, 16), output (N, 4)."""
    return model_from_text(
        """net (float[N,16] x) => (float[N,4] y) {
            a = MatMul (x, w0)
            b = Relu (a)
            y = MatMul (b, w1)
        }""",
        w0=numbers(16, 32, scale=0.3, seed=0),
        w1=numbers(32, 4, scale=0.3, seed=1),
    )


def depthwise_net() -> ir.Model:
    """Four layers with weights, one of them a depthwise convolution: input (N, 3, 8, 8), output (N, 5)."""
    return model_from_text(
        """net (float[N,3,8,8] x) => (float[N,5] y) {
            a = Conv <pads=[1,1,1,1]> (x, w0)
            b = Relu (a)
            c = Conv <pads=[1,1,1,1], group=8> (b, w1)
            d = Relu (c)
            e = Conv (d, w2)
            f = GlobalAveragePool (e)
            g = Flatten (f)
            y = Gemm <transB=1> (g, w3)
        }""",
        w0=numbers(8, 3, 3, 3, scale=0.3, seed=0),
        w1=numbers(8, 1, 3, 3, scale=0.3, seed=1),
        w2=numbers(8, 8, 1, 1, scale=0.3, seed=2),
        w3=numbers(5, 8, scale=0.4, seed=3),
    )


class Clock:
    """Stands in for the rounds: an artifact takes 1 ms, or what ``ms`` says of a word in its path or of its name."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self.measured: list[dict[str, Artifact]] = []

    def __call__(
        self,
        artifacts: Mapping[str, Artifact],
        feeds: Sequence[Mapping[str, Array]],
        *,
        threads: int = 1,
        rounds: int = 10,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Rounds:
        """Make rounds up; nothing runs."""
        assert feeds
        progress("measure", rounds, rounds)
        self.measured.append(dict(artifacts))
        return Rounds(threads, seed, {name: self._rounds(name, each, rounds) for name, each in artifacts.items()})

    def _rounds(self, name: str, artifact: Artifact, rounds: int) -> tuple[Round, ...]:
        ms = self.ms.get(name, self.ms.get(_sort(artifact), 1.0))
        times = [tuple(ms * (1 + 0.001 * ((round_ + index) % 3)) for index in range(30)) for round_ in range(rounds)]
        return tuple(Round("1.0", 2.0, ms, each, 40.0, 50.0) for each in times)


def _sort(artifact: Artifact) -> str:
    """``integers`` where the file holds some, else ``floats``."""
    content = b"".join((artifact.path.parent / each.path).read_bytes() for each in artifact.files)
    words = (b"QLinearConv", b"DequantizeLinear", b"MatMulInteger", b"FakeQuantize", b"DynamicQuantizeLinear")
    return "integers" if any(word in content for word in words) else "floats"
