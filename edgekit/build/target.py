"""One target: candidates are made, proven, repaired while the budget is missed, measured side by side; one is chosen.

All latencies of a target come from one set of interleaved rounds: the user's file and the prepared model in ONNX
Runtime, the float base on the target's runtime, and every candidate. What this host cannot run is judged by its
accuracy on the same runtime here, and its latency is null with the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.artifact import Artifact
from edgekit.build.candidates import Candidate, default_steps, make_candidates, why_not_here
from edgekit.build.choice import Standing, choose
from edgekit.build.job import Job
from edgekit.build.remedies import Missed, needs_repair, repair
from edgekit.compile.proof import Proof, prove
from edgekit.profiles import Target
from edgekit.recipe import Recipe
from edgekit.report import Accuracy, Alternative, ArtifactRecord, Latency, Memory, Remedy, TargetReport
from edgekit.validate.accuracy import compare_accuracy
from edgekit.validate.latency import latency_from_rounds, memory_from_rounds, missing_from_latency
from edgekit.validate.rounds import FEEDS_MAX, Rounds, measure_rounds
from edgekit.validate.verdict import Judgement, judge

_ORIGINAL, _PREPARED, _BASE = "your file", "prepared", "base"
_PROOF_SAMPLES = 4


@dataclass(frozen=True)
class Proven:
    """A candidate with everything that was measured of it."""

    candidate: Candidate
    accuracy: Accuracy
    latency: Latency | None
    memory: Memory | None
    load_ms: float | None
    judgement: Judgement
    missing: Mapping[str, str]


def build_target(
    job: Job, recipe: Recipe, target: Target, original: Artifact, prepared: Artifact
) -> tuple[TargetReport, Artifact]:
    """Build and prove one target; return its report and the artifact to ship.

    Raises:
        MissingExtra: the target's runtime is not installed.
        StepError: a step failed.
    """
    steps = list(recipe.steps) or default_steps(prepared, target)
    base, others, facts = make_candidates(job, prepared, target, steps)
    drop = recipe.budget.drop_points
    accuracies = {id(each): _accuracy(job, target, base, each, drop) for each in (base, *others)}
    remedies: tuple[Remedy, ...] = ()
    if others and others[0].precision in ("int8", "mixed") and needs_repair(accuracies[id(others[0])], drop):
        missed = Missed(others[0], accuracies[id(others[0])], drop)
        repaired = repair(job, prepared, target, missed, lambda found: _accuracy(job, target, base, found, drop))
        remedies = repaired.remedies
        if repaired.candidate is not others[0]:
            others = [repaired.candidate, *others[1:]]
            accuracies[id(repaired.candidate)] = repaired.accuracy
    field = [*others, base]
    rounds = _rounds(job, target, original, prepared, base, field)
    proven = [_prove(recipe, target, each, accuracies[id(each)], rounds, str(i)) for i, each in enumerate(field)]
    index = choose([_standing(each, base, recipe) for each in proven], lambda one, two: _slower(rounds, one, two))
    checked = _checked(job, target, field[index])
    return _report(target, proven, index, checked, remedies, facts), field[index].artifact


def here(target: Target, artifact: Artifact) -> Artifact:
    """Return the artifact as this host opens it: without a device that is not here."""
    options = {key: value for key, value in artifact.options.items() if key != "device"}
    if (
        target.runtime == "onnxruntime"
        and why_not_here(target)
        and target.scheme
        and target.scheme.activation == "int8"
    ):
        options["session.qdqisint8allowed"] = (
            "1"  # else s8 activations are rewritten for x86 (docs/design.md section 4)
        )
    return Artifact(artifact.path, artifact.kind, artifact.files, artifact.made_by, artifact.parent, options)


def _accuracy(job: Job, target: Target, base: Candidate, candidate: Candidate, drop: float) -> Accuracy:
    truth = job.predictions(here(target, base.artifact))
    outputs = job.predictions(here(target, candidate.artifact))
    version = job.runtime_version(target.runtime)
    with job.timed(f"accuracy.{candidate.precision}", target.name) as facts:
        accuracy = compare_accuracy(
            job.inputs.card,
            job.inputs.samples.evaluation.labels,
            truth,
            outputs,
            seed=job.seed,
            measured_with=f"{target.runtime} {version} on this host",
            drop_points=drop,
            progress=job.progress,
        )
        facts |= {"value_points": accuracy.value, "drop_points": accuracy.drop}
    if candidate is base:
        return accuracy.model_copy(update={"drop_lower_95": 0.0, "drop_upper_95": 0.0, "samples_needed": None})
    return accuracy


def _rounds(
    job: Job, target: Target, original: Artifact, prepared: Artifact, base: Candidate, field: Sequence[Candidate]
) -> Rounds | None:
    """Measure everything beside everything, or nothing where this host cannot run the target."""
    if why_not_here(target):
        return None
    named = {_ORIGINAL: original, _PREPARED: prepared, _BASE: base.artifact}
    named |= {str(index): each.artifact for index, each in enumerate(field) if each is not base}
    samples = job.inputs.samples.evaluation
    feeds = [samples[index] for index in range(min(FEEDS_MAX, len(samples)))]
    with job.timed("measure.rounds", target.name) as facts:
        rounds = measure_rounds(named, feeds, threads=job.threads, seed=job.seed, progress=job.progress)
        facts |= {"rounds": rounds.count, "artifacts": len(named)}
    by_name = {**rounds.by_name, str(len(field) - 1): rounds.by_name[_BASE]}
    return Rounds(rounds.threads, rounds.seed, by_name)


def _prove(
    recipe: Recipe, target: Target, candidate: Candidate, accuracy: Accuracy, rounds: Rounds | None, name: str
) -> Proven:
    latency, memory, load_ms = None, None, None
    missing: dict[str, str] = {}
    if rounds is None:
        why = f"{target.name} cannot run on this host: {why_not_here(target)}"
        missing = {"latency": why, "latency.p90_ms": why, "memory": why, "load_ms": why}
    else:
        latency = latency_from_rounds(rounds, base=_BASE, value=name, onnxruntime_float=_PREPARED, original=_ORIGINAL)
        memory = memory_from_rounds(rounds, base=_BASE, value=name)
        load_ms = rounds.load_ms(name)
        missing = dict(missing_from_latency(latency))
    judgement = judge(
        recipe.budget,
        accuracy=accuracy,
        latency=latency,
        size_bytes=candidate.artifact.size_bytes,
        memory=memory,
        missing=missing,
    )
    return Proven(candidate, accuracy, latency, memory, load_ms, judgement, missing)


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


def _slower(rounds: Rounds | None, one: int, other: int) -> bool:
    """Whether the first candidate is slower than the second beyond the measurement's noise."""
    interval = rounds.speedup(str(one), str(other)) if rounds else None
    return interval is not None and interval.lower > 1.0


