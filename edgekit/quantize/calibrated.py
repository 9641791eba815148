"""A model that was calibrated: from here a quantized graph is a matter of choosing, not of running samples again.

One pass over the calibration samples fills histograms for every value that may carry a pair. After that any range
method and any set of layers left in float gives its graph in milliseconds, and is judged by its fidelity: the
signal-to-quantization-noise ratio (SQNR) and the cosine of each output against the float model, on calibration samples.
Range methods are compared on odd samples with ranges found on even ones: a method that only fits the samples that
it saw does not win.
"""

import gc
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgekit.graph.placement import Placement, data_inputs, place_pairs
from edgekit.graph.qdq import write_pairs
from edgekit.graph.save import model_bytes
from edgekit.profiles import Scheme
from edgekit.quantize.calibration import histograms
from edgekit.quantize.numbers import clips_of, find_grids, pool_histograms
from edgekit.quantize.observers import Histogram
from edgekit.recipe import Progress, silent
from edgekit.runner.runtimes.base import Array, open_session
from edgekit.samples.sets import SampleSet

JUDGED_SAMPLES = 32
"""How many calibration samples a candidate is judged on, at the most."""

JUDGED_BYTES = 24 << 20
"""And how large they may be together: they are read once and kept."""

_MOST_CONCAT_RATIO = 64.0
"""Inputs of one Concat further apart than this share no 8-bit scale: the small one would keep two bits."""


@dataclass(frozen=True)
class Fidelity:
    """How near a quantized model is to the float one.

    Attributes:
        cosine: of the worst float output, over all judged samples put together; 0 where numbers are broken.
        sqnr_db: of the worst float output, decibels; infinite where nothing differs.
        cosines: of each float output, by name.
    """

    cosine: float
    sqnr_db: float
    cosines: Mapping[str, float]


@dataclass(frozen=True)
class Calibrated:
    """A prepared float model with what was seen of its activations.

    Attributes:
        model: the prepared float model.
        scheme: the target's.
        seen: value -> histogram over all samples, for every value that may carry a pair.
        half: the same over the even samples alone.
        judged: feeds of the first odd samples (all, where there is but one), on which candidates are judged.
        folder: where candidates are written for the runtime.
        never: nodes that cannot run on integers, whatever the method.
    """

    model: ir.Model
    scheme: Scheme
    seen: Mapping[str, Histogram]
    half: Mapping[str, Histogram]
    judged: Sequence[Mapping[str, Array]]
    folder: Path
    never: frozenset[str]

    def place(self, float_nodes: Collection[str] = ()) -> Placement:
        """Return the placement with these nodes (and those of ``never``) left in float."""
        return place_pairs(self.model.graph, self.scheme, float_nodes={*float_nodes, *self.never})

    def quantized(
        self,
        method: str,
        float_nodes: Collection[str] = (),
        *,
        by_half: bool = False,
    ) -> ir.Model:
        """Return the graph with ranges found by ``method`` and ``float_nodes`` left in float.

        Args:
            method: see :mod:`edgekit.quantize.ranges`.
            float_nodes: names of nodes.
            by_half: find ranges on the even samples only.
        """
        placement = self.place(float_nodes)
        pooled = pool_histograms(placement, self.half if by_half else self.seen)
        clips = clips_of(self.model.graph, placement)
        grids = find_grids(pooled, self.scheme, method, clips)
        return write_pairs(self.model, placement, grids, self.scheme)

    def outputs(self, model: ir.Model, most: int = JUDGED_SAMPLES) -> dict[str, Array]:
        """Run a model on the judged samples: each output, flat, all samples put together."""
        path = self.folder / "candidate.onnx"
        path.write_bytes(model_bytes(model))
        session = open_session("onnxruntime", path, threads=cores())
        try:
            parts = [session.infer(feeds) for feeds in self.judged[:most]]
        finally:
            session.close()
            path.unlink(missing_ok=True)
            gc.collect()  # graphs refer to themselves: without this a dozen candidates would wait for the collector
        return {name: np.concatenate([part[name].ravel() for part in parts]) for name in parts[0]}


