"""Figures and speed: signal to noise, paired differences, and who can be opened by whom."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edgekit.artifact import Artifact
from edgekit.validate.bootstrap import Sums
from edgekit.validate.metrics import Scored, mean_of
from edgekit.validate.rounds import Round, Rounds

Loader = Callable[[str], ModuleType]


@pytest.fixture
def figures(script: Loader) -> ModuleType:
    return script("peers/figures")


def right(*answers: int) -> Scored:
    correct = np.array(answers, bool)
    return Scored("top-1", "higher", "points", mean_of(correct), correct)


def test_noise_a_tenth_of_the_signal_is_20_db(figures: ModuleType) -> None:
    base = {"a": np.array([10.0, 0.0]), "b": np.array([0.0, 10.0])}
    value = {"a": np.array([9.0, 0.0]), "b": np.array([0.0, 11.0])}
    assert figures.sqnr_db(base, value) == pytest.approx(20.0)


def test_outputs_are_matched_by_their_order(figures: ModuleType) -> None:
    """OpenVINO may call an output otherwise than ONNX does."""
    assert figures.sqnr_db({"758": np.array([10.0])}, {"output/sink": np.array([9.0])}) == pytest.approx(20.0)


def test_equal_outputs_have_no_noise(figures: ModuleType) -> None:
    assert figures.sqnr_db({"a": np.ones(3)}, {"a": np.ones(3)}) is None


def test_answers_are_paired_sample_by_sample(figures: ModuleType) -> None:
    found = figures.paired(right(1, 1, 0, 0, 1), right(1, 0, 1, 0, 0))
    assert (found["worse"], found["better"], found["samples"], found["method"]) == (2, 1, 5, "Tango")
    assert found["drop_lower_95"] < 20.0 < found["drop_upper_95"]


def test_a_metric_without_right_answers_is_bootstrapped(figures: ModuleType) -> None:
    def scored(loss: float) -> Scored:
        units = np.random.default_rng(0).normal(0.5, 0.1, 120) - loss
        pairs = np.column_stack([units, np.ones(120)])
        return Scored("AP50", "higher", "points", Sums(pairs, lambda sums: sums[:, 0] / sums[:, 1]))

    found = figures.paired(scored(0.0), scored(0.02))
    assert found["samples"] == 120
    assert found["drop_lower_95"] == pytest.approx(2.0)


def one(p50_ms: float) -> Round:
    return Round("1", 1.0, p50_ms, (p50_ms,), 10.0, 10.0)


def test_the_middle_of_the_rounds_medians_counts(script: Loader) -> None:
    rounds = Rounds(1, 0, {"a": tuple(map(one, (1.0, 9.0, 2.0))), "b": tuple(map(one, (1.0, 2.0, 3.0)))})
    assert script("peers/speed").median_ms(rounds, "a") == 2.0


def test_only_the_fastest_peers_are_measured_to_the_end(script: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    speed = script("peers/speed")
    times = {"float-onnxruntime": 4.0, "ours": 2.0, "slow": 9.0, "fast": 1.9, "middling": 2.5}
    asked: list[list[str]] = []

    def measure(artifacts: dict[str, object], _feeds: object, *, rounds: int, seed: int = 0) -> Rounds:
        asked.append(sorted(artifacts))
        return Rounds(1, seed, {name: (one(times[name]),) * rounds for name in artifacts})

    monkeypatch.setattr(speed, "measure_rounds", measure)
    nothing = Artifact(Path("x.onnx"), "onnx", ())
    theirs = dict.fromkeys(("slow", "fast", "middling"), nothing)
    found = speed.measure({"ours": nothing}, theirs, {"float-onnxruntime": nothing}, [], 3)
    assert asked == [sorted(times), ["fast", "float-onnxruntime", "middling", "ours"]]
    assert found["best_peer"] == "fast"
    assert found["ratio_to_best_peer"]["ours"]["value"] == pytest.approx(0.95)
    assert found["speedup_vs_float"]["ours"]["value"] == pytest.approx(2.0)
    assert found["rounds"] == 3


@pytest.mark.parametrize(
    ("kind", "options", "runtimes"),
    [
        ("onnx", {}, ["onnxruntime", "openvino"]),
        ("onnxruntime", {"session.x": "1"}, ["onnxruntime"]),
        ("openvino", {}, ["openvino"]),
    ],
)
def test_an_onnx_file_opens_in_both_runtimes_and_an_ir_in_its_own(
    script: Loader, tmp_path: Path, kind: str, options: dict[str, str], runtimes: list[str]
) -> None:
    path = tmp_path / "model"
    path.write_text("model")
    artifact = Artifact.of(path, kind=kind, options=options)
    found = script("peers/run").openings({"artifact": artifact.to_json()})
    assert list(found) == runtimes
    assert [each.runtime for each in found.values()] == runtimes


def test_what_was_not_made_opens_nowhere(script: Loader) -> None:
    assert script("peers/run").openings({"artifact": None}) == {}
