"""The inputs of a build: the user's model and samples, known to be good before anything is written.

Checked here, in this order: the model's file (hostile until it is read), that ONNX Runtime loads it, that the card's
samples fit its inputs, that it runs on one of them, and that the card's metric can judge what it gives. Whatever is
wrong is the user's to mend: exit code 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgekit.artifact import Artifact
from edgekit.card import DataCard
from edgekit.errors import ModelError, RuntimeFault
from edgekit.graph.load import load_model
from edgekit.runner.runtimes.base import Session, open_session
from edgekit.samples.labels import CLASS_TASKS
from edgekit.samples.python import function_beside
from edgekit.samples.sets import Samples, open_samples
from edgekit.validate.metrics import score_outputs
from edgekit.validate.predict import predict


@dataclass(frozen=True)
class Inputs:
    """A model and the samples that it is measured on."""

    model: Artifact
    card: DataCard
    samples: Samples


def open_inputs(path: Path, card: DataCard) -> Inputs:
    """Check a user's ONNX model and a card against each other.

    Raises:
        ModelError: the file is no model that can be worked on, or ONNX Runtime refuses it.
        InputError: the card's data cannot be read or does not fit the model's inputs.
        RecipeError: the card's picks leave no samples.
    """
    model = open_user_model(path)
    session = open_in_onnxruntime(model)
    try:
        samples = open_samples(card, session.inputs)
        for chosen in (samples.calibration, samples.evaluation):
            session.infer(chosen[0])
    finally:
        session.close()
    return Inputs(model, card, samples)


def check_judging(inputs: Inputs) -> None:
    """Check that the card's metric can judge the model, on the evaluation sample with the largest label.

    Raises:
        RecipeError: the metric's function is not there, or the task has no metric of its own.
        InputError: labels and outputs do not fit each other, such as a label beyond the model's classes.
    """
    card, samples = inputs.card, inputs.samples.evaluation
    if card.metric.python is not None:
        function_beside(card.folder, card.metric.python)
        return
    if card.task == "agreement":
        return
    label = samples.labels.get(card.metric.label)
    entry = int(label.argmax()) if card.task in CLASS_TASKS and label is not None else 0
    units = range(entry * samples.per_label, (entry + 1) * samples.per_label)
    outputs = predict(inputs.model, [samples[unit] for unit in units], card=card)
    labels = {name: array[entry : entry + 1] for name, array in samples.labels.items()}
    score_outputs(card, labels, outputs, outputs)


def open_user_model(path: Path) -> Artifact:
    """Read a user's ONNX file and return it with the files that hold its weights.

    Raises:
        ModelError: see :func:`edgekit.graph.load.load_model`.
    """
    graph = load_model(path)
    return Artifact.of(path, kind="onnx", beside=set(_external_files(graph, path)))


def open_in_onnxruntime(model: Artifact) -> Session:
    """Open a user's model as it came.

    Raises:
        ModelError: ONNX Runtime refuses it.
    """
    try:
        return open_session("onnxruntime", model.path)
    except RuntimeFault as error:
        hint = "export the model again with opset 17 and load it with onnxruntime.InferenceSession there"
        raise ModelError(error.mistakes, hint=hint) from error


def _external_files(graph: ir.Model, path: Path) -> Iterator[Path]:
    """Yield the files beside the model that its weights lie in."""
    for scope in graph.graphs():
        for value in scope.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                yield path.parent / value.const_value.location
