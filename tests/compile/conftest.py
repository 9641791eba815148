"""Small Q/DQ graphs made by hand, and what onnxruntime says of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.profiles import Target
from edgekit.reading import read_toml

SCALE = 0.05


class Sketch:
    """Grows a Q/DQ graph: float operators between pairs, weights as integers behind DequantizeLinear."""

    def __init__(self, activation: type = np.uint8, opset: int = 17, seed: int = 0) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.activation, self.opset = activation, opset
        self.middle, self.bottom = (128, 0) if activation is np.uint8 else (0, -128)
        self.draw = np.random.default_rng(seed)
        self.count = 0

    def name(self, prefix: str) -> str:
        """Return a name that nobody has."""
        self.count += 1
        return f"{prefix}_{self.count}"

    def constant(self, array: Any, name: str = "constant") -> str:
        """Add an initializer."""
        tensor = numpy_helper.from_array(np.asarray(array), self.name(name))
        self.constants.append(tensor)
        return tensor.name

    def input(self, *shape: int | str, name: str = "input") -> str:
        """Add a float input of the graph."""
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def op(self, kind: str, *inputs: str, name: str = "", outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; return its output, or outputs."""
        made = [self.name(kind.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, made, name=name or self.name(f"node_{kind}"), **attributes))
        return made[0] if outputs == 1 else made

    def pair(self, value: str, zero: int | None = None, scale: float = SCALE) -> str:
        """Add QuantizeLinear and DequantizeLinear behind a value."""
        zero = self.middle if zero is None else zero
        grid = self.constant(np.float32(scale), "scale"), self.constant(np.array(zero, self.activation), "zero")
        return self.op("DequantizeLinear", self.op("QuantizeLinear", value, *grid), *grid)

    def weight(self, shape: tuple[int, ...], axis: int | None = 0, name: str = "weight") -> str:
        """Add int8 numbers behind DequantizeLinear."""
        channels = () if axis is None else (shape[axis],)
        self.scales = (0.004 + 0.008 * self.draw.random(channels)).astype(np.float32)
        integers = self.draw.integers(-127, 128, shape).astype(np.int8)
        grid = self.constant(self.scales, f"{name}_scale"), self.constant(np.zeros(channels, np.int8), f"{name}_zero")
        attributes = {} if axis is None else {"axis": axis}
        return self.op("DequantizeLinear", self.constant(integers, name), *grid, **attributes)

    def bias(self, channels: int) -> str:
        """Add int32 numbers behind DequantizeLinear, for the last weight."""
        scale = self.constant((self.scales * np.float32(SCALE)).astype(np.float32), "bias_scale")
        integers = self.draw.integers(-900, 900, channels).astype(np.int32)
        zero = self.constant(np.zeros(self.scales.shape, np.int32), "bias_zero")
        axis = {"axis": 0} if self.scales.shape else {}
        return self.op("DequantizeLinear", self.constant(integers, "bias"), scale, zero, **axis)

    def conv(self, value: str, before: int, behind: int, **options: Any) -> str:
        """Add a Conv of integer weight and bias; options: kernel, group, name, and the attributes of Conv."""
        kernel, group, name = options.pop("kernel", 3), options.pop("group", 1), options.pop("name", "")
        weight = self.weight((behind, before // group, kernel, kernel))
        settings = {"kernel_shape": [kernel] * 2, "pads": [kernel // 2] * 4, "group": group, **options}
        return self.op("Conv", value, weight, self.bias(behind), name=name, **settings)

    def block(self, value: str, before: int, behind: int, **settings: Any) -> str:
        """Conv, Relu and a pair."""
        return self.pair(self.op("Relu", self.conv(value, before, behind, **settings)), self.bottom)

    def model(self, *results: str) -> onnx.ModelProto:
        """Close the graph: ``output``, ``output_1``, ..."""
        outputs = []
        for index, result in enumerate(results):
            name = "output" if index == 0 else f"output_{index}"
            self.nodes.append(helper.make_node("Identity", [result], [name], name=f"end_{index}"))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        graph = helper.make_graph(self.nodes, "sketch", self.inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", self.opset)]
        model = onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opsets, ir_version=9))
        onnx.checker.check_model(model)
        return model


@pytest.fixture
def sketch() -> Callable[..., Sketch]:
    """``sketch()`` begins a graph."""
    return Sketch


@pytest.fixture
def save(tmp_path: Path) -> Callable[[onnx.ModelProto], Path]:
    """Write a model to a file of its own."""

    def write(model: onnx.ModelProto, name: str = "source.onnx") -> Path:
        path = tmp_path / name
        onnx.save(model, path)
        return path

    return write


@pytest.fixture
def target(root: Path) -> Callable[[str], Target]:
    """Return a shipped target."""
    return lambda name: read_toml(root / "targets" / f"{name}.toml", Target, what="target")


@pytest.fixture
def picture() -> Callable[..., dict[str, np.ndarray]]:
    """``picture(1, 3, 8, 8)`` is one input that reaches over the whole grid of a pair."""

    def draw(*shape: int, seed: int = 1) -> dict[str, np.ndarray]:
        return {"input": np.random.default_rng(seed).uniform(-6, 6, shape).astype(np.float32)}

    return draw
