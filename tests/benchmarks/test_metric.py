"""AP50 on pictures that can be counted by hand."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgekit.artifact import Artifact
from edgekit.card import read_card
from edgekit.runner.runtimes.base import open_session
from edgekit.samples.sets import open_samples
from edgekit.validate.predict import predict

Array = np.ndarray[Any, np.dtype[Any]]
Loader = Callable[[str], ModuleType]
NOTHING = [np.nan] * 5
LEFT, RIGHT = [0.1, 0.1, 0.4, 0.4], [0.6, 0.6, 0.9, 0.9]


@pytest.fixture
def metric(script: Loader) -> ModuleType:
    return script("cards/fastestdet/metric")


def grid(*boxes: tuple[int, float, list[float]]) -> Array:
    """An output (85, 22, 22) that decodes to some boxes: class, score, corners."""
    cells = np.zeros((85, 22, 22))
    cells[3:5] = -10.0
    for kind, score, (x1, y1, x2, y2) in boxes:
        x, y = int((x1 + x2) / 2 * 22), int((y1 + y2) / 2 * 22)
        cells[0, y, x] = score
        cells[1, y, x] = np.arctanh((x1 + x2) / 2 * 22 - x)
        cells[2, y, x] = np.arctanh((y1 + y2) / 2 * 22 - y)
        cells[3, y, x] = np.log((x2 - x1) / (1 - (x2 - x1)))
        cells[4, y, x] = np.log((y2 - y1) / (1 - (y2 - y1)))
        cells[5 + kind, y, x] = score
    return cells


def average_precision(metric: ModuleType, grids: list[Array], boxes: list[list[list[float]]]) -> float:
    labels = {"boxes": np.array(boxes, np.float32)}
    statistics, combine = metric.average_precision_50({"output": np.stack(grids)}, labels)
    return float(combine(statistics))


def test_a_cell_decodes_to_the_box_that_it_says(metric: ModuleType) -> None:
    boxes = metric.decode(grid((3, 0.8, LEFT)))
    assert boxes.kind.tolist() == [3]
    np.testing.assert_allclose(boxes.score, [0.8])
    np.testing.assert_allclose(boxes.corner, [LEFT], atol=1e-9)


def test_a_cell_at_the_least_score_says_nothing(metric: ModuleType) -> None:
    assert len(metric.decode(grid((3, metric.LEAST_SCORE, LEFT))).score) == 0


def test_a_picture_found_whole_scores_one(metric: ModuleType) -> None:
    assert average_precision(metric, [grid((3, 0.8, LEFT))], [[[3, *LEFT]]]) == pytest.approx(1.0)


def test_a_picture_without_a_box_found_scores_zero(metric: ModuleType) -> None:
    assert average_precision(metric, [grid()], [[[3, *LEFT]]]) == 0.0


def test_a_box_of_the_wrong_class_is_a_miss(metric: ModuleType) -> None:
    assert average_precision(metric, [grid((4, 0.8, LEFT))], [[[3, *LEFT]]]) == 0.0


def test_a_better_scored_miss_halves_the_precision(metric: ModuleType) -> None:
    found = grid((3, 0.9, RIGHT), (3, 0.8, LEFT))
    assert average_precision(metric, [found], [[[3, *LEFT]]]) == pytest.approx(0.5)


def test_a_worse_scored_miss_costs_nothing(metric: ModuleType) -> None:
    found = grid((3, 0.7, RIGHT), (3, 0.8, LEFT))
    assert average_precision(metric, [found], [[[3, *LEFT]]]) == pytest.approx(1.0)


def test_the_envelope_takes_the_best_precision_from_there_on(metric: ModuleType) -> None:
    """Miss, hit, hit: precisions 0, 1/2, 2/3; the envelope makes both hits count 2/3."""
    found = grid((3, 0.9, [0.4, 0.4, 0.6, 0.6]), (3, 0.8, LEFT), (3, 0.7, RIGHT))
    truth = [[[3, *LEFT], [3, *RIGHT]]]
    assert average_precision(metric, [found], truth) == pytest.approx(2 / 3)


def test_a_true_box_is_hit_once(metric: ModuleType) -> None:
    """The second box overlaps the first by less than the suppression's limit and the true box by more than half."""
    first, second, true = [0.1, 0.1, 0.4, 0.4], [0.1, 0.22, 0.4, 0.52], [0.1, 0.16, 0.4, 0.46]
    boxes = metric.suppress(metric.decode(grid((3, 0.9, first), (3, 0.8, second))))
    truth = metric.true_boxes(np.array([[3, *true]], np.float32))
    assert metric.overlaps(boxes.corner, truth.corner).min() > metric.HIT_OVERLAP
    assert metric.mark_hits(boxes, truth).tolist() == [True, False]


