"""One target: candidates are made, judged, repaired while the budget is missed, and measured side by side; one ships.

All latencies of a target come from one set of interleaved rounds: the user's file and the prepared model in ONNX
Runtime, the float base on the target's runtime, and every candidate. What this host cannot run is judged by its
accuracy on the same runtime here, and its latency is null with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.artifact import Artifact
from edgekit.build.candidates import Candidate, default_steps, make_candidates, why_not_here
from edgekit.build.choice import Standing, choose
from edgekit.build.feeds import latency_feeds
from edgekit.build.job import Job
from edgekit.build.records import Proven, findings_on_speed, target_report
from edgekit.build.remedies import Missed, needs_repair, repair
from edgekit.compile.proof import Proof, prove
from edgekit.errors import RuntimeFault, StepError
from edgekit.profiles import Target
from edgekit.recipe import Recipe
from edgekit.report import Accuracy, Latency, Memory, Remedy, TargetReport
from edgekit.validate.accuracy import compare_accuracy
from edgekit.validate.latency import latency_from_rounds, memory_from_rounds, missing_from_latency
from edgekit.validate.rounds import Rounds, measure_rounds
from edgekit.validate.verdict import judge

_ORIGINAL, _PREPARED, _BASE = "your file", "prepared", "base"
_PROOF_SAMPLES = 4


@dataclass(frozen=True)
class Checked:
    """A candidate with its accuracy and the proof that its artifact computes what its source does."""

    candidate: Candidate
    accuracy: Accuracy
    proof: Proof
    name: str


def build_target(
    job: Job, recipe: Recipe, target: Target, original: Artifact, prepared: Artifact
) -> tuple[TargetReport, Artifact]:
    """Build and prove one target; return its report and the artifact to ship.

    Raises:
        MissingExtra: the target's runtime is not installed.
        StepError, RuntimeFault: what was asked for cannot be built.
    """
    steps = list(recipe.steps) or default_steps(prepared, target)
    made = make_candidates(job, prepared, target, steps)
    budget = recipe.budget.drop_points

    def judged(candidate: Candidate) -> Accuracy:
        return _accuracy(job, target, made.base, candidate, budget)

    field = [(each, judged(each)) for each in (*made.others, made.base)]
    remedies: tuple[Remedy, ...] = ()
    asked, accuracy = field[0]
    if asked.precision in ("int8", "mixed") and needs_repair(accuracy, budget):
        repaired = repair(job, prepared, target, Missed(asked, steps, accuracy, budget), judged)
        field[0], remedies = (repaired.candidate, repaired.accuracy), repaired.remedies
    checked, left_out = _check_all(job, target, field)
    rounds = _rounds(job, target, original, prepared, checked)
    proven = [_prove(recipe, target, each, rounds) for each in checked]

    def slower(one: int, other: int) -> bool:
        interval = rounds.speedup(checked[one].name, checked[other].name) if rounds else None
        return interval is not None and interval.lower > 1.0

    index = choose([_standing(each, made.base, recipe) for each in proven], slower)
    findings = [*made.findings, *left_out, *findings_on_speed(proven, index)]
    if made.why_float:
        findings.append(f"float kept: {made.why_float}")
    return target_report(target, proven, index, remedies, findings), proven[index].candidate.artifact


def here(target: Target, artifact: Artifact) -> Artifact:
    """Return the artifact as this host opens it: without a device that is not here."""
    options = {key: value for key, value in artifact.options.items() if key != "device"}
    if _is_stand_in(target) and target.runtime == "onnxruntime" and target.scheme:
        # Else s8 activations are rewritten for x86 (docs/design.md section 4).
        options |= {"session.qdqisint8allowed": "1"} if target.scheme.activation == "int8" else {}
    return Artifact(artifact.path, artifact.kind, artifact.files, artifact.made_by, artifact.parent, options)


def _is_stand_in(target: Target) -> bool:
    """Whether this host's processor stands in for the target's."""
    return bool(why_not_here(target))


def _accuracy(job: Job, target: Target, base: Candidate, candidate: Candidate, drop_points: float) -> Accuracy:
    place = f"on this host's CPU, which stands in for {target.place}" if _is_stand_in(target) else "on this host"
    with job.timed(f"accuracy.{candidate.precision}", target.name) as facts:
        truth = job.predictions(here(target, base.artifact))
        outputs = truth if candidate is base else job.predict(here(target, candidate.artifact))
        accuracy = compare_accuracy(
            job.inputs.card,
            job.inputs.samples.evaluation.labels,
            truth,
            outputs,
            seed=job.seed,
            measured_with=f"{target.runtime} {job.runtime_version(target.runtime)} {place}",
            drop_points=drop_points,
            progress=job.progress,
        )
        facts |= {"value_points": accuracy.value, "drop_points": accuracy.drop}
    if candidate is base:  # a thing compared with itself has not dropped, however few the samples
        return accuracy.model_copy(update={"drop_lower_95": 0.0, "drop_upper_95": 0.0, "samples_needed": None})
    return accuracy


def _check_all(
    job: Job, target: Target, field: Sequence[tuple[Candidate, Accuracy]]
) -> tuple[list[Checked], list[str]]:
    """Prove every artifact; one that was only tried beside (neither first nor the base) may fail and is left out."""
    samples = job.inputs.samples.evaluation
    feeds = [samples[index] for index in range(min(_PROOF_SAMPLES, len(samples)))]
    checked, left_out = [], []
    for position, (candidate, accuracy) in enumerate(field):
        artifact = here(target, candidate.artifact)
        precision = "int8" if candidate.precision == "mixed" else candidate.precision
        is_base = position == len(field) - 1
        try:
            with job.timed(f"prove.{candidate.precision}", target.name) as facts:
                proof = prove(artifact, candidate.source, feeds, precision=precision, threads=job.threads)
                facts |= {"int8_ops_share": proof.int8_ops_share, "difference": proof.difference}
        except (StepError, RuntimeFault) as error:
            if position == 0 or is_base:
                raise
            left_out.append(f"{candidate.precision} was left out: {error}")
            continue
        checked.append(Checked(candidate, accuracy, proof, _BASE if is_base else str(position)))
    return checked, left_out


def _rounds(
    job: Job, target: Target, original: Artifact, prepared: Artifact, checked: Sequence[Checked]
) -> Rounds | None:
    """Measure everything beside everything, or nothing where this host cannot run the target."""
    if _is_stand_in(target):
        return None
    named = {_ORIGINAL: original, _PREPARED: prepared} | {each.name: each.candidate.artifact for each in checked}
    feeds = latency_feeds(job.inputs.card, job.inputs.samples.evaluation)
    with job.timed("measure.rounds", target.name) as facts:
        rounds = measure_rounds(named, feeds, threads=job.threads, seed=job.seed, progress=job.progress)
        facts |= {"rounds": rounds.count, "artifacts": len(named)}
    return rounds


def _prove(recipe: Recipe, target: Target, checked: Checked, rounds: Rounds | None) -> Proven:
    """Put a candidate's measurements together and judge them by the budget."""
    latency: Latency | None = None
    memory: Memory | None = None
    load_ms: float | None = None
    if rounds is None:
        why = f"{target.name} cannot run on this host: {why_not_here(target)}"
        missing = dict.fromkeys(("latency", "latency.p90_ms", "memory", "load_ms"), why)
    else:
        latency = latency_from_rounds(
            rounds, base=_BASE, value=checked.name, onnxruntime_float=_PREPARED, original=_ORIGINAL
        )
        memory = memory_from_rounds(rounds, base=_BASE, value=checked.name)
        load_ms = rounds.load_ms(checked.name)
        missing = dict(missing_from_latency(latency))
    if checked.proof.int8_ops_share is None:
        missing["int8_ops_share"] = "the model has no Conv, Gemm or MatMul whose work can be counted"
    judgement = judge(
        recipe.budget,
        accuracy=checked.accuracy,
        latency=latency,
        size_bytes=checked.candidate.artifact.size_bytes,
        memory=memory,
        missing=missing,
    )
    return Proven(checked.candidate, checked.accuracy, checked.proof, latency, memory, load_ms, judgement, missing)


def _standing(proven: Proven, base: Candidate, recipe: Recipe) -> Standing:
    return Standing(
        precision=proven.candidate.precision,
        size_bytes=proven.candidate.artifact.size_bytes,
        verdicts=tuple(check.verdict for check in proven.judgement.checks),
        drop=proven.accuracy.drop,
        drop_budget=recipe.budget.drop_points,
        speedup=proven.latency.speedup if proven.latency else None,
        is_base=proven.candidate is base,
    )
