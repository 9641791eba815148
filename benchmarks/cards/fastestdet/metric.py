"""AP50 of FastestDet: mean average precision at an overlap of 0.5, over the classes that the pictures show.

The rules, in the order in which they are applied:

1. A cell of the 22 x 22 grid says objectness, tanh offsets, log-odds of the box's width and height, 80 class scores.
   Its score is objectness^0.6 * best class^0.4 (FastestDet's own decoding); cells at or below 0.01 say nothing.
2. Of two boxes of one class that overlap by more than 0.45, the one with the better score stays (greedy suppression).
3. Within a picture and class, best score first, a box hits the free true box that it overlaps most, if by 0.5 or more;
   that true box is then taken. Every other box is a miss.
4. With all boxes of a class in the order of their scores, precision is hits / boxes so far, and its envelope the best
   precision from there on. AP is the envelope summed over the hits, divided by the number of true boxes: the area under
   the precision-recall curve (Pascal VOC 2010 and later, "all points").

A bootstrap draws pictures again and again. Hits do not depend on which other pictures are drawn, so they are found
once; a picture drawn k times just counts k times in the sums of rule 4.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

LEAST_SCORE = 0.01
MOST_OVERLAP = 0.45
HIT_OVERLAP = 0.5


class Boxes(NamedTuple):
    """Boxes of one picture: ``kind`` (n,), ``score`` (n,), ``corner`` (n, 4) as x1 y1 x2 y2 in parts of 1."""

    kind: Array
    score: Array
    corner: Array


def average_precision_50(
    outputs: Mapping[str, Array], labels: Mapping[str, Array]
) -> tuple[Array, Callable[[Array], float]]:
    """Find the hits of every picture once.

    Args:
        outputs: the network's only output, ``(pictures, 85, 22, 22)``.
        labels: ``boxes``, ``(pictures, most boxes, 5)`` of class, x1, y1, x2, y2 in parts of 1, padded with NaN.

    Returns:
        The picture rows ``(pictures,)`` and a function that gives AP50, in 0..1, for any draw of these rows.
    """
    (grids,) = outputs.values()
    expected = [true_boxes(rows) for rows in labels["boxes"]]
    found = [suppress(decode(grid)) for grid in grids]
    hits = [mark_hits(boxes, true) for boxes, true in zip(found, expected, strict=True)]
    kinds = np.unique(np.concatenate([boxes.kind for boxes in expected]))
    totals = np.stack([(boxes.kind[:, None] == kinds).sum(0) for boxes in expected])
    row = np.repeat(np.arange(len(found)), [len(boxes.score) for boxes in found])
    kind = np.concatenate([boxes.kind for boxes in found])
    order = np.argsort(-np.concatenate([boxes.score for boxes in found]), kind="stable")
    hit = np.concatenate(hits)[order]
    curves = [(row[order][kind[order] == each], hit[kind[order] == each]) for each in kinds]

    def combine(rows: Array) -> float:
        times = np.bincount(rows, minlength=len(found))
        present = times @ totals
        areas = [
            area(times[picture], good) / total for (picture, good), total in zip(curves, present, strict=True) if total
        ]
        return float(np.mean(areas)) if areas else 0.0

    return np.arange(len(found)), combine


def area(times: Array, hit: Array) -> float:
    """Sum the precision envelope over the hits of one class, best score first, each box counted ``times`` (rule 4)."""
    counted = np.cumsum(times)
    good = times * hit
    precision = np.cumsum(good) / np.maximum(counted, 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope @ good)


def decode(grid: Array) -> Boxes:
    """Read the boxes off one output ``(85, 22, 22)`` (rule 1)."""
    height, width = grid.shape[1:]
    score = grid[0] ** 0.6 * grid[5:].max(axis=0) ** 0.4
    y, x = np.nonzero(score > LEAST_SCORE)
    cell = grid[:, y, x]
    centre = np.stack([(x + np.tanh(cell[1])) / width, (y + np.tanh(cell[2])) / height], axis=1)
    size = 1 / (1 + np.exp(-cell[3:5].T))
    return Boxes(cell[5:].argmax(axis=0), score[y, x], np.concatenate([centre - size / 2, centre + size / 2], axis=1))


def suppress(boxes: Boxes) -> Boxes:
    """Keep the best of overlapping boxes of a class, best score first (rule 2)."""
    boxes = Boxes(*(part[np.argsort(-boxes.score, kind="stable")] for part in boxes))
    rivals = (overlaps(boxes.corner, boxes.corner) > MOST_OVERLAP) & (boxes.kind[:, None] == boxes.kind)
    alive = np.ones(len(boxes.score), bool)
    for best in range(len(alive)):
        if alive[best]:
            alive[best + 1 :] &= ~rivals[best, best + 1 :]
    return Boxes(*(part[alive] for part in boxes))


def mark_hits(found: Boxes, true: Boxes) -> Array:
    """Say for each box, best score first, whether it hits a true box that is still free (rule 3)."""
    shares = np.where(found.kind[:, None] == true.kind, overlaps(found.corner, true.corner), 0.0)
    hit = np.zeros(len(found.score), bool)
    for box in range(len(hit) if shares.size else 0):
        target = shares[box].argmax()
        if shares[box, target] >= HIT_OVERLAP:
            hit[box] = True
            shares[:, target] = 0.0
    return hit


def overlaps(left: Array, right: Array) -> Array:
    """Intersection over union of every box of ``left`` (n, 4) with every box of ``right`` (m, 4): ``(n, m)``."""
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    common = np.maximum(high - low, 0).prod(axis=2)
    union = _areas(left)[:, None] + _areas(right) - common
    return np.where(union > 0, common / np.maximum(union, 1e-12), 0.0)


def _areas(corner: Array) -> Array:
    return (corner[:, 2] - corner[:, 0]) * (corner[:, 3] - corner[:, 1])


def true_boxes(rows: Array) -> Boxes:
    """Read one picture's true boxes off its label ``(most boxes, 5)``; rows of padding are left out."""
    rows = rows[~np.isnan(rows[:, 0])]
    return Boxes(rows[:, 0].astype(np.int64), np.ones(len(rows)), rows[:, 1:])
