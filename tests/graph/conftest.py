"""Runs models in memory."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

Runs = Callable[[ir.Model, dict[str, np.ndarray]], list[np.ndarray]]


@pytest.fixture
def run() -> Runs:
    """Run a model on feeds in a default session."""

    def runs(model: ir.Model, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
        return session.run(None, feeds)

    return runs


@pytest.fixture
def executed(tmp_path: Path) -> Callable[[ir.Model], Counter[str]]:
    """Count the operators that ONNX Runtime really runs."""

    def count(model: ir.Model) -> Counter[str]:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), options)
        return Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)

    return count
