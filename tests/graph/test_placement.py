"""Where pairs stand: the rules of the module, one by one, on graphs of a few nodes."""

import numpy as np
import pytest
from tiny_models import model_from_text, numbers, residual_net

from edgekit.graph.placement import Placement, place_pairs
from edgekit.profiles import Scheme

SCHEME = Scheme(
    activation="uint8",
    operators=("Conv", "Gemm", "MatMul", "Add", "Mul", "GlobalAveragePool", "AveragePool"),
    shared=("MaxPool", "Reshape", "Flatten", "Transpose", "Concat"),
    fused=("Relu", "Clip"),
    float_output=("Gemm", "MatMul", "Add", "Mul", "GlobalAveragePool"),
)
W = {"w": numbers(4, 4, 1, 1), "b": numbers(4)}


def place(text: str, float_nodes: tuple[str, ...] = (), scheme: Scheme = SCHEME, **constants: np.ndarray) -> Placement:
    return place_pairs(model_from_text(text, **constants).graph, scheme, float_nodes=float_nodes)


def test_a_residual_net_runs_on_integers_from_end_to_end() -> None:
    placed = place_pairs(residual_net().graph, SCHEME)
    assert placed.nodes == ("Conv_0", "Conv_2", "Add_3", "GlobalAveragePool_5", "Flatten_6", "Gemm_7")
    assert placed.values == ("x", "b", "c", "e", "f", "g")


def test_an_activation_moves_the_pair_behind_it() -> None:
    placed = place("g (float[N,4,2,2] x) => (float[N,4,2,2] y) { a = Conv (x, w, b) \n y = Relu (a) }", **W)
    assert placed.values == ("x", "y")


def test_an_activation_that_others_read_around_moves_nothing() -> None:
    text = """g (float[N,4,2,2] x) => (float[N,4,2,2] y, float[N,4,2,2] z) {
        a = Conv (x, w, b)
        y = Relu (a)
        z = Neg (a)
    }"""
    assert place(text, **W).values == ("x", "a")


def test_the_result_of_a_gemm_stays_in_float_at_the_tail_only() -> None:
    constants = {"w": numbers(4, 4), "v": numbers(4, 4, seed=1)}
    placed = place("g (float[N,4] x) => (float[N,4] y) { a = MatMul (x, w) \n y = MatMul (a, v) }", **constants)
    assert placed.values == ("x", "a")


def test_shared_operators_take_the_scale_of_their_input() -> None:
    text = """g (float[N,4,4,4] x) => (float[N,4,2,2] y) {
        a = Conv (x, w, b)
        p = MaxPool <kernel_shape=[2,2], strides=[2,2]> (a)
        y = Conv (p, w, b)
    }"""
    placed = place(text, **W)
    assert placed.scale_of["p"] == placed.scale_of["a"]
    assert placed.scale_of["x"] == "x"


def test_concat_shares_with_inputs_that_it_alone_reads() -> None:
    text = """g (float[N,4,2,2] x) => (float[N,8,2,2] y, float[N,4,2,2] z) {
        a = Conv (x, w, b)
        c = Conv (x, w, b)
        y = Concat <axis=1> (a, c)
        z = Conv (c, w, b)
    }"""
    placed = place(text, **W)
    assert placed.scale_of["y"] == placed.scale_of["a"]
    assert placed.scale_of["c"] == "c"


def test_operators_without_weights_need_integers_on_all_sides() -> None:
    text = """g (float[N,4,2,2] x, float[N,4,2,2] z) => (float[N,4,2,2] y) {
        a = Conv (x, w, b)
        s = Add (a, z)
        y = Conv (s, w, b)
    }"""
    assert place(text, **W).nodes == ("Conv_0", "Conv_2")


def test_adding_a_constant_stays_in_float() -> None:
    text = "g (float[N,4,2,2] x) => (float[N,4,2,2] y) { a = Conv (x, w, b) \n s = Add (a, k) \n y = Conv (s, w, b) }"
    assert place(text, k=numbers(1), **W).nodes == ("Conv_0", "Conv_2")


def test_nodes_named_as_float_stay_so_and_break_the_chain() -> None:
    model = residual_net()
    placed = place_pairs(model.graph, SCHEME, float_nodes={"Conv_2"})
    assert "Conv_2" not in placed.nodes
    assert "Add_3" not in placed.nodes
    assert placed.values == ("x", "b", "g")


def test_a_node_behind_a_pair_of_the_user_is_left_alone() -> None:
    text = """g (float[N,4,2,2] x) => (float[N,4,2,2] y) {
        q = QuantizeLinear (x, s, z)
        d = DequantizeLinear (q, s, z)
        a = Conv (d, w, b)
        y = Conv (a, w, b)
    }"""
    placed = place(text, s=np.array(0.1, np.float32), z=np.array(0, np.uint8), **W)
    assert placed.nodes == ("Conv_3",)


def test_products_without_a_constant_weight_stay_in_float() -> None:
    assert place("g (float[2,4] x, float[4,2] z) => (float[2,2] y) { y = MatMul (x, z) }").nodes == ()


@pytest.mark.parametrize(
    ("node", "result", "weight", "axis"),
    [
        ("Conv (x, w)", "1,4,2,2", (4, 4, 1, 1), 0),
        ("ConvTranspose (x, w)", "1,3,2,2", (4, 3, 1, 1), 1),
        ("ConvTranspose <group=2> (x, w)", "1,6,2,2", (4, 3, 1, 1), None),
        ("MatMul (x, w)", "1,4,2,3", (2, 3), 1),
        ("MatMul (x, w)", "1,4,2,3", (4, 2, 3), None),
    ],
)
def test_channels_lie_on_the_axis_of_the_outputs(
    node: str, result: str, weight: tuple[int, ...], axis: int | None
) -> None:
    scheme = SCHEME.model_copy(update={"operators": (*SCHEME.operators, "ConvTranspose")})
    placed = place(f"g (float[1,4,2,2] x) => (float[{result}] y) {{ y = {node} }}", scheme=scheme, w=numbers(*weight))
    assert placed.weights[0].axis == axis


def test_per_tensor_schemes_have_no_axis() -> None:
    scheme = SCHEME.model_copy(update={"per_channel": False})
    assert {site.axis for site in place_pairs(residual_net().graph, scheme).weights} == {None}


def test_a_bias_that_is_computed_keeps_its_layer_in_float() -> None:
    text = "g (float[N,4,2,2] x, float[4] k) => (float[N,4,2,2] y) { y = Conv (x, w, k) }"
    assert place(text, w=W["w"]).nodes == ()
