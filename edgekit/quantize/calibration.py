"""Calibration: run the float model on the card's calibration samples and watch its activations.

The model runs in ONNX Runtime with the watched values as further outputs, a few samples at a time: as many as keep the
watched numbers within ``WATCHED_BYTES``. Memory does not grow with the number of samples.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgekit.graph.save import save_model
from edgekit.quantize.observers import Histogram
from edgekit.recipe import Progress, silent
from edgekit.runner.runtimes.base import Array, Session, open_session
from edgekit.samples.sets import SampleSet

WATCHED_BYTES = 48 << 20
_MOST_AT_ONCE = 32


def watch(
    model: ir.Model,
    values: Sequence[str],
    samples: SampleSet,
    look: Callable[[str, Array], None],
    *,
    folder: Path,
    threads: int = 1,
    progress: Progress = silent,
) -> None:
    """Call ``look(name, array)`` for each of ``values`` on every batch of ``samples``.

    Args:
        model: a float or quantized model; not changed.
        values: names of values of the main graph.
        samples: the calibration set.
        look: gets arrays of the batch's shape and must not keep them.
        folder: where the widened model is written for the runtime.
        threads: of the runtime.
        progress: called after every batch.
    """
    inputs = {str(value.name) for value in model.graph.inputs}
    path = folder / "watched.onnx"
    outputs = save_widened(model, [name for name in values if name not in inputs], path)
    session = open_session("onnxruntime", path, threads=threads)
    try:
        done = 0
        for feeds in batches(session, samples):
            results = session.infer(feeds)
            for name in values:
                look(name, feeds[name] if name in inputs else results[outputs[name]])
            done += len(next(iter(feeds.values())))
            progress("calibrate", min(done, len(samples)), len(samples))
    finally:
        session.close()
        path.unlink(missing_ok=True)


def histograms(
    model: ir.Model,
    values: Sequence[str],
    samples: SampleSet,
    *,
    folder: Path,
    threads: int = 1,
    progress: Progress = silent,
) -> dict[str, Histogram]:
    """Return a histogram of each value over all samples."""
    seen = {name: Histogram() for name in values}
    watch(
        model,
        values,
        samples,
        lambda name, array: seen[name].add(array),
        folder=folder,
        threads=threads,
        progress=progress,
    )
    return seen


def save_widened(model: ir.Model, values: Sequence[str], path: Path) -> dict[str, str]:
    """Write the model with ``values`` as further outputs; return value -> name of the output that shows it."""
    wide = model.clone()
    known = {str(value.name): value for node in wide.graph for value in node.outputs}
    names = {str(output.name): str(output.name) for output in wide.graph.outputs}
    for name in values:
        if name not in names:
            wide.graph.outputs.append(known[name])
            names[name] = name
    save_model(wide, path)
    return names


def batches(session: Session, samples: SampleSet) -> Iterator[Mapping[str, Array]]:
    """Yield feeds of all samples, as many at once as keep the session's outputs within ``WATCHED_BYTES``."""
    result = session.infer(samples[0])
    bytes_each = sum(array.nbytes for array in result.values()) + 1
    yield from samples.batches(int(np.clip(WATCHED_BYTES // bytes_each, 1, _MOST_AT_ONCE)))
