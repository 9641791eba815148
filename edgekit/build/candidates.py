"""Candidates: what one target may get, each a compiled artifact with the graph that it came from.

fp32    the prepared float model on the target's runtime: what the others are compared with
int8    quantized as the recipe's steps say, else as the target's scheme says
mixed   int8 with some layers in float: by a recipe's words, by a remedy, or the first ones where that is faster
bf16    OpenVINO's, where the processor has it: no calibration, the free base line

What was asked for must succeed. What is tried beside it may fail: it is then left out, and the report says why.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any

import onnx_ir as ir

from edgekit.artifact import Artifact, digest_text
from edgekit.build.job import Job
from edgekit.build.pricing import cheapest
from edgekit.catalog import look_up
from edgekit.errors import RuntimeFault, StepError
from edgekit.graph.load import load_model
from edgekit.graph.macs import count_macs
from edgekit.graph.prefixes import float_prefixes
from edgekit.profiles import Precision, Target
from edgekit.quantize.dynamic import DynamicQuantization
from edgekit.quantize.static import StaticQuantization
from edgekit.recipe import Given, Outcome, Step
from edgekit.runner.host import lacking, read_host

Steps = Sequence[tuple[str, Step]]

_MATMUL_SHARE = 0.8
_BF16_FLAGS = ("avx512_bf16|amx_bf16",)


@dataclass(frozen=True)
class Candidate:
    """One artifact that may be chosen.

    Attributes:
        precision: ``int8``, ``mixed``, ``bf16``, ``fp16`` or ``fp32``.
        artifact: compiled.
        source: the ONNX graph that it was compiled from.
        note: what is particular about it, in words.
        ranges: the range method of its activations; nothing where it has none.
    """

    precision: str
    artifact: Artifact
    source: Artifact
    note: str = ""
    ranges: str = ""


@dataclass(frozen=True)
class Candidates:
    """What one target may get.

    Attributes:
        base: the float model on the target's runtime.
        others: the first is what was asked for; empty where that is the base itself.
        why_float: why nothing was quantized, where something should have been.
        findings: what was left out, and why.
    """

    base: Candidate
    others: tuple[Candidate, ...] = ()
    why_float: str = ""
    findings: tuple[str, ...] = field(default=())


def default_steps(prepared: Artifact, target: Target) -> list[tuple[str, Step]]:
    """What a target's profile means without a recipe's steps: static; dynamic where MatMuls dominate."""
    if target.scheme is None:
        return []
    if target.scheme.dynamic_matmul and _matmul_share(load_model(prepared.path).graph) >= _MATMUL_SHARE:
        return [("quantize.dynamic", DynamicQuantization())]
    return [("quantize.static", StaticQuantization())]


def _matmul_share(graph: ir.Graph) -> float:
    macs = count_macs(graph)
    products = {str(node.name) for node in graph if node.op_type == "MatMul"}
    total = sum(macs.values())
    return sum(count for name, count in macs.items() if name in products) / total if total else 0.0


def make_candidates(job: Job, prepared: Artifact, target: Target, steps: Steps) -> Candidates:
    """Quantize and compile what was asked for, and what may be better.

    Raises:
        MissingExtra: the target's runtime is not installed.
        StepError, RuntimeFault: what was asked for cannot be made.
    """
    base = Candidate("fp32", compile_for(job, prepared, target, "fp32"), prepared)
    if target.scheme is None:
        if target.precision == "fp32":
            return Candidates(base)
        return Candidates(base, (Candidate(target.precision, compile_for(job, prepared, target), prepared),))
    outcome = quantize(job, prepared, target, steps)
    if not outcome.changed:
        return Candidates(base, why_float=str(outcome.facts.get("why_float", "no step changed the model")))
    asked = candidate_from(outcome, compile_for(job, outcome.model, target))
    others, findings = [asked], []
    for precision, more in (("mixed", _faster_mix), ("bf16", _bf16)):
        try:
            others += [] if why_not_here(target) else more(job, prepared, target, steps, asked)
        except (StepError, RuntimeFault) as error:
            findings.append(f"{precision} was left out: {error}")
    return Candidates(base, tuple(others), findings=tuple(findings))


def quantize(job: Job, prepared: Artifact, target: Target, steps: Steps) -> Outcome:
    """Run steps on the prepared model, each in the store; facts are those of the last."""
    outcome = Outcome(prepared, changed=False)
    for use, step in steps:
        inputs = {
            "calibration": job.inputs.samples.calibration.sha256,
            "scheme": digest_text(target.scheme.model_dump_json() if target.scheme else ""),
        }

        def work(folder: Path, step: Step = step, model: Artifact = outcome.model) -> Outcome:
            return step(model, Given(job.inputs.card, target, folder, job.threads, job.seed, job.progress))

        done = job.run(use, outcome.model, work, options=_options(step), inputs=inputs, target=target.name)
        changed = outcome.changed or done.outcome.changed
        outcome = Outcome(done.outcome.model, changed, done.outcome.facts)
    return outcome


def _options(step: Step) -> dict[str, Any]:
    return asdict(step) if is_dataclass(step) and not isinstance(step, type) else {"step": repr(step)}


def compile_for(job: Job, model: Artifact, target: Target, precision: Precision | None = None) -> Artifact:
    """Compile for a target, or for its runtime in another precision."""
    wanted = target if precision is None else _twin(target, precision)
    work = look_up("compilers", target.runtime)

    def run(folder: Path) -> Outcome:
        return Outcome(work(model, wanted, folder, threads=job.threads), changed=True)

    options = {"target": wanted.model_dump(mode="json", exclude={"place", "arch", "isa"})}
    done = job.run(f"compile.{target.runtime}", model, run, options=options, target=target.name)
    return done.outcome.model


def _twin(target: Target, precision: Precision) -> Target:
    options = dict(target.options)
    if target.runtime == "openvino":
        options["INFERENCE_PRECISION_HINT"] = "bf16" if precision == "bf16" else "f32"
    return target.model_copy(update={"precision": precision, "scheme": None, "options": options})


def candidate_from(outcome: Outcome, artifact: Artifact) -> Candidate:
    """Name a quantized artifact: ``mixed`` where layers were left in float."""
    left = outcome.facts.get("layers_left_float")
    count = len(left) if isinstance(left, list) else 0
    note = f"{count} {'layer' if count == 1 else 'layers'} left in float" if count else ""
    ranges = str(outcome.facts.get("ranges", ""))
    return Candidate("mixed" if count else "int8", artifact, outcome.model, note, ranges)


def why_not_here(target: Target) -> str:
    """Say why this host's own processor cannot run the target; nothing where it can."""
    if target.device not in ("CPU", ""):
        return f"this host was not asked to use its {target.device}"
    return lacking(read_host(), target.arch, target.isa)


