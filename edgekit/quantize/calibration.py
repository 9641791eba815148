"""Calibration: run the float model on the card's calibration samples and watch its activations.

The model runs in ONNX Runtime with the watched values as further outputs, as many samples at a time as keep the
watched numbers within ``WATCHED_BYTES`` and the inputs within ``FED_BYTES``. Memory does not grow with their number.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgekit.graph.save import model_bytes
from edgekit.quantize.observers import Histogram
from edgekit.recipe import Progress, silent
from edgekit.runner.runtimes.base import Array, Port, Session, open_session
from edgekit.samples.sets import SampleSet

WATCHED_BYTES = 8 << 20
FED_BYTES = 256 << 10
"""What a model holds while it runs is a multiple of what it is fed: about so much at once."""

COUNTED = 1 << 22
"""Of a tensor about so many numbers are counted over all samples, evenly spread, in odd steps so that no channel and
no column of a picture is passed over."""

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


@dataclass(frozen=True)
class Seen:
    """Histograms of each value over the even samples and over the odd ones: range exact, about ``COUNTED`` counts.

    A range that is found on one half can be judged on the other.
    """

    even: Mapping[str, Histogram]
    odd: Mapping[str, Histogram]

    def whole(self) -> dict[str, Histogram]:
        """Return the histograms over all samples."""
        return {name: histogram.merge(self.odd[name]) for name, histogram in self.even.items()}


def histograms(
    model: ir.Model,
    values: Sequence[str],
    samples: SampleSet,
    *,
    folder: Path,
    threads: int = 1,
    progress: Progress = silent,
) -> Seen:
    """Return histograms of each value over all samples, in two halves."""
    halves = [{name: Histogram() for name in values} for _ in range(2)]
    turn = dict.fromkeys(values, 0)

    def look(name: str, array: Array) -> None:
        rows = array.reshape(len(array), -1) if array.ndim > 1 else array.reshape(1, -1)
        every = rows.shape[1] * len(samples) // COUNTED | 1
        for first in range(min(len(rows), 2)):
            half = halves[(turn[name] + first) % 2][name]
            half.add(rows[first::2], rows[first::2, ::every])
        turn[name] += len(rows)

    watch(model, values, samples, look, folder=folder, threads=threads, progress=progress)
    return Seen(*halves)


def ports_from_graph(graph: ir.Graph) -> tuple[Port, ...]:
    """Return the inputs of a model as a session would give them, without opening one."""
    return tuple(
        Port(
            str(value.name),
            value.dtype.numpy().name if value.dtype else "object",
            tuple(dim if isinstance(dim, int) else None for dim in value.shape or ()),
        )
        for value in graph.inputs
    )


def save_widened(model: ir.Model, values: Sequence[str], path: Path) -> dict[str, str]:
    """Write the model with ``values`` as further outputs; return value -> name of the output that shows it."""
    wide = model.clone()
    known = {str(value.name): value for node in wide.graph for value in node.outputs}
    names = {str(output.name): str(output.name) for output in wide.graph.outputs}
    for name in values:
        if name not in names:
            wide.graph.outputs.append(known[name])
            names[name] = name
    path.write_bytes(model_bytes(wide))
    return names


def batches(session: Session, samples: SampleSet) -> Iterator[Mapping[str, Array]]:
    """Yield feeds of all samples, as many at once as keep inputs and outputs within their bytes."""
    first = samples[0]
    shown_bytes = sum(array.nbytes for array in session.infer(first).values()) + 1
    fed_bytes = sum(array.nbytes for array in first.values()) + 1
    size = min(WATCHED_BYTES // shown_bytes, FED_BYTES // fed_bytes, _MOST_AT_ONCE)
    yield from samples.batches(max(size, 1))
