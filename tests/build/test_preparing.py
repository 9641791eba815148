"""Preparing a user's model: what it was, cleaner, and proven to be so."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from tiny_models import model_from_text, numbers, residual_net

from edgekit.artifact import Artifact
from edgekit.build import preparing
from edgekit.build.preparing import prepared_from
from edgekit.card import DataCard
from edgekit.errors import StepError
from edgekit.graph.load import load_model
from edgekit.graph.save import save_model
from edgekit.quantize.calibration import ports_from_graph
from edgekit.samples.sets import SampleSet, open_samples


def original(folder: Path, model: ir.Model) -> Artifact:
    save_model(model, folder / "net.onnx")
    return Artifact.of(folder / "net.onnx", kind="onnx")


def samples_for(folder: Path, model: Artifact, count: int = 6) -> SampleSet:
    np.savez(folder / "data.npz", seen=numbers(count, 3, 8, 8, seed=1), judged=numbers(count, 3, 8, 8, seed=2))
    words = {
        "name": "tiny",
        "task": "agreement",
        "licence": "made here",
        "source": {"kind": "arrays", "path": "data.npz", "inputs": {"x": "judged"}},
        "calibration": {"from": {"x": "seen"}},
    }
    card = DataCard.model_validate(words).within(folder)
    return open_samples(card, ports_from_graph(load_model(model.path).graph)).calibration


def test_the_prepared_model_says_what_it_came_from_and_how_equal_it_is(tmp_path: Path) -> None:
    text = "g (float[N,3,8,8] x) => (float[N,3,8,8] y) { a = Identity (x) \n y = Exp (a) }"
    model = original(tmp_path, model_from_text(text))
    made, facts = prepared_from(model, samples_for(tmp_path, model), tmp_path, 4)
    assert (made.made_by, made.parent) == ("prepare", model.sha256)
    assert [node.op_type for node in load_model(made.path).graph] == ["Exp"]
    assert facts["noops_removed"] == 1
    assert (facts["equal_on_samples"], facts["largest_difference"]) == (4, 0.0)


def test_no_more_samples_are_asked_for_than_there_are(tmp_path: Path) -> None:
    model = original(tmp_path, residual_net())
    _, facts = prepared_from(model, samples_for(tmp_path, model, count=3), tmp_path, 64)
    assert facts["equal_on_samples"] == 3


def test_a_pass_that_changes_what_is_computed_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = preparing.prepare

    def wrong(model: ir.Model) -> Any:
        prepared = real(model)
        weight = next(iter(prepared.model.graph.initializers.values()))
        assert weight.const_value is not None
        weight.const_value = ir.tensor(weight.const_value.numpy() * np.float32(1.01), name=weight.name)
        return prepared

    monkeypatch.setattr(preparing, "prepare", wrong)
    model = original(tmp_path, residual_net())
    with pytest.raises(StepError, match="prepare: output 'y' differs by") as caught:
        prepared_from(model, samples_for(tmp_path, model), tmp_path, 4)
    assert "edgekit inspect" in caught.value.hint
