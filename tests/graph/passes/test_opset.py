"""Opset 7 to 12 raised to 13: every changed operator has a rule, and both versions give the same answers."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from tiny_models import numbers

from edgekit.errors import ModelError
from edgekit.graph.passes.old_operators import REWRITES
from edgekit.graph.passes.opset import _SAME, raise_opset
from edgekit.graph.passes.shapes import infer_shapes

MAP, ANY = "float[1,2,4,6] x", "float[A,B,C,D] y"
VECTOR = np.array([1, 2], np.float32)
LIFT = {"up": [1, 1, 2, 2], "odd": [1, 1, 1.5, 2.3], "half": [1, 1, 0.5, 0.5], "down": [1, 1, 0.7, 0.34]}
Case = tuple[str, str, str, dict[str, np.ndarray]]

ALWAYS: dict[str, Case] = {
    "Softmax of a map": (MAP, ANY, "y = Softmax (x)", {}),
    "Softmax of a matrix": ("float[N,5] x", "float[N,5] y", "y = Softmax (x)", {}),
    "LogSoftmax of free axes": ("float[N,C,H,W] x", "float[N,C,H,W] y", "y = LogSoftmax <axis=1> (x)", {}),
    "Hardmax": ("float[2,3,4] x", "float[2,3,4] y", "y = Hardmax (x)", {}),
    "ReduceSum": (MAP, "float[A,B] y", "y = ReduceSum <axes=[2,3], keepdims=0> (x)", {}),
    "ReduceSum of all": (MAP, "float[1,1,1,1] y", "y = ReduceSum (x)", {}),
    "Split in halves": ("float[4,6] x", "float[4,3] y, float[4,3] z", "y, z = Split <axis=1> (x)", {}),
    "Dropout": ("float[4,6] x", "float[4,6] y", "a = Dropout (x) \n y = Relu (a)", {}),
    "BatchNormalization": (
        MAP,
        MAP.replace("x", "y"),
        "y = BatchNormalization <epsilon=0.01> (x, k, k, k, k)",
        {"k": VECTOR},
    ),
    "Unsqueeze": ("float[4] x", "float[1,4,1] y", "y = Unsqueeze <axes=[0,2]> (x)", {}),
    "Squeeze of all": ("float[1,4,1] x", "float[4] y", "y = Squeeze (x)", {}),
    "AveragePool": (MAP, ANY, "y = AveragePool <kernel_shape=[3,3], pads=[1,1,1,1]> (x)", {}),
    "Gemm": (
        "float[2,3] x",
        "float[2,5] y",
        "y = Gemm <alpha=0.5, beta=2.0, transB=1> (x, w, c)",
        {"w": np.ones((5, 3), np.float32), "c": np.arange(5, dtype=np.float32)},
    ),
}
ONCE: list[tuple[int, Case]] = [
    (7, ("float[2,6] x", "float[2,3] y, int64[2,3] i", "y, i = TopK <k=3, axis=1> (x)", {})),
    (10, ("float[2,6] x", "float[2,3] y, int64[2,3] i", "y, i = TopK <axis=1> (x, k)", {"k": np.array([3])})),
    (9, ("float[4,6] x", "float[2,6] y", "y = Slice <starts=[-3], ends=[-1]> (x)", {})),
    (9, ("float[4,6] x", "float[4,2] y", "y = Slice <axes=[1], starts=[1], ends=[3]> (x)", {})),
    (7, ("float[4,6] x", "float[4,6] y", "y = Clip <min=0.0> (x)", {})),
    (9, ("float[4,6] x", "float[4,6] y", "y = Clip <max=0.5> (x)", {})),
    (9, ("float[1,1,4,6] x", ANY, 'y = Pad <mode="reflect", pads=[0,0,1,1,0,0,2,2]> (x)', {})),
    (
        9,
        (
            "float[3,3] x",
            "float[3,3] y",
            "y = Scatter <axis=0> (x, i, u)",
            {"i": np.array([[1, 0, 2]]), "u": np.ones((1, 3), np.float32)},
        ),
    ),
    (
        11,
        (
            MAP,
            ANY,
            'y = Resize <mode="linear", coordinate_transformation_mode="align_corners"> (x, none, none, z)',
            {"none": np.array([], np.float32), "z": np.array([1, 2, 8, 9])},
        ),
    ),
]


def model_of(case: Case, opset: int) -> onnx.ModelProto:
    inputs, outputs, body, constants = case
    graph = onnx.parser.parse_graph(f"g ({inputs}) => ({outputs}) {{ {body} }}")
    graph.initializer.extend(numpy_helper.from_array(np.asarray(held), name) for name, held in constants.items())
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)


def raised(proto: onnx.ModelProto) -> ir.Model:
    model = ir.from_proto(proto)
    infer_shapes(model)
    raise_opset(model)
    model.ir_version = 7
    return model


def answers(proto: onnx.ModelProto) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    port = session.get_inputs()[0]
    return session.run(None, {"x": numbers(*[size if isinstance(size, int) else 2 for size in port.shape], scale=3)})


def same_answers(case: Case, opset: int) -> None:
    proto = model_of(case, opset)
    model = raised(proto)
    assert model.opset_imports[""] == 13
    after = ir.to_proto(model)
    onnx.checker.check_model(after)
    for wanted, got in zip(answers(proto), answers(after), strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_every_operator_that_changed_has_a_rule() -> None:
    changed: dict[str, set[int]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if not schema.domain and schema.since_version <= 13:
            changed.setdefault(schema.name, set()).add(schema.since_version)
    later = {
        kind for kind, versions in changed.items() if [each for each in versions if each > 7] and min(versions) < 13
    }
    for kind in sorted(later):
        meant = {max((v for v in changed[kind] if v <= opset), default=0) for opset in range(7, 14)} - {0}
        assert len(meant) == 1 or kind in _SAME or kind in REWRITES or kind.endswith("Loss"), kind
    assert not _SAME & set(REWRITES)


@pytest.mark.parametrize("opset", [7, 9, 10, 11, 12])
@pytest.mark.parametrize("kind", ALWAYS)
def test_an_old_operator_gives_the_same_answers(kind: str, opset: int) -> None:
    same_answers(ALWAYS[kind], opset)


@pytest.mark.parametrize(
    ("opset", "case"), ONCE, ids=[f"{case[2].split('=')[1].split()[0]}-{opset}" for opset, case in ONCE]
)
def test_an_operator_of_one_opset_gives_the_same_answers(opset: int, case: Case) -> None:
    same_answers(case, opset)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scales", LIFT.values(), ids=LIFT)
def test_resizing_picks_the_same_pixels(mode: str, scales: list[float]) -> None:
    held = {"s": np.array(scales, np.float32)}
    same_answers((MAP, ANY, f'y = Resize <mode="{mode}"> (x, s)', held), 10)
    if min(scales) >= 1:
        same_answers((MAP, ANY, f'y = Upsample <mode="{mode}"> (x, s)', held), 9)
        floats = [float(scale) for scale in scales]
        same_answers((MAP, ANY, f'y = Upsample <mode="{mode}", scales={floats}> (x)', {}), 7)


@pytest.mark.parametrize(
    ("opset", "case", "reason"),
    [
        (
            10,
            (MAP, ANY, "y = Resize (x, s)", {"s": np.array([1, 1, 0.5, 2], np.float32)}),
            "shrinks and enlarges at once",
        ),
        (7, (MAP, ANY, "y = BatchNormalization <spatial=0> (x, k, k, k, k)", {"k": VECTOR}), "spatial=0"),
        (
            11,
            (MAP, ANY, 'y = Resize <coordinate_transformation_mode="tf_half_pixel_for_nn"> (x, s, s)', {"s": VECTOR}),
            "tf_half",
        ),
    ],
)
def test_what_opset_13_cannot_say_is_refused(opset: int, case: Case, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        raised(model_of(case, opset))


def test_a_newer_model_keeps_its_opset() -> None:
    model = ir.from_proto(model_of(("float[4] x", "float[4] y", "y = Relu (x)", {}), 17))
    assert raise_opset(model) == 0
    assert model.opset_imports[""] == 17


def test_bodies_of_control_flow_are_raised_too() -> None:
    case = (
        "bool[1] c, float[4] x",
        "float[1,4] y",
        """y = If (c) <
            then_branch = g1 () => (float[1,4] a) { a = Unsqueeze <axes=[0]> (x) },
            else_branch = g2 () => (float[1,4] b) { n = Neg (x) b = Unsqueeze <axes=[0]> (n) }>""",
        {},
    )
    model = raised(model_of(case, 11))
    assert [len(node.inputs) for node in model.graph.all_nodes() if node.op_type == "Unsqueeze"] == [2, 2]
    onnx.checker.check_model(ir.to_proto(model))
