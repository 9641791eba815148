"""One step alone, for the verbs quantize, compile and eval: the parts of the main job, one file in, one result out.

``quantize`` promises more than the step: what it writes holds against float on the card's samples, output by output,
with as many layers left in float as that takes, or is the prepared float model with the reason.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx_ir as ir
from pydantic import JsonValue

from edgekit.artifact import Artifact
from edgekit.build.inputs import open_inputs, open_user_model
from edgekit.build.preparing import prepared_from
from edgekit.card import DataCard
from edgekit.catalog import look_up
from edgekit.errors import ModelError, RecipeError, RuntimeFault
from edgekit.graph.load import load_model
from edgekit.profiles import Target
from edgekit.quantize.static import StaticQuantization
from edgekit.recipe import Given, Outcome, Progress, Step, silent
from edgekit.runner.child import run_job
from edgekit.runner.runtimes.base import open_session
from edgekit.samples.sets import open_samples
from edgekit.store import room_in, write_whole
from edgekit.validate.accuracy import score
from edgekit.validate.predict import predict

HOLD_COSINE = 0.97
"""What every float output's cosine with float must reach: an error of a quarter of the signal, 12 dB. Detectors keep
their average precision there (0.1 points on the card of benchmarks/cards); networks that int8 ruins lie far below."""

_EQUAL_ON = 8


def quantize_alone(
    model: Path,
    card: DataCard,
    target: Target,
    out: Path,
    *,
    step: Step | None = None,
    threads: int = 1,
    progress: Progress = silent,
) -> Outcome:
    """Quantize a user's model for a target and write it to ``out``, whole or not at all.

    Args:
        model: an ONNX file.
        card: its calibration samples are used.
        target: of a float target the prepared float model is written.
        out: the .onnx file.
        step: None: static, held to ``HOLD_COSINE``.
        threads: of the target's runtime.
        progress: told what is being done.

    Returns:
        What the step did; ``why_float`` among the facts where the float model was written.

    Raises:
        ModelError: the file is no model that can be worked on, or newer than the target reads.
        InputError: the card's data cannot be read or does not fit the model's inputs.
    """
    inputs = open_inputs(model, card)
    with _beside(out) as folder:
        progress("prepare", 0, 0)
        samples = inputs.samples.calibration
        prepared, facts = prepared_from(inputs.model, samples, folder, _EQUAL_ON, ir_max=target.ir_max)
        graph = load_model(prepared.path)
        _check_opset(graph, target, model)
        if target.scheme is None:
            outcome = Outcome(prepared, changed=False, facts={"why_float": f"{target.name} is a float target"})
        else:
            (folder / "step").mkdir()
            given = Given(card, target, folder / "step", threads, progress=progress)
            chosen = step or StaticQuantization(hold_cosine=HOLD_COSINE)
            if isinstance(chosen, StaticQuantization):
                outcome = chosen.quantize(prepared, graph, samples, given)
            else:
                outcome = chosen(prepared, given)
        made = _move(outcome.model, out)
    return Outcome(made, outcome.changed, {**outcome.facts, "largest_difference_prepared": facts["largest_difference"]})


def _check_opset(graph: ir.Model, target: Target, model: Path) -> None:
    opset = graph.opset_imports[""]
    if opset > target.opset_max:
        hint = f"export the model with opset {target.opset_max} or older"
        raise ModelError(f"{model}: opset {opset}; {target.name} reads {target.opset_max} at most", hint=hint)


def compile_alone(
    model: Path, target: Target, folder: Path, *, threads: int = 1, progress: Progress = silent
) -> Artifact:
    """Compile an ONNX file for a target into ``folder``, and load the result in a fresh process.

    Raises:
        ModelError: the file is no model that can be read.
        CompileError: the runtime refuses the graph.
    """
    source = open_user_model(model)
    progress(f"compile for {target.name}", 0, 0)
    with _beside(folder) as scratch:
        made = look_up("compilers", target.runtime)(source, target, scratch, threads=threads)
        options = {key: value for key, value in made.options.items() if key != "device"}
        run_job(
            {
                "job": "inspect",
                "path": str(made.path.resolve()),
                "runtime": made.runtime,
                "threads": threads,
                "options": options,
            }
        )
        folder.mkdir(exist_ok=True)
        for record in made.files:
            _move_file(scratch / record.path, folder / record.path)
    return Artifact(folder / made.path.name, made.kind, made.files, made.made_by, made.parent, made.options)


def eval_alone(
    artifact: Path, card: DataCard, *, threads: int = 1, progress: Progress = silent
) -> dict[str, JsonValue]:
    """Judge one artifact on the card's evaluation samples.

    Returns:
        metric, value (in points where the metric is a share), samples, runtime and its version.

    Raises:
        ModelError: the file is no model that a runtime here opens.
    """
    made = _artifact_from(artifact)
    try:
        session = open_session(made.runtime, made.path, threads=threads, options=made.options)
    except RuntimeFault as error:
        raise ModelError(error.mistakes, hint="give an .onnx file, or an OpenVINO .xml with its .bin") from error
    version, ports = session.version, session.inputs
    session.close()
    samples = open_samples(card, ports).evaluation
    outputs = predict(made, samples, threads=threads, progress=progress, card=card)
    metric, value = score(card, samples.labels, outputs)
    found: dict[str, JsonValue] = {"metric": metric, "value": value, "samples": len(samples) // samples.per_label}
    return {**found, "runtime": made.runtime, "runtime_version": version}


def _artifact_from(path: Path) -> Artifact:
    if not path.is_file():
        raise ModelError(f"{path}: no such file", hint="give an .onnx file, or an OpenVINO .xml with its .bin")
    if path.suffix == ".xml":
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            told = f"{path}: its weights are missing: {weights.name}"
            raise ModelError(told, hint="an OpenVINO model is an .xml and a .bin beside it")
        return Artifact.of(path, kind="openvino", beside=[weights])
    return open_user_model(path)


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Give an empty folder on the disk of ``out``; a full disk is said in words."""
    parent = out.absolute().parent
    try:
        with room_in(parent), tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=parent) as folder:
            yield Path(folder)
    except PermissionError as error:
        raise RecipeError(f"cannot write {out}: {error.strerror}", hint="choose another place with -o") from error


def _move(model: Artifact, out: Path) -> Artifact:
    """Move a model and its weights to their place; weights in a file of their own keep its name."""
    for record in model.files:
        source = model.path.parent / record.path
        _move_file(source, out if source == model.path else out.parent / record.path)
    beside = [out.parent / record.path for record in model.files if model.path.parent / record.path != model.path]
    return Artifact.of(out, kind=model.kind, beside=beside, made_by=model.made_by, parent=model.parent)


def _move_file(source: Path, place: Path) -> None:
    write_whole(place, source.read_bytes())