def calibrate(
    model: ir.Model, scheme: Scheme, samples: SampleSet, *, folder: Path, progress: Progress = silent
) -> Calibrated:
    """Run the float model on all samples and keep a histogram of every value that may carry a pair."""
    widest = place_pairs(model.graph, scheme)
    made_of = _made_of(model.graph, widest, scheme)
    watched = [name for name in widest.values if name not in made_of]
    seen = histograms(model, watched, samples, folder=folder, threads=cores(), progress=progress)
    whole, half = seen.whole(), dict(seen.even)
    for found in (whole, half):
        for name, parts in made_of.items():
            found[name] = reduce(Histogram.merge, (found[part] for part in parts))
    never = frozenset(_unfit(model.graph, widest, whole))
    return Calibrated(model, scheme, whole, half, _judged(samples), folder, never)


def _judged(samples: SampleSet) -> list[Mapping[str, Array]]:
    """Read the first odd samples, as many as fit into ``JUDGED_BYTES``."""
    feeds: list[Mapping[str, Array]] = []
    held_bytes = 0
    for index in range(1 if len(samples) > 1 else 0, len(samples), 2):
        feeds.append(samples[index])
        held_bytes += sum(array.nbytes for array in feeds[-1].values())
        if len(feeds) == JUDGED_SAMPLES or held_bytes > JUDGED_BYTES:
            break
    return feeds


def _made_of(graph: ir.Graph, placement: Placement, scheme: Scheme) -> dict[str, list[str]]:
    """Return value -> values whose numbers it holds, for the results of operators that hand numbers through."""
    chosen, paired = set(placement.nodes), set(placement.values)
    parts: dict[str, list[str]] = {}
    for node in graph:
        if str(node.name) in chosen and node.op_type in scheme.shared:
            inputs = list(dict.fromkeys(str(value.name) for value in data_inputs(node)))
            parts |= {str(output.name): inputs for output in node.outputs if str(output.name) in paired}
    return parts


def cores() -> int:
    """Threads for work on the host that is not measured."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fidelity(float_outputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Fidelity:
    """Compare runs output by output; integer and bool outputs are left to the reader of the report."""
    cosines, ratios = {}, [math.inf]
    for name, wanted in float_outputs.items():
        if wanted.dtype.kind != "f":
            continue
        cosines[name], ratio = _compare(wanted.astype(np.float64), outputs[name].astype(np.float64))
        ratios.append(ratio)
    return Fidelity(min(cosines.values(), default=1.0), min(ratios), cosines)


def _compare(wanted: Array, got: Array) -> tuple[float, float]:
    finite = np.isfinite(wanted)
    if wanted.shape != got.shape or not np.array_equal(finite, np.isfinite(got)):
        return 0.0, -math.inf
    wanted, got = wanted[finite], got[finite]
    largest = np.abs(wanted).max(initial=0.0) or 1.0  # squares of float32 lowest stay far from overflow
    wanted, got = wanted / largest, got / largest
    signal, noise = float((wanted**2).sum()), float(((wanted - got) ** 2).sum())
    if noise == 0:
        return 1.0, math.inf
    norm = math.sqrt(signal * float((got**2).sum()))
    cosine = float((wanted * got).sum()) / norm if norm else 0.0
    return cosine, 10 * math.log10(signal / noise) if signal else -math.inf


def _unfit(graph: ir.Graph, placement: Placement, seen: Mapping[str, Histogram]) -> Iterator[str]:
    """Yield nodes whose numbers do not fit 8 bits: broken ones, and Concat of things far apart."""
    chosen = set(placement.nodes)
    for node in graph:
        if str(node.name) not in chosen:
            continue
        about = [seen[str(v.name)] for v in (*data_inputs(node), *node.outputs) if str(v.name) in seen]
        if any(histogram.broken for histogram in about):
            yield str(node.name)
        elif node.op_type == "Concat":
            sizes = [max(-h.low, h.high) for h in (seen[str(v.name)] for v in data_inputs(node) if str(v.name) in seen)]
            some = [size for size in sizes if size > 0]
            if some and max(some) > _MOST_CONCAT_RATIO * min(some):
                yield str(node.name)
