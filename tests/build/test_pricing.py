import pytest
from tiny_project import Clock

from edgekit.artifact import Artifact
from edgekit.build.job import Job
from edgekit.build.pricing import cheapest


@pytest.mark.parametrize(
    ("times", "expected"),
    [((1.0, 0.8, 0.5), 2), ((1.0, 0.98, 0.99), 0), ((1.0, 0.9, 0.89), 1), ((0.5, 1.0, 2.0), 0)],
)
def test_the_first_that_nothing_clearly_beats_wins(
    times: tuple[float, ...], expected: int, job: Job, prepared: Artifact, clock: Clock
) -> None:
    clock.ms = {str(index): each for index, each in enumerate(times)}
    assert cheapest(job, prepared, "t", [prepared, prepared, prepared]) == expected


def test_a_build_does_not_change_its_mind(job: Job, prepared: Artifact, clock: Clock) -> None:
    clock.ms = {"0": 1.0, "1": 0.5}
    assert cheapest(job, prepared, "t", [prepared, prepared]) == 1
    clock.ms = {"0": 0.5, "1": 1.0}
    assert cheapest(job, prepared, "t", [prepared, prepared]) == 1
    assert len(clock.measured) == 1
    assert job.steps[-1].facts["least_ms"] == pytest.approx([1.0, 0.5], rel=0.01)
