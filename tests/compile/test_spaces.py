from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx_ir as ir
from onnx import TensorProto, helper

from edgekit.compile.spaces import channels_of, find_spaces, integer_weight_shape, is_dense, is_depthwise
from edgekit.graph.load import load_model
from edgekit.graph.passes.shapes import infer_shapes


def graph_of(path: Path) -> ir.Graph:
    model = load_model(path)
    infer_shapes(model)
    return model.graph


def node(graph: ir.Graph, name: str) -> ir.Node:
    return next(each for each in graph if each.name == name)


def separable(g: Any) -> str:
    """Stem 3 to 8, depthwise 8, pointwise 8 to 20, and the end."""
    stem = g.block(g.pair(g.input(1, 3, 8, 8)), 3, 8, name="stem")
    deep = g.block(stem, 8, 8, group=8, name="deep")
    return g.block(deep, 8, 20, kernel=1, name="point")


def test_a_depthwise_convolution_joins_and_dense_ones_border_a_space(
    sketch: Callable[..., Any], save: Callable[..., Path]
) -> None:
    g = sketch()
    graph = graph_of(save(g.model(separable(g))))

    inner = [space for space in find_spaces(graph) if space.makers and space.readers]

    assert len(inner) == 1
    assert [each.name for each in inner[0].makers] == ["stem"]
    assert [each.name for each in inner[0].depthwise] == ["deep"]
    assert [each.name for each in inner[0].readers] == ["point"]
    assert inner[0].channels == 8
    assert not inner[0].blocked


def test_what_the_graph_takes_and_gives_is_blocked(sketch: Callable[..., Any], save: Callable[..., Path]) -> None:
    g = sketch()
    graph = graph_of(save(g.model(separable(g))))

    for space in find_spaces(graph):
        ports = {*graph.inputs, *graph.outputs} & set(space.values)
        assert space.blocked or not ports


def test_a_concat_blocks_and_an_add_of_two_joins(sketch: Callable[..., Any], save: Callable[..., Path]) -> None:
    g = sketch()
    source = g.pair(g.input(1, 4, 8, 8))
    left, right = g.block(source, 4, 6, name="left"), g.block(source, 4, 6, name="right")
    total = g.pair(g.op("Add", left, right))
    third, fourth = g.block(total, 6, 5, name="third"), g.block(total, 6, 7, name="fourth")
    graph = graph_of(save(g.model(g.pair(g.op("Concat", third, fourth, axis=1)))))

    by_maker = {maker.name: space for space in find_spaces(graph) for maker in space.makers}

    assert by_maker["left"] is by_maker["right"]
    assert not by_maker["left"].blocked
    assert by_maker["third"].blocked
    assert by_maker["fourth"].blocked


def test_float_convolutions_free_channels_and_groups_have_no_integer_weight(
    sketch: Callable[..., Any], save: Callable[..., Path]
) -> None:
    g = sketch()
    value = g.pair(g.input(1, 4, 8, 8))
    free = g.block(g.pair(g.input(1, "c", 8, 8, name="free")), 4, 4, name="of_free")
    grouped = g.block(value, 4, 4, group=2, name="grouped")
    floats = g.op("Conv", g.op("Relu", value), g.weight((4, 4, 1, 1)), name="floats")
    graph = graph_of(save(g.model(free, grouped, floats)))

    assert integer_weight_shape(node(graph, "of_free")) is None
    assert integer_weight_shape(node(graph, "floats")) is None
    assert integer_weight_shape(node(graph, "grouped")) == (4, 2, 3, 3)
    assert not is_dense(node(graph, "grouped"))
    assert not is_depthwise(node(graph, "grouped"))


def test_channels_are_the_second_axis_of_a_picture(sketch: Callable[..., Any], save: Callable[..., Path]) -> None:
    g = sketch()
    flat = g.op("Flatten", g.pair(g.input("n", 4, 8, 8)))
    graph = graph_of(save(g.model(flat)))

    assert channels_of(graph.inputs[0]) == 4
    assert channels_of(node(graph, "end_0").inputs[0]) is None
    assert channels_of(None) is None


def test_what_a_body_of_control_flow_reads_is_blocked(save: Callable[..., Path], sketch: Callable[..., Any]) -> None:
    g = sketch()
    inner = g.block(g.pair(g.input(1, 4, 8, 8)), 4, 6, name="inner")
    last = g.block(inner, 6, 8, name="last")
    branches = {}
    for kind in ("Neg", "Abs"):
        result = helper.make_tensor_value_info(f"{kind}_result", TensorProto.FLOAT, None)
        node = helper.make_node(kind, [inner], [f"{kind}_result"])
        branches[kind] = helper.make_graph([node], kind, [], [result])
    g.inputs.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, []))
    chosen = g.op("If", "flag", then_branch=branches["Neg"], else_branch=branches["Abs"])
    graph = graph_of(save(g.model(last, chosen)))

    assert all(space.blocked for space in find_spaces(graph) for maker in space.makers if maker.name == "inner")
