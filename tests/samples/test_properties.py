"""What holds for every card over arrays: two picks without a common sample, and batches that are the samples."""

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.card import DataCard
from edgekit.errors import RecipeError
from edgekit.runner.runtimes.base import Port
from edgekit.samples.sets import Samples, SampleSet, open_samples

PORTS = [Port("x", "float32", (None, 2)), Port("ids", "int64", (None, 3))]

picks = st.fixed_dictionaries(
    {},
    optional={
        "count": st.integers(1, 12),
        "seed": st.integers(0, 3),
        "share": st.sampled_from([(0.0, 0.5), (0.5, 1.0)]),
    },
)
rows = st.lists(st.integers(0, 9), min_size=2, max_size=30)


def opened(folder: Path, values: list[int], calibration: dict[str, Any], evaluation: dict[str, Any]) -> Samples:
    column = np.array(values)
    np.savez(
        folder / "a.npz",
        x=np.stack([column, -column], 1).astype(np.float32),
        ids=np.stack([column] * 3, 1).astype(np.int32),
        row=np.arange(len(values)),
    )
    source = {"kind": "arrays", "path": "a.npz", "inputs": {"x": "x", "ids": "ids"}, "labels": {"row": "row"}}
    words = {"name": "a", "task": "agreement", "licence": "CC0", "source": source}
    card = DataCard.model_validate({**words, "calibration": calibration, "evaluation": evaluation})
    return open_samples(card.within(folder), PORTS)


def values_of(samples: SampleSet) -> list[int]:
    return [int(feeds["ids"][0, 0]) for feeds in samples]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, picks, picks)
def test_no_sample_calibrates_and_judges(
    tmp_path: Path, values: list[int], calibration: dict[str, Any], evaluation: dict[str, Any]
) -> None:
    try:
        samples = opened(tmp_path, values, calibration, evaluation)
    except RecipeError:
        return
    assert set(values_of(samples.calibration)).isdisjoint(values_of(samples.evaluation))
    assert "count" not in evaluation or len(samples.evaluation) == evaluation["count"]
    assert "count" not in calibration or len(samples.calibration) == calibration["count"] - samples.dropped
    assert samples.dropped == 0 or len(set(values)) < len(values)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, picks, picks, st.integers(1, 40))
def test_labels_and_batches_follow_the_samples(
    tmp_path: Path, values: list[int], calibration: dict[str, Any], evaluation: dict[str, Any], size: int
) -> None:
    try:
        samples = opened(tmp_path, values, calibration, evaluation)
    except RecipeError:
        return
    for chosen in (samples.calibration, samples.evaluation):
        assert values_of(chosen) == [values[row] for row in chosen.labels["row"]]
        batches = list(chosen.batches(size))
        assert all(len(feeds["x"]) == size for feeds in batches[:-1])
        for name in ("x", "ids"):
            whole = np.concatenate([feeds[name] for feeds in batches])
            assert whole.tobytes() == b"".join(feeds[name].tobytes() for feeds in chosen)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(rows, picks, picks)
def test_the_same_card_opens_the_same_samples(
    tmp_path: Path, values: list[int], calibration: dict[str, Any], evaluation: dict[str, Any]
) -> None:
    try:
        first = opened(tmp_path, values, calibration, evaluation)
    except RecipeError:
        return
    second = opened(tmp_path, values, calibration, evaluation)
    assert first.evaluation.sha256 == second.evaluation.sha256
    assert first.calibration.sha256 == second.calibration.sha256
    assert values_of(first.evaluation) == values_of(second.evaluation)