def test_the_worse_of_two_overlapping_boxes_of_a_class_is_suppressed(metric: ModuleType) -> None:
    near = [0.1, 0.16, 0.4, 0.46]
    assert metric.suppress(metric.decode(grid((3, 0.8, LEFT), (3, 0.9, near)))).score.tolist() == pytest.approx([0.9])
    assert len(metric.suppress(metric.decode(grid((3, 0.8, LEFT), (4, 0.9, near)))).score) == 2


def test_overlap_is_intersection_over_union(metric: ModuleType) -> None:
    left, right = np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0]])
    np.testing.assert_allclose(metric.overlaps(left, right), [[1 / 3, 0.0]])


def test_a_class_that_no_drawn_picture_shows_does_not_count(metric: ModuleType) -> None:
    labels = {"boxes": np.array([[[3, *LEFT]], [[4, *LEFT]]], np.float32)}
    grids = np.stack([grid((3, 0.8, LEFT)), grid()])
    statistics, combine = metric.average_precision_50({"output": grids}, labels)
    assert combine(statistics) == pytest.approx(0.5)
    assert combine(statistics[[0, 0]]) == pytest.approx(1.0)
    assert combine(statistics[[1, 1]]) == 0.0


def test_a_picture_drawn_twice_counts_as_two_pictures(metric: ModuleType) -> None:
    """The draw's figure is that of a set which really holds the picture twice."""
    grids = [grid((3, 0.9, RIGHT)), grid((3, 0.8, LEFT), (3, 0.5, RIGHT)), grid((3, 0.7, LEFT))]
    boxes = [[[3, *LEFT], NOTHING], [[3, *LEFT], [3, *RIGHT]], [NOTHING, NOTHING]]
    statistics, combine = metric.average_precision_50(
        {"output": np.stack(grids)}, {"boxes": np.array(boxes, np.float32)}
    )
    drawn = [0, 1, 1, 2]
    whole = average_precision(metric, [grids[each] for each in drawn], [boxes[each] for each in drawn])
    assert combine(statistics[drawn]) == pytest.approx(whole)


def test_fastestdet_reaches_its_published_figure(
    metric: ModuleType, script: Loader, shared: Path, tmp_path: Path
) -> None:
    """All 128 pictures of both picks through the float model: 0.3209 in the pack's README."""
    (folder,) = script("prepare").prepare(shared / "data", tmp_path, ["fastestdet"])
    file = shared / "data" / "models" / "fastestdet.onnx"
    samples = open_samples(read_card(folder / "card.toml"), open_session("onnxruntime", file).inputs)
    picks = (samples.calibration, samples.evaluation)
    truth = [np.pad(pick.labels["boxes"], ((0, 0), (0, 64), (0, 0)), constant_values=np.nan)[:, :64] for pick in picks]
    outputs = predict(Artifact.of(file, kind="onnx"), [feeds for pick in picks for feeds in pick])
    statistics, combine = metric.average_precision_50(outputs, {"boxes": np.concatenate(truth)})
    assert len(statistics) == 128
    assert combine(statistics) == pytest.approx(0.3209, abs=5e-5)
