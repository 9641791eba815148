"""A user's model -> the float model that everything downstream works on, which computes the same.

The order: weights off the inputs, constants out of their nodes, opset 13 at least, float16 inside to float32, shapes;
then clean-ups, round by round, until a round finds nothing; at the end unused things go and every node has a
name of its own. Preparing a prepared model changes nothing. What stands in the bodies of If, Loop and Scan is left as
it is, but for its opset and its constants.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import (
    CommonSubexpressionEliminationPass,
    NameFixPass,
    RemoveUnusedNodesPass,
    RemoveUnusedOpsetsPass,
    TopologicalSortPass,
)

from edgekit.graph.passes.activations import merge_activations
from edgekit.graph.passes.affine import fold_affine
from edgekit.graph.passes.constants import fold_constants, lift_constants, lift_inputs
from edgekit.graph.passes.halves import widen_halves
from edgekit.graph.passes.means import pool_means
from edgekit.graph.passes.noops import remove_noops
from edgekit.graph.passes.opset import raise_opset
from edgekit.graph.passes.pads import fold_pads
from edgekit.graph.passes.shapes import infer_shapes

Pass = Callable[[ir.Model], int]

OPENING: Mapping[str, Pass] = {
    "weights_off_inputs": lift_inputs,
    "constants_lifted": lift_constants,
    "shapes_found": infer_shapes,
    "opset_raised": raise_opset,
    "halves_widened": widen_halves,
}
ROUND: Mapping[str, Pass] = {
    "constants_folded": fold_constants,
    "noops_removed": remove_noops,
    "activations_merged": merge_activations,
    "pads_folded": fold_pads,
    "affine_folded": fold_affine,
    "means_pooled": pool_means,
}
_MOST_ROUNDS = 32


@dataclass(frozen=True)
class Prepared:
    """A model ready to be quantized or compiled, and how many edits each pass made."""

    model: ir.Model
    facts: Mapping[str, int]


def prepare(model: ir.Model) -> Prepared:
    """Clean a copy of ``model``; the given one is not changed (both share their tensors).

    Raises:
        ModelError: an operator of an opset below 13 cannot be raised exactly; it is named.
    """
    model = model.clone()
    facts: dict[str, int] = {}
    for name, clean in OPENING.items():
        facts[name] = clean(model)
    model.ir_version = max(model.ir_version, _least_ir(model))
    for _ in range(_MOST_ROUNDS):
        infer_shapes(model)
        found = {name: clean(model) for name, clean in ROUND.items()}
        found["unused_removed"] = _remove_unused(model)
        for name, count in found.items():
            facts[name] = facts.get(name, 0) + count
        if not any(found.values()):
            break
    _settle_names(model)
    return Prepared(model, facts)


def _least_ir(model: ir.Model) -> int:
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in model.opset_imports.items()]
    return int(onnx.helper.find_min_ir_version_for(opsets, ignore_unknown=True))


def _remove_unused(model: ir.Model) -> int:
    before = model.graph.num_nodes()
    CommonSubexpressionEliminationPass()(model)
    RemoveUnusedNodesPass()(model)
    return before - model.graph.num_nodes()


class _Names:
    """A node without a name is called after its operator, a value without one after its node."""

    def generate_node_name(self, node: ir.Node) -> str:
        return node.name or node.op_type

    def generate_value_name(self, value: ir.Value) -> str:
        maker = value.producer()
        return value.name or (f"{maker.op_type}_output" if maker else "value")


def _settle_names(model: ir.Model) -> None:
    RemoveUnusedOpsetsPass()(model)
    TopologicalSortPass()(model)
    NameFixPass(_Names())(model)
