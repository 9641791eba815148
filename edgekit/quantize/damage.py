"""Which layers hurt: the noise that each integer layer alone brings to the outputs; what leaving some in float mends.

Noise of single layers adds up nearly independently at 8 bits, so the ranking by single layers serves for sets of
them. ``hold`` leaves the worst in float, few first, until every output holds.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgekit.graph.placement import WEIGHTED
from edgekit.quantize.calibrated import Calibrated, Fidelity, fidelity
from edgekit.recipe import Progress, silent
from edgekit.runner.runtimes.base import Array

_RANKED_SAMPLES = 16


@dataclass(frozen=True)
class LayerDamage:
    """What one layer does to the worst output when it alone runs on integers."""

    node: str
    sqnr_db: float


def rank_layers(calibrated: Calibrated, method: str, *, progress: Progress = silent) -> list[LayerDamage]:
    """Quantize each layer with a weight alone and return them, the most harmful first."""
    layers = weighted_nodes(calibrated)
    truth = calibrated.outputs(calibrated.model, _RANKED_SAMPLES)
    found = []
    for index, layer in enumerate(layers):
        others = [name for name in layers if name != layer]
        outputs = calibrated.outputs(calibrated.quantized(method, others), _RANKED_SAMPLES)
        found.append(LayerDamage(layer, fidelity(truth, outputs).sqnr_db))
        progress("rank layers", index + 1, len(layers))
    return sorted(found, key=lambda each: (each.sqnr_db, each.node))


def weighted_nodes(calibrated: Calibrated, float_nodes: Collection[str] = ()) -> list[str]:
    """Names of the nodes with weights that run on integers, in graph order."""
    chosen = set(calibrated.place(float_nodes).nodes)
    return [str(node.name) for node in calibrated.model.graph if node.op_type in WEIGHTED and str(node.name) in chosen]


def hold(
    calibrated: Calibrated,
    method: str,
    float_nodes: tuple[str, ...],
    floor: float,
    truth: Mapping[str, Array],
    *,
    progress: Progress = silent,
) -> tuple[tuple[str, ...], Fidelity]:
    """Leave the most harmful layers in float until every output's cosine reaches ``floor``; 0 asks for nothing.

    Returns:
        The nodes left in float, and the fidelity reached: below ``floor`` only where no layer is left.
    """
    reached = fidelity(truth, calibrated.outputs(calibrated.quantized(method, float_nodes)))
    if not floor or reached.cosine >= floor:
        return float_nodes, reached
    ranked = [each.node for each in rank_layers(calibrated, method, progress=progress) if each.node not in float_nodes]
    count = 1
    while ranked:
        count = min(count, len(ranked))
        chosen = (*float_nodes, *ranked[:count])
        reached = fidelity(truth, calibrated.outputs(calibrated.quantized(method, chosen)))
        if reached.cosine >= floor or count == len(ranked):
            return chosen, reached
        count *= 2
    return float_nodes, reached