def static_variant(steps: Steps, **changes: Any) -> list[tuple[str, Step]]:
    """Return the steps with options of the last static quantization changed; of none, with one at the end."""
    for index in range(len(steps) - 1, -1, -1):
        use, step = steps[index]
        if isinstance(step, StaticQuantization):
            return [*steps[:index], (use, replace(step, **changes)), *steps[index + 1 :]]
    others = [each for each in steps if not isinstance(each[1], DynamicQuantization)]
    return [*others, ("quantize.static", StaticQuantization(**changes))]


def _faster_mix(job: Job, prepared: Artifact, target: Target, steps: Steps, asked: Candidate) -> list[Candidate]:
    """Price int8 with the first layers in float, and return the fastest such mix if it beats what was asked for."""
    if target.runtime != "onnxruntime" or not asked.ranges:
        return []
    mixes = []
    own = tuple(name for _, step in steps if isinstance(step, StaticQuantization) for name in step.float_nodes)
    for prefix in float_prefixes(load_model(prepared.path).graph):
        left = tuple(dict.fromkeys((*own, *prefix)))
        outcome = quantize(job, prepared, target, static_variant(steps, ranges=asked.ranges, float_nodes=left))
        if outcome.changed:
            made = candidate_from(outcome, compile_for(job, outcome.model, target))
            mixes.append(replace(made, precision="mixed", note=f"the first {len(prefix)} layers left in float"))
    if not mixes:
        return []
    best = cheapest(job, prepared, target.name, [asked.artifact, *(mix.artifact for mix in mixes)])
    return [mixes[best - 1]] if best else []


def _bf16(job: Job, prepared: Artifact, target: Target, _steps: Steps, _asked: Candidate) -> list[Candidate]:
    if target.runtime != "openvino" or lacking(read_host(), (), _BF16_FLAGS):
        return []
    return [Candidate("bf16", compile_for(job, prepared, target, "bf16"), prepared)]
