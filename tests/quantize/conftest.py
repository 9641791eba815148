"""A calibrated tiny network, and sample sets made in memory."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from tiny_models import numbers

from edgekit.artifact import Artifact
from edgekit.card import DataCard
from edgekit.catalog import load_target
from edgekit.graph.save import save_model
from edgekit.profiles import Target
from edgekit.recipe import Given

COUNT = 40


@pytest.fixture
def target() -> Target:
    return load_target("onnxruntime-x86", Path())


@pytest.fixture
def card(tmp_path: Path) -> DataCard:
    """Forty calibration and forty evaluation samples for an input ``x`` of (N, 3, 8, 8)."""
    np.savez(tmp_path / "data.npz", seen=numbers(COUNT, 3, 8, 8, seed=1), judged=numbers(COUNT, 3, 8, 8, seed=2))
    words = {
        "name": "tiny",
        "task": "agreement",
        "licence": "made here",
        "source": {"kind": "arrays", "path": "data.npz", "inputs": {"x": "judged"}},
        "calibration": {"from": {"x": "seen"}, "count": COUNT},
        "evaluation": {"count": COUNT},
    }
    return DataCard.model_validate(words).within(tmp_path)


@pytest.fixture
def given(card: DataCard, target: Target, tmp_path: Path) -> Given:
    folder = tmp_path / "step"
    folder.mkdir()
    return Given(card, target, folder)


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[ir.Model], Artifact]:
    """Save a model as a step would find it."""

    def store(model: ir.Model) -> Artifact:
        save_model(model, tmp_path / "prepared.onnx")
        return Artifact.of(tmp_path / "prepared.onnx", kind="onnx")

    return store
