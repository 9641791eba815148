"""Candidates: what one target may get, each a compiled artifact with the graph that it came from.

fp32    the prepared float model on the target's runtime: what the others are compared with
int8    quantized as the recipe's steps say, else as the target's scheme says
mixed   int8 with the first layers in float: faster on networks of depthwise convolutions in ONNX Runtime
bf16    OpenVINO's, where the processor has it: no calibration, the free base line
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import onnx_ir as ir

from edgekit.artifact import Artifact, digest_text
from edgekit.build.job import Job
from edgekit.catalog import look_up
from edgekit.graph.load import load_model
from edgekit.graph.macs import count_macs
from edgekit.graph.prefixes import float_prefixes
from edgekit.profiles import Precision, Target
from edgekit.quantize.dynamic import DynamicQuantization
from edgekit.quantize.static import StaticQuantization
from edgekit.recipe import Given, Outcome, Step
from edgekit.runner.host import lacking, read_host
from edgekit.validate.rounds import measure_rounds

_MATMUL_SHARE = 0.8
_PRICING_ROUNDS = 2
_BF16_FLAGS = ("avx512_bf16|amx_bf16",)


@dataclass(frozen=True)
class Candidate:
    """One artifact that may be chosen.

    Attributes:
        precision: ``int8``, ``mixed``, ``bf16``, ``fp16`` or ``fp32``.
        artifact: compiled.
        source: the ONNX graph that it was compiled from.
        note: what is particular about it, in words.
    """

    precision: str
    artifact: Artifact
    source: Artifact
    note: str = ""


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


def quantize(job: Job, prepared: Artifact, target: Target, steps: Sequence[tuple[str, Step]]) -> Outcome:
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


def make_candidates(
    job: Job, prepared: Artifact, target: Target, steps: Sequence[tuple[str, Step]]
) -> tuple[Candidate, list[Candidate], dict[str, object]]:
    """Return the float base, the other candidates (the first is what was asked for), and facts of quantization."""
    base = Candidate("fp32", compile_for(job, prepared, target, "fp32"), prepared)
    if target.scheme is None:
        if target.precision == "fp32":
            return base, [], {}
        return base, [Candidate(target.precision, compile_for(job, prepared, target), prepared)], {}
    outcome = quantize(job, prepared, target, steps)
    if not outcome.changed:
        return base, [], dict(outcome.facts)
    others = [candidate_from(outcome, compile_for(job, outcome.model, target))]
    if not can_run_here(target):
        return base, others, dict(outcome.facts)
    others += faster_mix(job, prepared, target, steps, others[0])
    others += _bf16(job, prepared, target)
    return base, others, dict(outcome.facts)


def candidate_from(outcome: Outcome, artifact: Artifact) -> Candidate:
    """Name a quantized artifact: ``mixed`` where layers were left in float."""
    left = outcome.facts.get("layers_left_float") or []
    count = len(left) if isinstance(left, list) else 0
    note = f"{count} layers left in float" if count else ""
    return Candidate("mixed" if count else "int8", artifact, outcome.model, note)


def can_run_here(target: Target) -> bool:
    """Whether this host's own processor is what the target is for."""
    return not why_not_here(target)


def why_not_here(target: Target) -> str:
    """Say why this host cannot run the target; nothing where it can."""
    if target.device not in ("CPU", ""):
        return f"this host was not asked to use its {target.device}"
    return lacking(read_host(), target.arch, target.isa)


def faster_mix(
    job: Job, prepared: Artifact, target: Target, steps: Sequence[tuple[str, Step]], whole: Candidate
) -> list[Candidate]:
    """Price int8 with the first layers in float, and return the fastest such mix if it beats ``whole``."""
    prefixes = float_prefixes(load_model(prepared.path).graph) if target.runtime == "onnxruntime" else []
    if (
        not prefixes
        or [use for use, _ in steps] != ["quantize.static"]
        or not isinstance(steps[0][1], StaticQuantization)
    ):
        return []
    mixes = []
    for prefix in prefixes:
        step = StaticQuantization(ranges=steps[0][1].ranges, float_nodes=prefix)
        outcome = quantize(job, prepared, target, [("quantize.static", step)])
        if outcome.changed:
            artifact = compile_for(job, outcome.model, target)
            mixes.append(Candidate("mixed", artifact, outcome.model, f"the first {len(prefix)} layers left in float"))
    named = {str(index): mix.artifact for index, mix in enumerate((whole, *mixes))}
    feeds = [job.inputs.samples.calibration[0]]
    with job.timed("price.prefixes", target.name) as facts:
        rounds = measure_rounds(
            named, feeds, threads=job.threads, rounds=_PRICING_ROUNDS, seed=job.seed, progress=job.progress
        )
        times = {name: min(one.p50_ms for one in rounds.by_name[name]) for name in named}
        facts |= {mix.note or "all int8": round(times[str(index)], 4) for index, mix in enumerate((whole, *mixes))}
    fastest = min(times, key=lambda name: times[name])
    return [] if fastest == "0" else [mixes[int(fastest) - 1]]


def _bf16(job: Job, prepared: Artifact, target: Target) -> list[Candidate]:
    if target.runtime != "openvino" or lacking(read_host(), (), _BF16_FLAGS):
        return []
    return [Candidate("bf16", compile_for(job, prepared, target, "bf16"), prepared)]
