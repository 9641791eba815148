"""Pricing: a quick look at which of several artifacts is the fastest, before the few that are left are measured well.

The answer is a step in the store: it decides which files are made next, and a build that is resumed must not change
its mind. What the report says of speed never comes from here.
"""

from collections.abc import Sequence
from pathlib import Path

from edgekit.artifact import Artifact
from edgekit.build.job import Job
from edgekit.recipe import Outcome
from edgekit.validate.rounds import measure_rounds

_ROUNDS = 2
_NOISE = 1.03
"""Within this factor of the fastest, the first in the list wins: so few processes tell no finer."""


def cheapest(job: Job, source: Artifact, target: str, artifacts: Sequence[Artifact]) -> int:
    """Return the index of the first artifact that none of the others clearly beats.

    Args:
        job: the build.
        source: the model that all were made from.
        target: its name.
        artifacts: in the order of preference.

    Raises:
        RuntimeFault: one of them crashes or is refused.
    """

    def work(_folder: Path) -> Outcome:
        named = {str(index): each for index, each in enumerate(artifacts)}
        feeds = [job.inputs.samples.calibration[0]]
        rounds = measure_rounds(named, feeds, threads=job.threads, rounds=_ROUNDS, seed=job.seed, progress=job.progress)
        times = [min(rounds.times_ms(name)) for name in named]  # what else runs here only adds
        first = next(index for index, each in enumerate(times) if each <= _NOISE * min(times))
        return Outcome(source, changed=False, facts={"first": first, "least_ms": [round(each, 4) for each in times]})

    inputs = {f"artifact {index}": each.sha256 for index, each in enumerate(artifacts)}
    options = {"threads": job.threads}
    done = job.run("price.prefixes", source, work, options=options, inputs=inputs, target=target)
    return int(str(done.outcome.facts["first"]))
