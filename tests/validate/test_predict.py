"""Outputs over a set of samples: one row a sample, whatever the outputs look like."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgekit.artifact import Artifact
from edgekit.card import DataCard
from edgekit.errors import InputError, RuntimeFault
from edgekit.runner.runtimes.onnxruntime import OnnxRuntimeSession
from edgekit.validate.predict import _column, predict

Array = np.ndarray[Any, Any]


def rows(count: int) -> list[dict[str, Array]]:
    draw = np.random.default_rng(1)
    return [{"given": draw.standard_normal((1, 8)).astype(np.float32)} for _ in range(count)]


@pytest.mark.parametrize("kind", ["onnx", "onnxruntime", "openvino"])
def test_every_kind_of_artifact_runs_in_its_own_runtime(dense: Callable[..., Artifact], kind: str) -> None:
    if kind == "openvino":
        pytest.importorskip("openvino")
    artifact, samples = dense(kind=kind), rows(5)
    matrix = onnx.numpy_helper.to_array(onnx.load(artifact.path).graph.initializer[0])
    found = predict(artifact, samples)["scores"]
    assert found.shape == (5, 4)
    np.testing.assert_allclose(found, np.concatenate([each["given"] for each in samples]) @ matrix, rtol=1e-4)


def test_the_artifact_s_options_are_obeyed(dense: Callable[..., Artifact]) -> None:
    artifact = dense()
    wrong = Artifact.of(artifact.path, kind="onnx", options={"nonsense": "1"})
    with pytest.raises(RuntimeFault, match="nonsense"):
        predict(wrong, rows(1))


def test_two_predictions_give_the_same_bytes(dense: Callable[..., Artifact]) -> None:
    artifact = dense()
    assert predict(artifact, rows(9))["scores"].tobytes() == predict(artifact, rows(9))["scores"].tobytes()


def test_every_sample_runs_alone(dense: Callable[..., Artifact], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    infer = OnnxRuntimeSession._infer

    def watched(self: OnnxRuntimeSession, feeds: dict[str, Array]) -> dict[str, Array]:
        sizes.append(len(feeds["given"]))
        return infer(self, feeds)

    monkeypatch.setattr(OnnxRuntimeSession, "_infer", watched)
    predict(dense(), rows(40))
    assert sizes == [1] * 40


def test_progress_ends_at_the_number_of_samples(dense: Callable[..., Artifact]) -> None:
    told: list[tuple[str, int, int]] = []
    predict(dense(), rows(70), progress=lambda *each: told.append(each))
    assert [done for _, done, _ in told] == [0, 32, 64, 70]
    assert {total for _, _, total in told} == {70}
    assert told[0][0] == "onnxruntime on dense.onnx"


def test_a_sample_that_does_not_fit_is_told(dense: Callable[..., Artifact]) -> None:
    with pytest.raises(InputError, match=r"got float32 \[1, 7\]"):
        predict(dense(), [*rows(2), {"given": np.zeros((1, 7), np.float32)}])


def test_no_sample_is_a_fault(dense: Callable[..., Artifact]) -> None:
    with pytest.raises(RuntimeFault, match="no sample"):
        predict(dense(), [])


def test_answers_are_reduced_as_the_card_s_task_wants(tmp_path: Path, make_card: Callable[..., DataCard]) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["given"], ["maps"], name="relu")],
        "maps",
        *([helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 2, 2])] for name in ("given", "maps")),
    )
    path = tmp_path / "maps.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    samples = [{"given": np.random.default_rng(each).random((1, 3, 2, 2), np.float32)} for each in range(4)]
    artifact = Artifact.of(path, kind="onnx")
    scores = predict(artifact, samples)["maps"]
    assert scores.shape == (4, 3, 2, 2)
    classes = predict(artifact, samples, card=make_card("segmentation"))["maps"]
    assert classes.dtype == np.uint8
    np.testing.assert_array_equal(classes, scores.argmax(axis=1))


@pytest.mark.parametrize(
    ("arrays", "shape"),
    [
        ([np.zeros((1, 10))] * 3, (3, 10)),
        ([np.zeros((1, 2, 3))] * 3, (3, 2, 3)),
        ([np.zeros(())] * 3, (3,)),
        ([np.zeros((2, 1, 8))] * 3, (3, 2, 1, 8)),
        ([np.zeros((1, 1, 8))] * 3, (3, 1, 8)),
        ([np.zeros((5,))] * 3, (3, 5)),
        ([np.zeros((1,))] * 3, (3,)),
        ([np.zeros((2, 6)), np.zeros((5, 6)), np.zeros((0, 6))], (3, 5, 6)),
        ([np.zeros((1, 4, 6)), np.zeros((1, 7, 6)), np.zeros((1, 1, 6))], (3, 7, 6)),
        ([np.zeros((1, 6)), np.zeros((3, 6))], (2, 3, 6)),
    ],
)
def test_every_output_gets_one_row_a_sample(arrays: list[Array], shape: tuple[int, ...]) -> None:
    assert _column(arrays).shape == shape


@pytest.mark.parametrize(
    ("dtype", "padding"),
    [
        (np.float32, np.nan),
        (np.float16, np.nan),
        (np.int64, np.iinfo(np.int64).min),
        (np.int8, -128),
        (np.uint8, 0),
        (np.bool_, False),
    ],
)
def test_rows_of_different_shapes_are_padded_at_the_end(dtype: type, padding: float) -> None:
    found = _column([np.ones((1, 2), dtype), np.ones((1, 3), dtype)])
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.array([[1, 1, padding], [1, 1, 1]], dtype))


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_numbers_stand_where_they_stood(lengths: list[int]) -> None:
    arrays = [np.arange(1, length + 1, dtype=np.float32)[None] for length in lengths]
    for found, array in zip(_column(arrays), arrays, strict=True):
        np.testing.assert_array_equal(found[~np.isnan(found)], array[0])
