from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from edgekit.graph.prefixes import float_prefixes


def chain(kinds: Sequence[str]) -> ir.Graph:
    """A row of layers over 8 channels: ``dense``, ``depthwise`` (named 0, 1, ... among the layers), or operators."""
    nodes, constants, value, layer = [], [], "input", 0
    for kind in kinds:
        result = f"value_{len(nodes)}"
        if kind in ("dense", "depthwise"):
            group = 8 if kind == "depthwise" else 1
            constants.append(numpy_helper.from_array(np.ones((8, 8 // group, 1, 1), np.float32), f"weight_{layer}"))
            inputs, name, settings = [value, f"weight_{layer}"], str(layer), {"group": group}
            nodes.append(helper.make_node("Conv", inputs, [result], name=name, **settings))
            layer += 1
        else:
            settings = {"kernel_shape": [2, 2]} if kind == "MaxPool" else {}
            nodes.append(helper.make_node(kind, [value], [result], name=f"other_{len(nodes)}", **settings))
        value = result
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("input", value)]
    graph = helper.make_graph(nodes, "chain", ports[:1], ports[1:], constants)
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)).graph


def lengths(kinds: Sequence[str]) -> list[int]:
    return [len(prefix) for prefix in float_prefixes(chain(kinds))]


def test_a_separable_network_gets_a_few_prefixes_in_graph_order() -> None:
    kinds = ["dense", "Relu", *["depthwise", "Relu", "dense", "Relu"] * 13, "dense"]

    assert lengths(kinds) == [3, 5, 9, 14]
    assert float_prefixes(chain(kinds))[0] == ("0", "1", "2")


def test_a_network_without_depthwise_convolutions_gets_none() -> None:
    assert lengths(["dense", "Relu"] * 20) == []
    assert lengths(["Relu"]) == []


def test_a_small_network_gets_each_length_once() -> None:
    kinds = ["dense", "depthwise", "dense", "Relu", "MaxPool", "dense"]

    assert float_prefixes(chain(kinds)) == [("0",), ("0", "1")]


def test_products_of_two_activations_are_no_layers() -> None:
    graph = chain(["depthwise", "dense", "dense"])
    graph.append(ir.node("MatMul", [graph.outputs[0], graph.outputs[0]], name="product"))

    assert all("product" not in prefix for prefix in float_prefixes(graph))
    assert [len(prefix) for prefix in float_prefixes(graph)] == [1]


def test_the_whole_network_is_no_prefix() -> None:
    assert lengths(["depthwise"]) == []
