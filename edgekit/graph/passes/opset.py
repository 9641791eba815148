"""Opset 7 to 12 -> 13, where per-channel Q/DQ begins: by our own rules, since onnx's converter changes results.

* An operator whose definition is the same in opset 13, or only takes more types or fixes words there, stays.
* One whose attributes became inputs, or whose default changed, is rewritten so that it computes the same.
* Any other, or one of these with a setting that opset 13 cannot say, is refused by name.

A model of opset 13 or newer keeps its own. Control-flow bodies are raised too.
"""

import onnx
import onnx_ir as ir

from edgekit.errors import ModelError
from edgekit.graph.edits import ONNX_DOMAINS
from edgekit.graph.passes.old_operators import REWRITES, Unsayable

LEAST_OPSET = 13

# fmt: off
_SAME = frozenset((
    "Abs", "Add", "ArgMax", "ArgMin", "AveragePool", "Cast", "Ceil", "Compress", "Concat", "Constant", "Conv",
    "ConvTranspose", "DepthToSpace", "DequantizeLinear", "Div", "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor",
    "Gather", "GatherElements", "GatherND", "Gemm", "Greater", "Identity", "If", "IsNaN", "LRN", "Less", "Log", "Loop",
    "LpPool", "MatMul", "Max", "MaxPool", "MaxUnpool", "Mean", "MeanVarianceNormalization", "Min", "Mod", "Mul", "Neg",
    "NonMaxSuppression", "NonZero", "OneHot", "PRelu", "Pow", "QuantizeLinear", "Reciprocal", "ReduceL1", "ReduceL2",
    "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSumSquare", "Relu",
    "Reshape", "ScatterElements", "ScatterND", "Shape", "Sigmoid", "Sign", "Size", "SpaceToDepth", "Sqrt", "Sub", "Sum",
    "Tanh", "Tile", "Transpose",
))
# fmt: on


def raise_opset(model: ir.Model) -> int:
    """Raise the model to opset 13 if it is older; return how many nodes were rewritten.

    Raises:
        ModelError: operators that cannot be raised exactly, by name; the model is not usable afterwards.
    """
    opset = model.opset_imports[""]
    if opset >= LEAST_OPSET:
        return 0
    mistakes: list[str] = []
    count = 0
    for node in list(model.graph.all_nodes()):
        if node.domain not in ONNX_DOMAINS or _since(node, opset) == _since(node, LEAST_OPSET):
            continue
        if node.op_type in _SAME:
            continue
        try:
            REWRITES.get(node.op_type, _refuse)(node, opset)
        except Unsayable as reason:
            words = f"operator {node.op_type!r} (node {node.name!r}) of opset {opset}"
            mistakes.append(f"{words} cannot be raised to opset {LEAST_OPSET} exactly: {reason}")
        count += 1
    if mistakes:
        raise ModelError(mistakes, hint="export the model again with opset 13 or newer")
    model.opset_imports[""] = LEAST_OPSET
    return count


def _since(node: ir.Node, opset: int) -> int:
    """Return the opset in which the definition that holds at ``opset`` was written; 0 for none."""
    try:
        schema = onnx.defs.get_schema(node.op_type, opset)
    except onnx.defs.SchemaError:
        return 0
    return 0 if schema.deprecated else schema.since_version


def _refuse(_node: ir.Node, _opset: int) -> None:
    raise Unsayable("there is no rule for it")
