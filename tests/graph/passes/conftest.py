"""Runs a model before and after a pass, and compares."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

Feeds = dict[str, np.ndarray]
Same = Callable[..., ir.Model]


def answers(model: ir.Model, feeds: Feeds) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), options).run(None, feeds)


@pytest.fixture
def same() -> Same:
    """Apply a pass to a copy, expect as many edits, the same ports and the same answers; return the copy."""

    def check(change: Callable[[ir.Model], int], model: ir.Model, feeds: Feeds, *, edits: int) -> ir.Model:
        after = model.clone()
        assert change(after) == edits
        for before, now in zip(model.graph.outputs, after.graph.outputs, strict=True):
            assert (now.name, now.dtype) == (before.name, before.dtype)
        for wanted, got in zip(answers(model, feeds), answers(after, feeds), strict=True):
            assert got.dtype == wanted.dtype
            np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-5 * max(1.0, float(np.abs(wanted).max())))
        return after

    return check
