"""Static quantization: integer weights and activations with ranges found on calibration samples.

    prepared float model -> calibrate -> for each range method: grids, graph, fidelity -> the best graph

``ranges = "best"`` tries every method and keeps the one whose outputs are nearest to float: none of them is best for
every network. Ranges are found on one half of the calibration samples and judged on the other; evaluation samples are
never looked at. The graph that is kept has ranges of all calibration samples.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import onnx_ir as ir

from edgekit.artifact import Artifact
from edgekit.errors import RecipeError, StepError
from edgekit.graph.load import load_model
from edgekit.graph.placement import weight_site
from edgekit.graph.save import save_model
from edgekit.profiles import Scheme
from edgekit.quantize.calibrated import Calibrated, Fidelity, calibrate, fidelity
from edgekit.quantize.calibration import ports_from_graph
from edgekit.quantize.damage import hold, rank_layers, weighted_nodes
from edgekit.quantize.ranges import METHODS
from edgekit.recipe import Given, Outcome
from edgekit.runner.runtimes.base import Array
from edgekit.samples.sets import SampleSet, open_samples

CANDIDATES = ("min-max", "mse", "percentile:99.99", "percentile:99.999", "entropy")
"""What ``ranges = "best"`` tries."""


@dataclass(frozen=True)
class StaticQuantization:
    """Quantize weights and activations; see the module.

    Attributes:
        ranges: ``best``, or one method of :mod:`edgekit.quantize.ranges`; ``percentile:99.9`` names a share.
        float_nodes: nodes of the prepared model to leave in float.
        worst_in_float: how many of the layers with the most measured damage to leave in float.
        hold_cosine: leave the worst layers in float until every float output's cosine reaches this; 0: never.
    """

    ranges: str = "best"
    float_nodes: tuple[str, ...] = ()
    worst_in_float: int = 0
    hold_cosine: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, all at once."""
        object.__setattr__(self, "float_nodes", tuple(self.float_nodes))
        mistakes = []
        name, _, share = self.ranges.partition(":")
        if name not in ("best", *METHODS) or (share and name != "percentile"):
            allowed = ", ".join(("best", *METHODS, "percentile:SHARE"))
            mistakes.append(f"ranges: {self.ranges!r}; allowed: {allowed}")
        elif share and not _is_share(share):
            mistakes.append(f"ranges: {share!r} is no share; allowed: above 50 and at most 100 (per cent)")
        if not 0 <= self.hold_cosine < 1:
            mistakes.append(f"hold_cosine: {self.hold_cosine}; allowed: 0 (never) to below 1")
        if self.worst_in_float < 0:
            mistakes.append(f"worst_in_float: {self.worst_in_float}; allowed: 0 or more layers")
        if mistakes:
            raise RecipeError(mistakes, hint="edgekit list steps shows what quantize.static takes")

    def __call__(self, model: Artifact, given: Given) -> Outcome:
        """Quantize a prepared ONNX model for ``given.target`` on ``given.card``'s calibration samples.

        Raises:
            StepError: the step was given no card or a float target.
        """
        scheme = given.target.scheme
        if scheme is None or given.card is None:
            raise StepError(f"quantize.static needs a card and an integer target; got {given.target.name}")
        graph = load_model(model.path)
        samples = open_samples(given.card, ports_from_graph(graph.graph)).calibration
        return self.quantize(model, graph, samples, given)

    def quantize(self, source: Artifact, model: ir.Model, samples: SampleSet, given: Given) -> Outcome:
        """Do the work on an opened model and sample set."""
        if given.target.scheme is None:
            raise StepError(f"quantize.static needs an integer target; got {given.target.name}")
        with _old_objects_aside():
            return self._quantize(source, model, samples, given)

    def _quantize(self, source: Artifact, model: ir.Model, samples: SampleSet, given: Given) -> Outcome:
        scheme = cast(Scheme, given.target.scheme)
        calibrated = calibrate(model, scheme, samples, folder=given.folder, progress=given.progress)
        if not weighted_nodes(calibrated, self.float_nodes):
            return Outcome(source, changed=False, facts={"why_float": _why_float(model, scheme)})
        truth = calibrated.outputs(model)
        method, tried = self._choose(calibrated, truth)
        left = self.float_nodes
        if self.worst_in_float:
            ranked = rank_layers(calibrated, method, progress=given.progress)
            left = (*left, *(each.node for each in ranked[: self.worst_in_float]))
        left, reached = hold(calibrated, method, left, self.hold_cosine, truth, progress=given.progress)
        layers = weighted_nodes(calibrated, left)
        if not layers or (self.hold_cosine and reached.cosine < self.hold_cosine):
            why = f"no layer holds in integers: the outputs' cosine stays at {reached.cosine:.4f}"
            return Outcome(source, changed=False, facts={"why_float": why})
        path = given.folder / "quantized.onnx"
        save_model(calibrated.quantized(method, left), path)
        made = Artifact.of(path, kind="onnx", made_by="quantize.static", parent=source.sha256)
        facts = _facts(method, tried, reached, layers=layers, left=left)
        return Outcome(made, changed=True, facts={**facts, "calibration_samples": len(samples)})

    def _choose(self, calibrated: Calibrated, truth: Mapping[str, Array]) -> tuple[str, dict[str, Fidelity]]:
        """Return the range method that comes nearest to float, and what each reached."""
        methods = CANDIDATES if self.ranges == "best" else (self.ranges,)
        tried = {}
        for method in methods if len(methods) > 1 else ():
            candidate = calibrated.quantized(method, self.float_nodes, by_half=True)
            tried[method] = fidelity(truth, calibrated.outputs(candidate))
        if not tried:
            return methods[0], tried
        return max(methods, key=lambda method: tried[method].sqnr_db), tried


@contextmanager
def _old_objects_aside() -> Iterator[None]:
    """Let the collections after each candidate look at what is new only: a tenth of a second each otherwise."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _is_share(text: str) -> bool:
    try:
        return 50 < float(text) <= 100
    except ValueError:
        return False


def _why_float(model: ir.Model, scheme: Scheme) -> str:
    if any(weight_site(node, scheme) and node.op_type in scheme.operators for node in model.graph):
        return "every layer with a weight is left in float: it is named so, or its numbers are not finite"
    kinds = sorted({node.op_type for node in model.graph})
    return f"no Conv, Gemm or MatMul with a float weight is there to quantize (operators: {', '.join(kinds)})"


def _facts(
    method: str,
    tried: Mapping[str, Fidelity],
    reached: Fidelity,
    *,
    layers: list[str],
    left: tuple[str, ...],
) -> dict[str, Any]:
    return {
        "ranges": method,
        "sqnr_db": _finite(reached.sqnr_db),
        "cosine": round(reached.cosine, 6),
        "sqnr_db_by_ranges": {name: _finite(each.sqnr_db) for name, each in tried.items()},
        "int8_layers": len(layers),
        "layers_left_float": list(left),
    }


def _finite(decibels: float) -> float | None:
    return round(decibels, 2) if abs(decibels) < 1e6 else None
