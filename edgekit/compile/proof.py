"""Proof of a compiled artifact: that it loads elsewhere, gives the numbers of its source, and runs on integers.

    source (Q/DQ graph) in ONNX Runtime, artifact in its own, each in a fresh process  -> compare every output
    artifact's operators -> nodes of the source -> share of the multiply-accumulates that ran in int8

Rules:

* A float output's difference is ``|a - b| / |a|``, L2 over all samples and finite entries; of integers and booleans
  it is the share of entries that differ. Outputs are compared one by one: a large one cannot hide a small one.
* Runtimes round differently, and a step of difference early in a network grows: up to 5 % between ONNX Runtime and
  OpenVINO on real int8 networks. Beyond a tenth it is a finding; beyond a half, or where one side is not finite, the
  artifact does not compute what its source does, and is refused.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from edgekit.artifact import Artifact
from edgekit.compile.executed import float_findings, int8_share, precisions_of
from edgekit.errors import CompileError, RuntimeFault
from edgekit.graph.edits import constant_of, is_onnx
from edgekit.graph.load import load_model
from edgekit.graph.macs import count_macs
from edgekit.graph.passes.shapes import infer_shapes
from edgekit.runner.child import run_job
from edgekit.runner.runtimes.base import Array, Executed
from edgekit.runner.worker import read_runs, write_runs

_TOLD = {"int8": 0.1, "fp32": 1e-4, "fp16": 1e-2, "bf16": 5e-2}
_REFUSED = 0.5


@dataclass(frozen=True)
class Proof:
    """What an artifact was seen to do.

    Attributes:
        runtime_version: that loaded it.
        load_ms: in a fresh process, from the file to a session.
        int8_ops_share: multiply-accumulates in int8 / all; None where the model has none.
        difference: of the worst output against the source.
        findings: sentences on what is not as it should be.
    """

    runtime_version: str
    load_ms: float
    int8_ops_share: float | None
    difference: float
    findings: tuple[str, ...]


def prove(
    artifact: Artifact, source: Artifact, feeds: Sequence[Mapping[str, Array]], *, precision: str, threads: int
) -> Proof:
    """Load an artifact in fresh processes, compare it with its source, and read back what ran.

    Args:
        artifact: of kind ``onnxruntime`` or ``openvino``.
        source: the ONNX graph that it was compiled from.
        feeds: a few samples, each a feed of one inference.
        precision: the target's; says how near the outputs must be.
        threads: of the runtime.

    Raises:
        CompileError: the artifact does not load, does not run, or computes something else.
    """
    inspected = _asked({"job": "inspect"}, artifact, threads)
    with tempfile.TemporaryDirectory(prefix="edgekit-proof-") as scratch:
        expected = _outputs(source, Path(scratch, "source"), feeds, options=_source_options(artifact), threads=threads)
        got = _outputs(artifact, Path(scratch, "artifact"), feeds, options=artifact.options, threads=threads)
    differences = {name: difference(_joined(expected, name), _joined(got, name)) for name in expected[0]}
    worst = max(differences, key=lambda name: differences[name])
    findings = _difference_findings(worst, differences[worst], precision)
    operators = [Executed(*each) for each in inspected["operators"]]
    share, slow = what_ran(source.path, operators)
    return Proof(
        runtime_version=str(inspected["runtime_version"]),
        load_ms=float(inspected["load_ms"]),
        int8_ops_share=share,
        difference=differences[worst],
        findings=(*findings, *slow),
    )


def what_ran(source: Path, executed: Sequence[Executed]) -> tuple[float | None, tuple[str, ...]]:
    """Return the share of the source's multiply-accumulates that ran in int8, and sentences on what should have."""
    model = load_model(source)
    infer_shapes(model)
    macs = count_macs(model.graph)
    precisions = precisions_of(macs, executed)
    return int8_share(macs, precisions), float_findings(macs, _integer_nodes(model.graph, macs), precisions)


def difference(expected: Array, got: Array) -> float:
    """Return how far an output is from the expected one; infinite where shapes or non-finite entries differ."""
    if expected.shape != got.shape:
        return float("inf")
    if expected.dtype.kind != "f":
        return float(np.mean(expected != got)) if expected.size else 0.0
    one, other = expected.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(one)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True) or not np.isfinite(other[finite]).all():
        return float("inf")
    size = float(np.linalg.norm(one[finite]))
    apart = float(np.linalg.norm(one[finite] - other[finite]))
    return apart / size if size else apart


def _difference_findings(output: str, far: float, precision: str) -> tuple[str, ...]:
    if far > _REFUSED:
        hint = "choose another target, or report it with the model"
        raise CompileError(f"the compiled model computes something else: output {output!r} is {far:.2g} off", hint=hint)
    if far > _TOLD[precision]:
        return (f"output {output!r} differs from the source's by {far:.2g} (L2, relative)",)
    return ()


def _outputs(
    model: Artifact, stem: Path, feeds: Sequence[Mapping[str, Array]], *, options: Mapping[str, str], threads: int
) -> list[dict[str, Array]]:
    given, made = stem.with_suffix(".feeds.npz"), stem.with_suffix(".outputs.npz")
    write_runs(given, feeds)
    job = {"job": "predict", "feeds": str(given), "outputs": str(made)}
    _asked({**job, "options": dict(options)}, model, threads)
    return read_runs(made)


def _asked(job: dict[str, Any], model: Artifact, threads: int) -> dict[str, Any]:
    runtime = "openvino" if model.kind == "openvino" else "onnxruntime"
    words = {"path": str(model.path), "runtime": runtime, "threads": threads, "options": dict(model.options)}
    try:
        return run_job({**words, **job})
    except RuntimeFault as error:
        raise CompileError(error.mistakes, hint=error.hint or "report it with the model") from error


def _source_options(artifact: Artifact) -> dict[str, str]:
    """Options that the Q/DQ graph is run with: those of an ONNX Runtime artifact, so that both read int8 alike."""
    return dict(artifact.options) if artifact.kind == "onnxruntime" else {}


def _joined(runs: Sequence[Mapping[str, Array]], name: str) -> Array:
    if any(name not in run for run in runs):
        return np.zeros(0)
    return np.concatenate([np.ravel(run[name]) for run in runs])


def _integer_nodes(graph: ir.Graph, counted: Mapping[str, int]) -> list[str]:
    """Return the counted nodes that the graph itself gives integers, or both operands through DequantizeLinear."""
    return [str(node.name) for node in graph if str(node.name) in counted and _reads_integers(node)]


def _reads_integers(node: ir.Node) -> bool:
    if is_onnx(node, "MatMulInteger", "ConvInteger"):
        return True
    data, weight = (None if value is None else value.producer() for value in node.inputs[:2])
    if (
        data is None
        or weight is None
        or not is_onnx(data, "DequantizeLinear")
        or not is_onnx(weight, "DequantizeLinear")
    ):
        return False
    return constant_of(weight.inputs[0]) is not None
