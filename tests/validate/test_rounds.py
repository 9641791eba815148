"""Rounds of fresh processes: their order, what they keep, and what is computed from them."""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.artifact import Artifact
from edgekit.errors import RuntimeFault
from edgekit.runner.worker import read_runs
from edgekit.validate import rounds as module
from edgekit.validate.rounds import Round, Rounds, measure_rounds, order


def one(p50_ms: float, *, load_ms: float = 5.0, peak: float = 60.0) -> Round:
    return Round("1.32.0", load_ms, 1.0, (p50_ms * 0.9, p50_ms, p50_ms * 1.3), peak - 1, peak)


def rows(count: int) -> list[dict[str, np.ndarray]]:
    return [{"given": np.full((1, 8), number, np.float32)} for number in range(count)]


@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 1000))
def test_every_round_has_every_artifact_once(artifacts: int, rounds: int, seed: int) -> None:
    names = [f"artifact {number}" for number in range(artifacts)]
    drawn = list(order(names, rounds, seed))
    assert Counter(drawn) == dict.fromkeys(names, rounds)
    for number in range(rounds):
        assert sorted(drawn[number * artifacts : (number + 1) * artifacts]) == names


@given(st.integers(2, 5), st.integers(1, 6), st.integers(0, 1000))
def test_every_second_round_is_the_one_before_it_backwards(artifacts: int, pairs: int, seed: int) -> None:
    drawn = list(order([str(number) for number in range(artifacts)], 2 * pairs, seed))
    for start in range(0, len(drawn), 2 * artifacts):
        block = drawn[start : start + 2 * artifacts]
        assert block == block[::-1]


def test_the_order_is_drawn_by_the_seed() -> None:
    orders = {tuple(order("abcd", 2, seed)) for seed in range(20)}
    assert len(orders) > 5
    assert list(order("abcd", 10, 3)) == list(order("abcd", 10, 3))


def test_over_many_blocks_nobody_always_goes_first() -> None:
    first = Counter(next(iter(order("ab", 2, seed))) for seed in range(100))
    assert 30 < first["a"] < 70


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """Answer jobs without a process, and keep them."""
    seen: list[Mapping[str, Any]] = []

    def run(job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        seen.append({**job, "timeout_s": timeout_s, "runs": read_runs(module.Path(job["feeds"]))})
        return {
            "runtime_version": "1.32.0",
            "load_ms": 2.0,
            "first_ms": 1.0,
            "times_ms": [1.0, 2.0],
            "loaded_rss_mib": 50.0,
            "peak_rss_mib": 51.0,
        }

    monkeypatch.setattr(module, "run_job", run)
    return seen


def test_a_process_is_asked_for_what_the_method_says(
    jobs: list[Mapping[str, Any]], dense: Callable[..., Artifact]
) -> None:
    artifact = Artifact.of(dense().path, kind="openvino", options={"INFERENCE_PRECISION_HINT": "bf16"})
    measure_rounds({"it": artifact}, rows(20), threads=2, rounds=3, seed=0, timeout_s=7)
    assert len(jobs) == 3
    job = jobs[0]
    assert (job["job"], job["runtime"], job["threads"]) == ("measure", "openvino", 2)
    assert job["options"] == {"INFERENCE_PRECISION_HINT": "bf16"}
    assert (job["discard"], job["at_least"], job["seconds"], job["timeout_s"]) == (10, 30, 0.5, 7)
    assert module.Path(job["path"]).is_absolute()


def test_the_first_sixteen_samples_rotate(jobs: list[Mapping[str, Any]], dense: Callable[..., Artifact]) -> None:
    measure_rounds({"it": dense()}, rows(20), rounds=1)
    assert [run["given"][0, 0] for run in jobs[0]["runs"]] == list(range(16))


def test_progress_counts_processes(jobs: list[Mapping[str, Any]], dense: Callable[..., Artifact]) -> None:
    told: list[tuple[str, int, int]] = []
    artifacts = {"a": dense(name="a"), "b": dense(name="b")}
    measure_rounds(artifacts, rows(1), rounds=2, progress=lambda *each: told.append(each))
    assert [done for _, done, _ in told] == [0, 1, 2, 3, 4]
    assert {total for *_, total in told} == {4}
    assert len(jobs) == 4


def test_names_keep_the_caller_s_order(jobs: list[Mapping[str, Any]], dense: Callable[..., Artifact]) -> None:
    artifacts = {name: dense(name=name) for name in ("z", "a", "m")}
    assert list(measure_rounds(artifacts, rows(1), rounds=2, seed=4).by_name) == ["z", "a", "m"]
    assert len(jobs) == 6


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_real_processes_are_measured(
    dense: Callable[..., Artifact], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "openvino":
        pytest.importorskip("openvino")
    monkeypatch.setattr(module, "SECONDS", 0.0)
    found = measure_rounds({"base": dense(name="one"), "value": dense(kind=kind)}, rows(3), rounds=2)
    assert found.count == 2
    assert len(found.times_ms("value")) == 60
    assert found.load_ms("value") > 0
    assert found.peak_rss_mib("value") > 10
    assert found.runtime_version("value")[0].isdigit()
    assert found.speedup("base", "value") is not None


def test_a_process_that_fails_ends_the_measurement(dense: Callable[..., Artifact]) -> None:
    artifact = dense()
    artifact.path.write_bytes(b"no model")
    with pytest.raises(RuntimeFault, match=r"dense\.onnx"):
        measure_rounds({"it": artifact}, rows(1), rounds=1)


def test_a_speedup_is_the_mean_of_logarithms_over_rounds() -> None:
    measured = Rounds(1, 0, {"base": (one(4), one(4), one(9)), "value": (one(2), one(1), one(3))})
    speedup = measured.speedup("base", "value")
    assert speedup is not None
    assert speedup.value == pytest.approx((2 * 4 * 3) ** (1 / 3))
    back = measured.speedup("value", "base")
    assert back is not None
    assert back.value == pytest.approx(1 / speedup.value)


def test_a_slow_round_for_both_changes_nothing() -> None:
    calm = Rounds(1, 0, {"base": (one(4), one(4)), "value": (one(2), one(2))})
    busy = Rounds(1, 0, {"base": (one(4), one(40)), "value": (one(2), one(20))})
    found = [rounds.speedup("base", "value") for rounds in (calm, busy)]
    assert [each and (each.value, each.lower, each.upper) for each in found] == [pytest.approx((2, 2, 2))] * 2


def test_one_round_has_no_speedup() -> None:
    assert Rounds(1, 0, {"base": (one(4),), "value": (one(2),)}).speedup("base", "value") is None


def test_loads_and_peaks_are_medians_over_processes() -> None:
    measured = Rounds(
        1, 0, {"it": (one(1, load_ms=9, peak=60), one(1, load_ms=3, peak=90), one(1, load_ms=4, peak=61))}
    )
    assert (measured.load_ms("it"), measured.peak_rss_mib("it")) == (4, 61)


def test_raw_figures_round_trip_through_json() -> None:
    measured = Rounds(2, 7, {"base": (one(4), one(5)), "value": (one(2), one(math.pi))})
    assert Rounds.from_json(json.loads(json.dumps(measured.to_json()))) == measured
