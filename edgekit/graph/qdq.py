"""The one QDQ writer: a float graph, a placement and grids in; a graph with Q/DQ pairs and integer weights out.

Whatever finds the numbers ends here, so equal numbers give equal graphs. A value that an integer node made is read
through its pair by everybody; a value made in float keeps its float readers. Names of the graph's inputs and outputs
never change.
"""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgekit.graph.integer.grid import Array, Grid, quantize, quantize_bias, weight_grid, widen_for_bias
from edgekit.graph.placement import WEIGHTED, Placement, WeightSite
from edgekit.profiles import Scheme


def write_pairs(
    model: ir.Model,
    placement: Placement,
    grids: Mapping[str, Grid],
    scheme: Scheme,
) -> ir.Model:
    """Return a quantized copy of ``model``.

    Args:
        model: the prepared float model (not changed).
        placement: of :func:`edgekit.graph.placement.place_pairs`.
        grids: of each value that has a scale of its own, by name.
        scheme: the target's.
    """
    copy = model.clone()
    writer = _Writer(copy.graph, placement, grids, scheme)
    for site in placement.weights:
        writer.write_weight(site)
    for name in placement.values:
        writer.write_pair(name)
    _drop_unread(copy.graph)
    return copy


class _Writer:
    """Holds the graph and what was already written to it."""

    def __init__(self, graph: ir.Graph, placement: Placement, grids: Mapping[str, Grid], scheme: Scheme) -> None:
        self.graph = graph
        self.placement = placement
        self.grids = grids
        self.scheme = scheme
        self.nodes = {str(node.name): node for node in graph}
        self.values = {str(value.name): value for value in graph.inputs}
        self.values |= {str(value.name): value for node in graph for value in node.outputs}
        self.constants: dict[tuple[bytes, str, tuple[int, ...]], ir.Value] = {}
        self.taken = {*self.values, *graph.initializers}
        self.integer_nodes = set(placement.nodes)

    def grid_of(self, name: str) -> Grid:
        """Return the grid of a value, through the value whose scale it shares."""
        return self.grids[self.placement.scale_of[name]]

    # ------------------------------------------------------------- activations
    def write_pair(self, name: str) -> None:
        """Put QuantizeLinear and DequantizeLinear behind a value."""
        value, grid = self.values[name], self.grid_of(name)
        producer = value.producer()
        readers = [(use.node, use.idx) for use in value.uses()]
        if not self._made_by_integers(value):
            readers = [(node, index) for node, index in readers if str(node.name) in self.integer_nodes]
        scale, zero = self._constant(name + "_scale", grid.scale), self._constant(name + "_zero", grid.zero_point)
        q = ir.node("QuantizeLinear", [value, scale, zero], num_outputs=1, name=self._name(name + "_q"))
        q.outputs[0].name = str(q.name)
        dq = ir.node("DequantizeLinear", [q.outputs[0], scale, zero], num_outputs=1, name=self._name(name + "_dq"))
        restored = dq.outputs[0]
        restored.name, restored.shape, restored.type = str(dq.name), value.shape, value.type
        if producer is None:
            self.graph.insert_before(self.graph[0], [q, dq])
        else:
            self.graph.insert_after(producer, [q, dq])
        for node, index in readers:
            node.replace_input_with(index, restored)
        if value.is_graph_output() and self._made_by_integers(value):
            self._hand_over_output(value, restored)

    def _made_by_integers(self, value: ir.Value) -> bool:
        """Whether the value is the result of an integer node, directly or behind its activation."""
        producer = value.producer()
        if producer is None:
            return False
        if str(producer.name) in self.integer_nodes:
            return True
        if producer.op_type not in self.scheme.fused or producer.inputs[0] is None:
            return False
        before = producer.inputs[0].producer()
        return before is not None and str(before.name) in self.integer_nodes

    def _hand_over_output(self, value: ir.Value, restored: ir.Value) -> None:
        name = value.name
        value.name = self._name(f"{name}_float")
        restored.name = name
        for index, output in enumerate(self.graph.outputs):
            if output is value:
                self.graph.outputs[index] = restored

    # ----------------------------------------------------------------- weights
    def write_weight(self, site: WeightSite) -> None:
        """Store a weight (and its bias) as integers behind DequantizeLinear."""
        node = self.nodes[site.node]
        index = WEIGHTED[node.op_type]
        source = node.inputs[0]
        input_scale = float(self.grid_of(str(source.name)).scale) if source is not None else 1.0
        weight = _numbers(node.inputs[index])
        grid = weight_grid(weight, site.axis, self.scheme.weight_bits)
        if site.bias is not None and self.scheme.bias == "int32":
            bias = _numbers(node.inputs[2])
            if grid.axis is not None:
                bias = np.broadcast_to(bias.reshape(-1), grid.scale.shape)
            grid = widen_for_bias(grid, bias, input_scale)
            self._read_through(node, 2, site.bias, *quantize_bias(bias, input_scale, grid))
        self._read_through(node, index, site.value, quantize(weight, grid, self.scheme.weight_bits), grid)

    def _read_through(self, node: ir.Node, index: int, name: str, integers: Array, grid: Grid) -> None:
        stored = self._constant(name + "_int", integers)
        scale, zero = self._constant(name + "_scale", grid.scale), self._constant(name + "_zero", grid.zero_point)
        attributes = {} if grid.axis is None else {"axis": grid.axis}
        dq = ir.node(
            "DequantizeLinear", [stored, scale, zero], attributes, num_outputs=1, name=self._name(name + "_dq")
        )
        dq.outputs[0].name = str(dq.name)
        self.graph.insert_before(node, dq)
        node.replace_input_with(index, dq.outputs[0])

    # --------------------------------------------------------------- constants
    def _constant(self, name: str, data: Array) -> ir.Value:
        """Return an initializer that holds ``data``; equal data is stored once."""
        key = (data.tobytes(), data.dtype.name, data.shape)
        if key not in self.constants:
            value = ir.val(self._name(name), const_value=ir.tensor(np.ascontiguousarray(data).reshape(data.shape)))
            self.graph.register_initializer(value)
            self.constants[key] = value
        return self.constants[key]

    def _name(self, wanted: str) -> str:
        name, count = wanted, 1
        while name in self.taken:
            name, count = f"{wanted}_{count}", count + 1
        self.taken.add(name)
        return name


def _numbers(value: ir.Value | None) -> Array:
    if value is None or value.const_value is None:
        msg = "a weight site names a value that is not constant"
        raise AssertionError(msg)
    return value.const_value.numpy()


def _drop_unread(graph: ir.Graph) -> None:
    """Remove initializers that nobody reads any more."""
    outputs = set(graph.outputs)
    for name, value in list(graph.initializers.items()):
        if not list(value.uses()) and value not in outputs:
            del graph.initializers[name]
