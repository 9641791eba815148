"""Tiny float graphs in ONNX's text form, with numbers drawn from a seed."""

import textwrap

import numpy as np
import onnx
import onnx_ir as ir

DRAW = 7


def model_from_text(text: str, *, opset: int = 17, **constants: np.ndarray) -> ir.Model:
    """Return the model that ``text`` says; every name in ``constants`` becomes an initializer."""
    graph = onnx.parser.parse_graph(textwrap.dedent(text))
    graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in constants.items())
    for index, node in enumerate(graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)
    made = onnx.shape_inference.infer_shapes(made, strict_mode=True)
    onnx.checker.check_model(made)
    return ir.from_proto(made)


def numbers(*shape: int, scale: float = 1.0, seed: int = DRAW) -> np.ndarray:
    """Normal float32 numbers."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def residual_net() -> ir.Model:
    """Conv, Relu, Conv, Add to the first, Relu, mean, Gemm: input (N, 3, 8, 8), output (N, 5)."""
    return model_from_text(
        """net (float[N,3,8,8] x) => (float[N,5] y) {
            a = Conv <pads=[1,1,1,1]> (x, w0, b0)
            b = Relu (a)
            c = Conv <pads=[1,1,1,1]> (b, w1, b1)
            d = Add (b, c)
            e = Relu (d)
            f = GlobalAveragePool (e)
            g = Flatten (f)
            y = Gemm <transB=1> (g, w2, b2)
        }""",
        w0=numbers(8, 3, 3, 3, scale=0.3, seed=0),
        b0=numbers(8, scale=0.1, seed=1),
        w1=numbers(8, 8, 3, 3, scale=0.15, seed=2),
        b1=numbers(8, scale=0.1, seed=3),
        w2=numbers(5, 8, scale=0.4, seed=4),
        b2=numbers(5, scale=0.1, seed=5),
    )
