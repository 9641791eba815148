import pytest

from edgekit.compile.executed import float_findings, int8_share, precisions_of
from edgekit.runner.runtimes.base import Executed


def ran(name: str, precision: str = "int8") -> Executed:
    return Executed(name, "any", precision, "CPU")


@pytest.mark.parametrize(
    "name",
    [
        "conv1",
        "conv1_token_12",  # ONNX Runtime, another layout
        "conv1/MatMulAddFusion",
        "conv1,17,23",  # OpenVINO, what was fused
        "9,conv1",
        "conv1/WithoutBiases,4",
        "conv1/DequantizationMultiply,242",
        "conv1_original",
        "conv1/WithoutBiases/DequantizationSubtract,n_7",
    ],
)
def test_a_node_is_known_under_the_names_that_runtimes_make_of_it(name: str) -> None:
    assert precisions_of(["conv1", "conv12"], [ran(name)]) == {"conv1": "int8"}


def test_a_longer_name_is_another_node() -> None:
    assert precisions_of(["conv1"], [ran("conv12"), ran("conv1/other"), ran("xconv1")]) == {}


def test_a_node_whose_own_name_ends_like_an_addition_is_found() -> None:
    assert precisions_of(["conv_token_1", "fc_original"], [ran("conv_token_1"), ran("fc_original,3")]) == {
        "conv_token_1": "int8",
        "fc_original": "int8",
    }


def test_the_integer_operator_speaks_for_a_node_with_several() -> None:
    assert precisions_of(["a"], [ran("a", "f32"), ran("a,b"), ran("a,c", "f32")]) == {"a": "int8"}


def test_the_share_weighs_nodes_by_their_work() -> None:
    macs = {"a": 300, "b": 100, "c": 0}

    assert int8_share(macs, {"a": "int8", "b": "f32"}) == 0.75
    assert int8_share(macs, {}) == 0.0
    assert int8_share({"c": 0}, {}) is None
    assert int8_share({}, {}) is None


def test_findings_name_the_largest_first_and_leave_out_crumbs() -> None:
    macs = {"small": 100, "large": 800, "crumb": 1, "float on purpose": 99}
    told = float_findings(macs, ["small", "large", "crumb"], {"small": "f32"})

    assert told == (
        "large ran in float although its weights are integers: 80.0 % of the multiply-accumulates",
        "small ran in f32 although its weights are integers: 10.0 % of the multiply-accumulates",
    )


def test_findings_are_few_and_none_where_all_is_well() -> None:
    many = {str(number): 10 for number in range(40)}

    assert len(float_findings(many, many, {})) == 10
    assert float_findings(many, many, dict.fromkeys(many, "int8")) == ()
