"""Shapes and types of every value, found anew; symbols of dynamic axes are kept.

What an exporter noted on values between nodes may be wrong or stale, so it is forgotten first; only the results of
operators that ONNX has no rule for keep their notes. The declared shapes of the graph's inputs are believed, those of
its outputs gain at most fixed lengths.
"""

import logging
import math

import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from edgekit.graph.edits import ONNX_DOMAINS, constant_of, input_of, is_onnx

_SEQUENCES = (
    "Optional",
    "SequenceConstruct",
    "SequenceEmpty",
    "SequenceErase",
    "SequenceInsert",
    "SequenceMap",
    "SplitToSequence",
)

MOST_FOLLOWED = 1 << 16
"""Elements of a constant shape up to which onnx may follow single numbers through the graph."""


def infer_shapes(model: ir.Model) -> int:
    """Fill in shapes and types; return how many values have a type afterwards."""
    for node in model.graph.all_nodes():
        for value in node.outputs if node.domain in ONNX_DOMAINS else ():
            if not value.is_graph_output():
                value.shape = None
    declared = [(value, value.shape) for value in model.graph.outputs]
    logger = logging.getLogger("onnx_ir.passes.common.shape_inference")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns with a traceback where inference finds nothing
    try:
        ShapeInferencePass(check_type=False, strict_mode=False, data_prop=not _holds_bomb(model))(model)
    finally:
        logger.setLevel(level)
    _forget_sequences(model)
    for value, shape in declared:
        value.shape = _with_fixed_lengths(shape, value.shape)
    return sum(value.type is not None for node in model.graph.all_nodes() for value in node.outputs)


def _forget_sequences(model: ir.Model) -> None:
    """Take back the tensor types that onnx-ir gives to sequences; ONNX finds theirs again where it needs them."""
    sequences: set[ir.Value] = set()
    for node in model.graph.all_nodes():
        made = list(node.outputs) if is_onnx(node, *_SEQUENCES) or sequences & set(_handed_on(node)) else []
        for attribute in node.attributes.values() if is_onnx(node, "If", "Loop") else ():
            results = attribute.as_graph().outputs if attribute.type == ir.AttributeType.GRAPH else ()
            pairs = zip(node.outputs, results if node.op_type == "If" else results[1:], strict=False)
            made += [output for output, result in pairs if isinstance(result.type, ir.SequenceType)]
        sequences.update(made)
    for value in sequences:
        if isinstance(value.type, ir.TensorType):
            value.type, value.shape = None, None


def _handed_on(node: ir.Node) -> list[ir.Value]:
    return [value for value in node.inputs if value is not None] if is_onnx(node, "Identity") else []


def _holds_bomb(model: ir.Model) -> bool:
    """Whether a constant asks for a shape so large that onnx would not end following the numbers in it."""
    asked = (constant_of(input_of(node, 0)) for node in model.graph.all_nodes() if is_onnx(node, "ConstantOfShape"))
    return any(shape is not None and math.prod(shape.tolist()) > MOST_FOLLOWED for shape in asked)


def _with_fixed_lengths(declared: ir.Shape | None, found: ir.Shape | None) -> ir.Shape | None:
    """Return the declared shape in which unnamed axes take the fixed lengths that were found."""
    if declared is None or found is None or len(declared) != len(found):
        return declared if declared is not None else found
    pairs = zip(declared, found, strict=True)
    return ir.Shape([new if isinstance(new, int) and not isinstance(old, int) else old for old, new in pairs])
