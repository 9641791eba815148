"""Dynamic quantization: int8 weights, activations quantized at run time from the numbers of each input.

For encoders, whose activations have outliers that no fixed range holds well. Each MatMul with a constant matrix becomes

    xq, xs, xz = DynamicQuantizeLinear(x)                          uint8, one scale for the tensor
    y = Cast(MatMulInteger(xq, Wq, xz, wz)) * (xs * ws)            Wq int8, one scale for each output channel

which ONNX Runtime melts into one kernel (DynamicQuantizeMatMul, or MatMulIntegerToFloat where several products read
one x). OpenVINO runs these graphs in float, so it gets static quantization instead.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.artifact import Artifact
from edgekit.errors import StepError
from edgekit.graph.edits import add_constant, constant_of, input_of, is_onnx, replace
from edgekit.graph.integer.grid import quantize, weight_grid
from edgekit.graph.load import load_model
from edgekit.graph.save import save_model
from edgekit.recipe import Given, Outcome


@dataclass(frozen=True)
class DynamicQuantization:
    """Store the matrices of MatMul (and of plain Gemm) as int8; see the module.

    Attributes:
        float_nodes: nodes of the prepared model to leave in float.
    """

    float_nodes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Take a list as TOML gives it."""
        object.__setattr__(self, "float_nodes", tuple(self.float_nodes))

    def __call__(self, model: Artifact, given: Given) -> Outcome:
        """Quantize a prepared ONNX model; needs no samples.

        Raises:
            StepError: the target is not an integer one.
        """
        scheme = given.target.scheme
        if scheme is None:
            raise StepError(f"quantize.dynamic needs an integer target; got {given.target.name}")
        graph = load_model(model.path)
        layers = [node for node in graph.graph if _takes(node) and str(node.name) not in self.float_nodes]
        if not layers:
            return Outcome(model, changed=False, facts={"why_float": "no MatMul with a constant matrix is there"})
        shared: dict[ir.Value, tuple[ir.Value, ir.Value, ir.Value]] = {}
        for node in layers:
            _rewrite(graph.graph, node, scheme.weight_bits, shared)
        path = given.folder / "quantized.onnx"
        save_model(graph, path)
        made = Artifact.of(path, kind="onnx", made_by="quantize.dynamic", parent=model.sha256)
        return Outcome(
            made, changed=True, facts={"int8_layers": len(layers), "layers_left_float": list(self.float_nodes)}
        )


def _takes(node: ir.Node) -> bool:
    """Whether ``node`` is a product with a constant float matrix that can be written this way."""
    if not is_onnx(node, "MatMul", "Gemm"):
        return False
    matrix = constant_of(input_of(node, 1))
    if matrix is None or matrix.dtype != np.float32 or matrix.ndim != 2:
        return False
    if node.op_type == "MatMul":
        return True
    plain = node.attributes.get_float("alpha", 1.0) == node.attributes.get_float("beta", 1.0) == 1.0
    return plain and not node.attributes.get_int("transA", 0)


def _rewrite(
    graph: ir.Graph, node: ir.Node, bits: int, shared: dict[ir.Value, tuple[ir.Value, ir.Value, ir.Value]]
) -> None:
    name, data = str(node.name), node.inputs[0]
    matrix = constant_of(node.inputs[1])
    if data is None or matrix is None:
        raise AssertionError(name)
    if node.attributes.get_int("transB", 0):  # only a Gemm has it
        matrix = matrix.T
    grid = weight_grid(matrix, 1, bits)
    integers = np.ascontiguousarray(quantize(matrix, grid, bits))
    if data not in shared:
        measured = _node(f"{name}_range", "DynamicQuantizeLinear", [data], outputs=3)
        graph.insert_before(node, measured)
        shared[data] = (measured.outputs[0], measured.outputs[1], measured.outputs[2])
    steps, scale, zero = shared[data]
    weight = add_constant(graph, f"{name}_int", integers)
    weight_zero = add_constant(graph, f"{name}_zero", grid.zero_point)
    weight_scale = add_constant(graph, f"{name}_scale", grid.scale)
    product = _node(name, "MatMulInteger", [steps, weight, zero, weight_zero])
    number = _node(f"{name}_number", "Cast", [product.outputs[0]], {"to": ir.DataType.FLOAT.value})
    both = _node(f"{name}_scales", "Mul", [scale, weight_scale])
    scaled = _node(f"{name}_scaled", "Mul", [number.outputs[0], both.outputs[0]])
    nodes = [product, number, both, scaled]
    bias = input_of(node, 2) if node.op_type == "Gemm" else None
    if bias is not None:
        nodes.append(_node(f"{name}_bias", "Add", [scaled.outputs[0], bias]))
    replace(node, nodes)


def _node(
    name: str, kind: str, inputs: list[ir.Value], attributes: dict[str, int] | None = None, outputs: int = 1
) -> ir.Node:
    made = ir.node(kind, inputs, attributes or {}, num_outputs=outputs, name=name)
    for index, output in enumerate(made.outputs):
        output.name = f"{name}_{index}"
    return made
