"""What is constant becomes an initializer: weights listed as inputs, Constant nodes, and whatever follows from them.

Folding runs single operators through ONNX's own reference implementation. It is bounded: an operator is folded only
where its output's size is known before it runs and the model grows by at most ``GROWTH_BYTES``; a Cast may widen what
the file holds anyway (weights kept as float16). What the reference refuses, or divides in another way than the
runtimes (negative integers), stays for the runtime.
"""

import math

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import LiftConstantsToInitializersPass

from edgekit.graph.edits import Array, add_constant, constant_of, is_onnx, static_shape

GROWTH_BYTES = 1 << 20

# fmt: off
_FOLDED = (
    "Abs", "Add", "And", "Cast", "Ceil", "Concat", "ConstantOfShape", "Cos", "Div", "Equal", "Exp", "Expand",
    "Flatten", "Floor", "Gather", "Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Log", "Max",
    "Min", "Mul", "Neg", "Not", "Or", "Pow", "Range", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum",
    "Reshape", "Round", "Shape", "Sign", "Sin", "Size", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Tile",
    "Transpose", "Unsqueeze", "Where",
)
# fmt: on


def lift_inputs(model: ir.Model) -> int:
    """Take weights off the graphs' inputs: nobody may override them any longer."""
    count = 0
    for graph in model.graphs():
        weights = [value for value in graph.inputs if value.is_initializer()]
        for value in weights:
            graph.inputs.remove(value)
        count += len(weights)
    return count


def lift_constants(model: ir.Model) -> int:
    """Turn Constant nodes into initializers, also inside control-flow bodies."""
    before = sum(node.op_type == "Constant" for node in model.graph.all_nodes())
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    return before - sum(node.op_type == "Constant" for node in model.graph.all_nodes())


def fold_constants(model: ir.Model) -> int:
    """Replace nodes whose inputs are all constant, and questions about fixed shapes, by their answers."""
    count = 0
    growth_left_bytes = 4 * GROWTH_BYTES
    for node in model.graph:
        if any(output.is_graph_output() for output in node.outputs):
            continue
        answers = _known_dimensions(node) or _evaluated(node, model, growth_left_bytes)
        if answers is None:
            continue
        growth_left_bytes -= max(0, sum(each.nbytes for each in answers) - _freed_bytes(node))
        for output, answer in zip(node.outputs, answers, strict=True):
            output.replace_all_uses_with(add_constant(model.graph, f"{output.name}_folded", answer))
        model.graph.remove(node, safe=True)
        count += 1
    return count


def _known_dimensions(node: ir.Node) -> list[Array] | None:
    """Answer Shape of a fixed shape, and Gather of fixed axes out of a partly dynamic one."""
    if is_onnx(node, "Shape"):
        shape = static_shape(node.inputs[0])
        bounds = slice(node.attributes.get_int("start", 0), node.attributes.get_int("end", None))
        return None if shape is None else [np.asarray(shape[bounds], dtype=np.int64)]
    if not is_onnx(node, "Gather") or node.attributes.get_int("axis", 0) != 0:
        return None
    asked = node.inputs[0].producer() if node.inputs[0] is not None else None
    indices = constant_of(node.inputs[1])
    if asked is None or not is_onnx(asked, "Shape") or asked.attributes or indices is None or indices.size > 64:
        return None
    axes = asked.inputs[0].shape if asked.inputs[0] is not None else None
    if axes is None or any(not -len(axes) <= index < len(axes) for index in indices.flat):
        return None
    lengths = [axes[int(index)] for index in indices.flat]
    if not all(isinstance(length, int) for length in lengths):
        return None
    return [np.asarray(lengths, dtype=np.int64).reshape(indices.shape)]


def _evaluated(node: ir.Node, model: ir.Model, growth_left_bytes: int) -> list[Array] | None:
    feeds = {str(value.name): constant_of(value) for value in node.inputs if value is not None}
    sizes = [_size_bytes(output) for output in node.outputs]
    if not is_onnx(node, *_FOLDED) or not feeds or None in sizes or any(each is None for each in feeds.values()):
        return None
    growth_bytes = sum(size for size in sizes if size is not None) - _freed_bytes(node)
    if not is_onnx(node, "Cast") and growth_bytes > min(GROWTH_BYTES, growth_left_bytes):
        return None
    if is_onnx(node, "Div") and any(_is_negative_integer(array) for array in feeds.values()):
        return None
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415 - 11 MiB that most models do not need

    evaluator = ReferenceEvaluator(ir.to_proto(node), opsets={"": model.opset_imports[""]})
    try:
        with np.errstate(all="ignore"):
            answers = evaluator.run(None, feeds)
    except (IndexError, TypeError, ValueError):  # constants that do not fit: the runtime will say so, with names
        return None
    dtypes = [output.dtype.numpy() for output in node.outputs if output.dtype is not None]
    return [np.asarray(answer, dtype=dtype) for answer, dtype in zip(answers, dtypes, strict=True)]


def _is_negative_integer(array: Array | None) -> bool:
    return array is not None and np.issubdtype(array.dtype, np.integer) and bool((array < 0).any())


def _size_bytes(value: ir.Value) -> int | None:
    shape = static_shape(value)
    if shape is None or value.dtype is None or value.dtype == ir.DataType.STRING:
        return None
    return math.ceil(math.prod(shape) * value.dtype.bitwidth / 8)


def _freed_bytes(node: ir.Node) -> int:
    """Return the bytes of constants that nobody but ``node`` reads."""
    mine = [value for value in {*node.inputs} if value is not None and value.is_initializer()]
    return sum(value.const_value.nbytes for value in mine if value.const_value is not None and len(value.uses()) == 1)
