from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgekit.artifact import Artifact
from edgekit.build.candidates import Candidate
from edgekit.build.job import Job
from edgekit.build.remedies import Missed, needs_repair, repair
from edgekit.catalog import load_target
from edgekit.errors import RuntimeFault
from edgekit.quantize.static import CANDIDATES, StaticQuantization
from edgekit.report import Accuracy

TARGET = load_target("onnxruntime-x86", Path())
STEPS = [("quantize.static", StaticQuantization())]


def accuracy(drop: float) -> Accuracy:
    return Accuracy(
        metric="top-1",
        better="higher",
        base=90.0,
        value=90.0 - drop,
        drop=drop,
        drop_lower_95=drop - 1,
        drop_upper_95=drop + 1,
        samples=100,
        measured_with="this test",
    )


def missed(prepared: Artifact, drop: float, ranges: str = "mse") -> Missed:
    return Missed(Candidate("int8", prepared, prepared, ranges=ranges), STEPS, accuracy(drop), 1.0)


def giving(drops: list[float]) -> tuple[Callable[[Candidate], Accuracy], list[Candidate]]:
    seen: list[Candidate] = []
    figures: Iterator[float] = iter(drops)

    def judge(candidate: Candidate) -> Accuracy:
        seen.append(candidate)
        return accuracy(next(figures))

    return judge, seen


def test_the_first_remedy_that_holds_ends_the_search(job: Job, prepared: Artifact) -> None:
    judge, seen = giving([3.0, 0.5])
    found = repair(job, prepared, TARGET, missed(prepared, 2.0), judge)
    assert [each.note for each in found.remedies] == ["ranges by min-max", "ranges by percentile:99.99"]
    assert [each.drop for each in found.remedies] == [3.0, 0.5]
    assert [each.kept for each in found.remedies] == [False, True]
    assert found.candidate is seen[1]
    assert found.accuracy.drop == 0.5
    assert found.remedies[1].size_bytes == seen[1].artifact.size_bytes


def test_every_range_method_but_the_one_that_missed_and_then_float_for_the_worst(job: Job, prepared: Artifact) -> None:
    judge, seen = giving([5.0, 1.8, 5.0, 5.0, 1.7, 1.6, 1.5])
    found = repair(job, prepared, TARGET, missed(prepared, 2.0), judge)
    others = [method for method in CANDIDATES if method != "mse"]
    assert [each.note for each in found.remedies[:4]] == [f"ranges by {method}" for method in others]
    assert [each.note for each in found.remedies[4:]] == [
        "the worst layer in float, ranges by percentile:99.99",
        "the 2 worst layers in float, ranges by percentile:99.99",
    ]  # with 4 of its 3 layers in float nothing is left to quantize
    assert [each.precision for each in seen] == ["int8"] * 4 + ["mixed"] * 2
    assert [each.kept for each in found.remedies] == [False] * 5 + [True]
    assert found.candidate.note == "2 layers left in float"


def test_nothing_better_leaves_what_there_was_and_lists_every_try(job: Job, prepared: Artifact) -> None:
    judge, seen = giving([2.0] * 9)
    was = missed(prepared, 2.0)
    found = repair(job, prepared, TARGET, was, judge)
    assert found.candidate is was.candidate
    assert found.accuracy is was.accuracy
    assert len(found.remedies) == len(seen) == 6
    assert not any(each.kept for each in found.remedies)


def test_a_remedy_that_fails_is_listed_with_its_reason(job: Job, prepared: Artifact) -> None:
    def judge(candidate: Candidate) -> Accuracy:
        if candidate.ranges == "min-max":
            raise RuntimeFault("the runtime crashed")
        return accuracy(0.1)

    found = repair(job, prepared, TARGET, missed(prepared, 2.0), judge)
    assert [each.note for each in found.remedies] == [
        "ranges by min-max: the runtime crashed",
        "ranges by percentile:99.99",
    ]
    assert found.remedies[0].drop is None


@pytest.mark.parametrize(("drop", "expected"), [(1.01, True), (1.0, False), (-3.0, False)])
def test_only_a_drop_that_was_measured_calls_for_repair(drop: float, expected: bool) -> None:
    assert needs_repair(accuracy(drop), 1.0) == expected
