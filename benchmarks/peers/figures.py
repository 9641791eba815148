"""Figures of one artifact against the float model: metric, paired difference, signal to noise of its outputs, size.

All artifacts go through the same code: EdgeKit's runner runs them on the card's evaluation samples, one at a time, one
thread, OpenVINO at f32 where a layer stays in float; the card's own metric judges them.

SQNR = 10 log10(sum float^2 / sum (float - artifact)^2) in decibels, sums over all outputs of all samples, float being
the user's model in ONNX Runtime.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import Artifact
from edgekit.card import DataCard, read_card
from edgekit.errors import EdgeKitError
from edgekit.runner.runtimes.base import Array, open_session
from edgekit.samples.sets import open_samples
from edgekit.validate.bootstrap import bootstrap_bounds, whole
from edgekit.validate.metrics import Scored, score_outputs
from edgekit.validate.predict import predict
from edgekit.validate.statistics import tango_bounds

Outputs = dict[str, Array]
POINTS = 100.0


@dataclass(frozen=True)
class Judge:
    """A card's evaluation samples and the float model's answers to them."""

    card: DataCard
    feeds: Sequence[Mapping[str, Array]]
    labels: Mapping[str, Array]
    outputs: Outputs
    scored: Scored


def open_judge(model: Path, card_path: Path) -> Judge:
    """Read the evaluation samples and run the float model on them in ONNX Runtime."""
    card = read_card(card_path)
    evaluation = open_samples(card, open_session("onnxruntime", model).inputs).evaluation
    feeds = list(evaluation)
    outputs = predict(Artifact.of(model, kind="onnx"), feeds)
    return Judge(card, feeds, evaluation.labels, outputs, score_outputs(card, evaluation.labels, outputs, outputs))


def write_calibration(model: Path, card_path: Path, folder: Path) -> int:
    """Write the card's calibration samples as the peers take them; return how many there are."""
    samples = open_samples(read_card(card_path), open_session("onnxruntime", model).inputs).calibration
    folder.mkdir(parents=True, exist_ok=True)
    first = samples[0]
    for name, array in first.items():
        rows = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", array.dtype, (len(samples), *array.shape))
        for index, feeds in enumerate(samples):
            rows[index] = feeds[name]
        rows.flush()
    return len(samples)


def run_artifact(judge: Judge, artifact: Artifact) -> tuple[dict[str, Any], Scored | None]:
    """Judge an artifact on its runtime; a file that the runtime refuses is a figure too."""
    try:
        outputs = predict(artifact, judge.feeds)
        scored = score_outputs(judge.card, judge.labels, outputs, judge.outputs)
    except EdgeKitError as error:
        return {"error": str(error)[:300]}, None
    base, value = whole(judge.scored.estimator) * POINTS, whole(scored.estimator) * POINTS
    figures = {"metric": value, "drop": base - value, "sqnr_db": sqnr_db(judge.outputs, outputs)}
    return figures | {"against_float": paired(judge.scored, scored)}, scored


def sqnr_db(base: Mapping[str, Array], value: Mapping[str, Array]) -> float | None:
    """Signal to quantization noise over all outputs, matched by their order; None where not a bit differs."""
    signal = noise = 0.0
    for reference, found in zip(base.values(), value.values(), strict=True):
        signal += float(np.sum(np.square(reference, dtype=np.float64)))
        noise += float(np.sum(np.square(reference.astype(np.float64) - found.astype(np.float64))))
    return 10 * float(np.log10(signal / noise)) if noise else None


def paired(base: Scored, value: Scored) -> dict[str, Any]:
    """Bound the drop from ``base`` to ``value`` on the same samples, one-sided 95 % each way, in points."""
    if base.correct is not None and value.correct is not None:
        worse = int(np.sum(base.correct & ~value.correct))
        better = int(np.sum(~base.correct & value.correct))
        lower, upper = tango_bounds(worse, better, len(base.correct))
        counts = {"worse": worse, "better": better, "samples": len(base.correct)}
        return counts | {"drop_lower_95": lower * POINTS, "drop_upper_95": upper * POINTS, "method": "Tango"}
    bounds = bootstrap_bounds(base.estimator, value.estimator, lambda b, v: (b - v) * POINTS, seed=0)
    if bounds is None:
        return {"samples": base.estimator.units}
    figures = {"drop_lower_95": bounds.lower, "drop_upper_95": bounds.upper, "method": bounds.method}
    return {"samples": base.estimator.units} | figures
