"""Cards made in code, and tiny models to prove things of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.artifact import Artifact
from edgekit.card import DataCard

MakeCard = Callable[..., DataCard]


@pytest.fixture
def make_card(tmp_path: Path) -> MakeCard:
    """Make a card of a task; keywords go into it."""

    def made(task: str, **more: Any) -> DataCard:
        source = {"kind": "arrays", "path": "x.npz", "inputs": {"given": "x"}}
        card = {"name": "tiny", "task": task, "licence": "CC0-1.0", "source": source, **more}
        return DataCard.model_validate(card).within(tmp_path)

    return made


@pytest.fixture
def dense(tmp_path: Path) -> Callable[..., Artifact]:
    """Save a matrix product (n, 8) -> (n, 4) and return its artifact; ``noise`` is added to the matrix."""

    def made(noise: float = 0.0, kind: str = "onnx", name: str = "dense") -> Artifact:
        draw = np.random.default_rng(0)
        matrix = draw.standard_normal((8, 4)) + noise * draw.standard_normal((8, 4))
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["given", "matrix"], ["scores"], name="dense")],
            "dense",
            [helper.make_tensor_value_info("given", TensorProto.FLOAT, ["n", 8])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 4])],
            [numpy_helper.from_array(matrix.astype(np.float32), "matrix")],
        )
        path = tmp_path / f"{name}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return Artifact.of(path, kind=kind)

    return made
