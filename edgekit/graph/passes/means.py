"""A mean over whole maps in one form: GlobalAveragePool, which runtimes have integer kernels for.

ReduceMean over the spatial axes of (batch, channels, height, width), and AveragePool whose window is the whole map.
"""

import onnx_ir as ir

from edgekit.graph.edits import constant_of, input_of, is_onnx, rank_of, replace

_MAPS = 4
_SPATIAL = [2, 3]


def pool_means(model: ir.Model) -> int:
    """Write means over whole maps as GlobalAveragePool; return how many."""
    count = 0
    for node in list(model.graph):
        value = node.inputs[0] if node.inputs else None
        if value is None or rank_of(value) != _MAPS or value.dtype != ir.DataType.FLOAT:
            continue
        if is_onnx(node, "ReduceMean") and _axes(node) == _SPATIAL:
            _write(node, value, flat=not node.attributes.get_int("keepdims", 1))
            count += 1
        elif is_onnx(node, "AveragePool") and _whole(node, value):
            _write(node, value, flat=False)
            count += 1
    return count


def _axes(node: ir.Node) -> list[int] | None:
    """Axes as an attribute (to opset 17) or as an input (from 18), counted from the front and sorted."""
    given = constant_of(input_of(node, 1))
    axes = list(node.attributes.get_ints("axes", ())) if given is None else given.reshape(-1).tolist()
    return sorted(int(axis) % _MAPS for axis in axes) if axes else None


def _whole(node: ir.Node, value: ir.Value) -> bool:
    result = node.outputs[0].shape
    dims = tuple(value.shape)[2:] if value.shape is not None else ()
    window = tuple(node.attributes.get_ints("kernel_shape", ()))
    padded = any(node.attributes.get_ints("pads", ())) or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET"
    dilated = any(step != 1 for step in node.attributes.get_ints("dilations", ()))
    ones = result is not None and tuple(result)[2:] == (1, 1)
    return bool(window and dims == window and ones and not padded and not dilated)


def _write(node: ir.Node, value: ir.Value, *, flat: bool) -> None:
    pool = ir.node("GlobalAveragePool", [value], name=node.name)
    if not flat:
        replace(node, [pool])
        return
    pool.outputs[0].name = f"{node.outputs[0].name}_map"
    pool.outputs[0].type = value.type
    replace(node, [pool, ir.node("Flatten", [pool.outputs[0]], {"axis": 1}, name=f"{node.name}_flat")])
