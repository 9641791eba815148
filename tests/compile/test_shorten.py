from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from edgekit.compile.shorten import short_name, shorten_names
from edgekit.graph.load import load_model
from edgekit.graph.save import model_bytes
from edgekit.runner.runtimes.onnxruntime import onnxruntime

Feeds = dict[str, np.ndarray]


def shortened(path: Path) -> onnx.ModelProto:
    model = load_model(path)
    shorten_names(model)
    return onnx.load_from_string(model_bytes(model))


def test_numbers_become_short_words() -> None:
    assert [short_name(each) for each in (0, 9, 10, 35, 36, 36 * 36)] == ["0", "9", "a", "z", "10", "100"]


def test_ports_and_weighted_nodes_keep_their_names(sketch: Callable[..., Any], save: Callable[..., Path]) -> None:
    g = sketch()
    source = g.model(g.block(g.pair(g.input(1, 3, 8, 8)), 3, 4, name="features/conv"))
    proto = shortened(save(source))

    assert [each.name for each in proto.graph.input] == ["input"]
    assert [each.name for each in proto.graph.output] == ["output"]
    assert [node.name for node in proto.graph.node if node.name] == ["features/conv"]
    inner = {name for node in proto.graph.node for name in node.output} - {"output"}
    assert max(map(len, inner)) == 1
    assert max(len(tensor.name) for tensor in proto.graph.initializer) == 1


def test_a_short_file_computes_the_same_and_is_smaller(
    sketch: Callable[..., Any], save: Callable[..., Path], picture: Callable[..., Feeds]
) -> None:
    g = sketch()
    source = g.model(g.block(g.pair(g.input(1, 3, 8, 8)), 3, 4))
    proto, feeds = shortened(save(source)), picture(1, 3, 8, 8)
    before, after = (
        onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feeds)[0]
        for each in (source, proto)
    )

    assert np.array_equal(before, after)
    assert proto.ByteSize() < 0.7 * source.ByteSize()
    assert not proto.graph.value_info


def test_unread_constants_and_prose_go(sketch: Callable[..., Any], save: Callable[..., Path]) -> None:
    g = sketch()
    g.constant(np.zeros(1000, np.float32), "unread")
    source = g.model(g.op("Relu", g.input(1, 3)))
    source.doc_string = "made on a machine whose path stands here"
    source.metadata_props.add(key="author", value="somebody")
    source.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    source.graph.node[0].doc_string = "a stack trace"
    proto = shortened(save(source))

    assert not proto.graph.initializer
    assert not proto.doc_string
    assert not proto.metadata_props
    assert not proto.graph.node[0].doc_string
    assert proto.producer_name == "edgekit"
    assert [opset.domain for opset in proto.opset_import] == [""]


def test_a_port_that_is_called_like_a_short_name_is_not_shadowed(
    sketch: Callable[..., Any], save: Callable[..., Path]
) -> None:
    g = sketch()
    value = g.input(1, 3, name="0")
    source = g.model(g.op("Add", g.op("Relu", value), g.constant(np.ones(3, np.float32))))
    proto = shortened(save(source))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])

    assert session.run(None, {"0": np.array([[-1, 0, 2]], np.float32)})[0].tolist() == [[1, 1, 3]]


def test_a_body_still_sees_what_it_reads_from_outside(save: Callable[..., Path]) -> None:
    def branch(kind: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(f"{kind}_result", TensorProto.FLOAT, [3])
        node = helper.make_node(kind, ["long_name_of_a_value", "constant_of_outside"], [f"{kind}_result"])
        return helper.make_graph([node], kind, [], [out])

    nodes = [
        helper.make_node("Relu", ["input"], ["long_name_of_a_value"]),
        helper.make_node("If", ["flag"], ["output"], then_branch=branch("Add"), else_branch=branch("Mul")),
    ]
    inputs = [
        helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
        helper.make_tensor_value_info("input", TensorProto.FLOAT, [3]),
    ]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [3])
    constant = onnx.numpy_helper.from_array(np.full(3, 10, np.float32), "constant_of_outside")
    graph = helper.make_graph(nodes, "with_bodies", inputs, [output], [constant])
    path = save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))
    session = onnxruntime.InferenceSession(shortened(path).SerializeToString(), providers=["CPUExecutionProvider"])
    numbers = np.array([-1, 2, 3], np.float32)

    assert session.run(None, {"flag": np.array(True), "input": numbers})[0].tolist() == [10, 12, 13]
    assert session.run(None, {"flag": np.array(False), "input": numbers})[0].tolist() == [0, 20, 30]