def _checked(job: Job, target: Target, chosen: Candidate) -> Proof:
    samples = job.inputs.samples.evaluation
    feeds = [samples[index] for index in range(min(_PROOF_SAMPLES, len(samples)))]
    precision = "int8" if chosen.precision == "mixed" else chosen.precision
    with job.timed("prove.artifact", target.name) as facts:
        proof = prove(here(target, chosen.artifact), chosen.source, feeds, precision=precision, threads=job.threads)
        facts |= {"int8_ops_share": proof.int8_ops_share, "difference": proof.difference}
    return proof


def _report(
    target: Target,
    proven: Sequence[Proven],
    index: int,
    proof: Proof,
    remedies: tuple[Remedy, ...],
    facts: Mapping[str, object],
) -> TargetReport:
    chosen = proven[index]
    others = [each for position, each in enumerate(proven) if position != index]
    reasons = [*chosen.judgement.reasons, *proof.findings, *_findings(chosen, others)]
    if why := facts.get("why_float"):
        reasons.append(f"float kept: {why}")
    return TargetReport(
        name=target.name,
        runtime=target.runtime,
        runtime_version=proof.runtime_version,
        precision=chosen.candidate.precision,
        measured_on="host",
        artifact=ArtifactRecord.of(chosen.candidate.artifact, f"artifacts/{target.name}"),
        accuracy=chosen.accuracy,
        latency=chosen.latency,
        memory=chosen.memory,
        load_ms=chosen.load_ms,
        int8_ops_share=proof.int8_ops_share,
        remedies=remedies,
        alternatives=tuple(_alternative(each) for each in others),
        checks=chosen.judgement.checks,
        verdict=chosen.judgement.verdict,
        binding=chosen.judgement.binding,
        reasons=tuple(reasons),
        missing=dict(chosen.missing),
    )


def _alternative(proven: Proven) -> Alternative:
    return Alternative(
        precision=proven.candidate.precision,
        drop=proven.accuracy.drop,
        speedup=proven.latency.speedup if proven.latency else None,
        size_bytes=proven.candidate.artifact.size_bytes,
        note=proven.candidate.note,
    )


def _findings(chosen: Proven, others: Sequence[Proven]) -> list[str]:
    """Say so where integers are slower than float."""
    found = []
    for each in (chosen, *others):
        interval = each.latency.speedup_ci95 if each.latency else None
        if each.candidate.precision in ("int8", "mixed") and interval and interval[1] < 1.0:
            taken = "it is kept since nothing faster holds the budget" if each is chosen else "it was not chosen"
            found.append(f"{each.candidate.precision} is slower than float here ({interval[1]:.2f}x at best): {taken}")
    return found


def copy_artifact(artifact: Artifact, folder: Path) -> None:
    """Copy an artifact's files into an empty folder."""
    for record in artifact.files:
        place = folder / record.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((artifact.path.parent / record.path).read_bytes())
