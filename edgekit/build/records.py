"""Records: what was proven of a target's candidates, as the report's parts; nothing here runs or measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.build.candidates import Candidate
from edgekit.compile.proof import Proof
from edgekit.errors import EdgeKitError, MissingExtra
from edgekit.profiles import Target
from edgekit.report import Accuracy, Alternative, ArtifactRecord, Failure, Latency, Memory, Remedy, TargetReport
from edgekit.validate.verdict import Judgement


@dataclass(frozen=True)
class Proven:
    """A candidate with everything that was measured of it; ``missing`` as in the report."""

    candidate: Candidate
    accuracy: Accuracy
    proof: Proof
    latency: Latency | None
    memory: Memory | None
    load_ms: float | None
    judgement: Judgement
    missing: Mapping[str, str]


def target_report(
    target: Target, proven: Sequence[Proven], index: int, remedies: tuple[Remedy, ...], findings: Sequence[str]
) -> TargetReport:
    """Say what was chosen, what else there was, and why.

    Args:
        target: what was built for.
        proven: every candidate.
        index: of the one that ships.
        remedies: what was tried.
        findings: sentences on the target as a whole.
    """
    chosen = proven[index]
    others = [each for position, each in enumerate(proven) if position != index]
    return TargetReport(
        name=target.name,
        runtime=target.runtime,
        runtime_version=chosen.proof.runtime_version,
        precision=chosen.candidate.precision,
        measured_on="host",
        artifact=ArtifactRecord.of(chosen.candidate.artifact, f"artifacts/{target.name}"),
        accuracy=chosen.accuracy,
        latency=chosen.latency,
        memory=chosen.memory,
        load_ms=chosen.load_ms,
        int8_ops_share=chosen.proof.int8_ops_share,
        remedies=remedies,
        alternatives=tuple(_alternative(each) for each in others),
        checks=chosen.judgement.checks,
        verdict=chosen.judgement.verdict,
        binding=chosen.judgement.binding,
        reasons=(*chosen.judgement.reasons, *chosen.proof.findings, *findings),
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


def findings_on_speed(proven: Sequence[Proven], index: int) -> list[str]:
    """Say so where integers are slower than float, with what the proof saw of the reason."""
    found = []
    for position, each in enumerate(proven):
        interval = each.latency.speedup_ci95 if each.latency else None
        if each.candidate.precision not in ("int8", "mixed") or interval is None or interval[1] >= 1.0:
            continue
        taken = "it is kept since nothing faster holds the budget" if position == index else "it was not chosen"
        why = "".join(f"; {finding}" for finding in each.proof.findings) if position != index else ""
        share = each.proof.int8_ops_share
        ran = "" if share is None else f", with {100 * share:.0f} % of the work in int8"
        found.append(
            f"{each.candidate.precision} is slower than float here ({interval[1]:.2f}x at best{ran}): {taken}{why}"
        )
    return found


def failed_target(target: Target, error: EdgeKitError) -> TargetReport:
    """Say that a target has no artifact, and why."""
    return TargetReport(
        name=target.name,
        runtime=target.runtime,
        runtime_version=None,
        precision=target.precision,
        measured_on="host",
        artifact=None,
        accuracy=None,
        latency=None,
        memory=None,
        load_ms=None,
        int8_ops_share=None,
        verdict="inconclusive",
        binding=None,
        reasons=tuple(error.mistakes),
        failure=Failure(
            exit_code=4 if isinstance(error, MissingExtra) else 6, error="; ".join(error.mistakes), hint=error.hint
        ),
    )
