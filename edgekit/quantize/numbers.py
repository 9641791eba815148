"""From histograms and a scheme to grids: one for each value that has a scale of its own."""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgekit.graph.integer.grid import Grid, grid_from_range
from edgekit.graph.placement import Placement
from edgekit.profiles import Scheme
from edgekit.quantize.observers import Histogram
from edgekit.quantize.ranges import find_range


def pool_histograms(placement: Placement, seen: Mapping[str, Histogram]) -> dict[str, Histogram]:
    """Return one histogram for each scale: that of all values which share it."""
    pooled: dict[str, Histogram] = {}
    for name, owner in placement.scale_of.items():
        pooled[owner] = pooled[owner].merge(seen[name]) if owner in pooled else seen[name]
    return pooled


def find_grids(
    pooled: Mapping[str, Histogram], scheme: Scheme, method: str, clips: Mapping[str, tuple[float, float]]
) -> dict[str, Grid]:
    """Return the grid of each scale.

    Args:
        pooled: of :func:`pool_histograms`.
        scheme: activation type and symmetry.
        method: how to find a range, see :mod:`edgekit.quantize.ranges`.
        clips: limits that the graph itself sets to a value (Relu, Clip): no grid says more than they let through.
    """
    grids = {}
    for name, histogram in pooled.items():
        low, high = find_range(histogram, method)
        least, most = clips.get(name, (-np.inf, np.inf))
        low, high = max(low, min(least, 0.0)), min(high, max(most, 0.0))
        grids[name] = grid_from_range(low, high, np.dtype(scheme.activation), symmetric=scheme.activation_symmetric)
    return grids


def clips_of(graph: ir.Graph, placement: Placement) -> dict[str, tuple[float, float]]:
    """Return the limits that Relu and Clip set to values with a scale of their own."""
    limits: dict[str, tuple[float, float]] = {}
    for node in graph:
        name = str(node.outputs[0].name)
        if node.op_type in ("Relu", "Clip") and placement.scale_of.get(name) == name:
            limits[name] = (0.0, np.inf) if node.op_type == "Relu" else clip_limits(node)
    return limits


def clip_limits(node: ir.Node) -> tuple[float, float]:
    """Return (least, most) of a Clip with constant limits, infinite where it sets none."""

    def limit(index: int, otherwise: float) -> float:
        value = node.inputs[index] if len(node.inputs) > index else None
        return otherwise if value is None or value.const_value is None else float(value.const_value.numpy())

    return limit(1, -np.inf), limit(2, np.inf)
