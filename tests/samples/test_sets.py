import importlib.util
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgekit.card import DataCard, read_card
from edgekit.errors import InputError, RecipeError
from edgekit.runner.runtimes.base import Port, check_feeds
from edgekit.samples.sets import Samples, open_samples

Open = Callable[..., Samples]
PORT = Port("x", "float32", (None, 3))
SOURCE = {"kind": "arrays", "path": "a.npz", "inputs": {"x": "x"}}


def save(folder: Path, **arrays: Any) -> None:
    np.savez(folder / "a.npz", **arrays)


def ports_of(path: Path) -> list[Port]:
    """The inputs of an ONNX file that no initializer fills."""
    graph = onnx.load(path).graph
    filled = {each.name for each in graph.initializer}
    ports = []
    for value in graph.input:
        tensor = value.type.tensor_type
        shape = tuple(axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim)
        ports.append(Port(value.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name, shape))
    return [port for port in ports if port.name not in filled]


def test_every_card_of_the_zoo_opens_with_its_models_inputs(shared: Path) -> None:
    for path in sorted(shared.glob("zoo/*/card.toml")):
        ports = ports_of(path.parent / "model.onnx")
        samples = open_samples(read_card(path), ports)
        assert (len(samples.calibration), len(samples.evaluation), samples.dropped) == (48, 48, 0), path
        stored = np.load(path.parent / "data.npz")
        for prefix, chosen in (("eval", samples.evaluation), ("calib", samples.calibration)):
            for index, feeds in enumerate(chosen):
                check_feeds(tuple(ports), feeds)
                for number, port in enumerate(ports):
                    row = stored[f"{prefix}_{number}"][index]
                    assert feeds[port.name].tobytes() == row.tobytes(), path


def test_a_row_of_one_rank_less_is_a_batch_of_one_and_stacks(open_card: Open, tmp_path: Path) -> None:
    save(tmp_path, x=np.arange(21, dtype=np.float32).reshape(7, 3))
    samples = open_card(SOURCE, PORT, calibration={"count": 2})
    assert samples.evaluation[0]["x"].shape == (1, 3)
    assert samples.evaluation.stacks
    batches = list(samples.evaluation.batches(2))
    assert [feeds["x"].shape for feeds in batches] == [(2, 3), (2, 3), (1, 3)]
    assert np.concatenate([feeds["x"] for feeds in batches]).tobytes() == np.arange(6, 21, dtype=np.float32).tobytes()


def test_a_row_of_the_models_own_rank_is_fed_as_it_is(open_card: Open, tmp_path: Path) -> None:
    save(tmp_path, x=np.zeros((4, 2, 3), np.float32) + np.arange(4, dtype=np.float32)[:, None, None])
    samples = open_card(SOURCE, PORT, calibration={"count": 1})
    assert samples.evaluation[0]["x"].shape == (2, 3)
    assert not samples.evaluation.stacks
    assert [feeds["x"].shape for feeds in samples.evaluation.batches(8)] == [(2, 3)] * 3


def test_scalars_and_state_are_fed_beside_a_batch_of_one(open_card: Open, tmp_path: Path) -> None:
    save(
        tmp_path,
        x=np.eye(3, dtype=np.float32),
        gain=np.arange(3, dtype=np.float64),
        state=np.ones((3, 2, 1, 4), np.float32),
    )
    source = {**SOURCE, "inputs": {"x": "x", "gain": "gain", "state": "state"}}
    ports = [PORT, Port("gain", "float32", ()), Port("state", "float32", (2, 1, 4))]
    samples = open_card(source, *ports, calibration={"count": 1})
    assert {name: array.shape for name, array in samples.evaluation[1].items()} == {
        "x": (1, 3),
        "gain": (),
        "state": (2, 1, 4),
    }
    assert samples.evaluation[1]["gain"].dtype == np.float32
    assert not samples.evaluation.stacks


def test_a_model_of_one_sample_a_call_gets_one_at_a_time(open_card: Open, tmp_path: Path) -> None:
    save(tmp_path, x=np.eye(3, dtype=np.float32))
    samples = open_card(SOURCE, Port("x", "float32", (1, 3)), calibration={"count": 1})
    assert not samples.evaluation.stacks
    assert [feeds["x"].shape for feeds in samples.evaluation.batches(8)] == [(1, 3)] * 2


@pytest.mark.parametrize(
    ("port", "shape"),
    [
        (Port("x", "float32", (8, 3)), r"\[1, 3\] does not fit the model's \[8, 3\]"),
        (Port("x", "float32", (None, 4)), r"\[1, 3\] does not fit the model's \['any', 4\]"),
        (Port("x", "float32", (None, 1, 1, 3)), r"\[3\] does not fit the model's \['any', 1, 1, 3\]"),
        (Port("x", "float32", ()), r"\[3\] does not fit the model's \[\]"),
    ],
)
def test_a_sample_that_does_not_fit_is_told_on_opening(open_card: Open, tmp_path: Path, port: Port, shape: str) -> None:
    save(tmp_path, x=np.eye(3, dtype=np.float32))
    with pytest.raises(InputError, match=rf"a\.npz: x, row 0: input 'x': shape {shape}"):
        open_card(SOURCE, port, calibration={"count": 1})


def test_samples_take_the_inputs_dtype_or_are_refused(open_card: Open, tmp_path: Path) -> None:
    save(tmp_path, x=np.array([[1.0, 2.0, 3.0], [1e6, 0.0, 0.0], [4.0, 5.0, 6.0]]))
    half = Port("x", "float16", (None, 3))
    samples = open_card(SOURCE, half, calibration={"share": [0.7, 1.0]}, evaluation={"share": [0.0, 0.7]})
    assert samples.evaluation[0]["x"].dtype == np.float16
    with pytest.raises(InputError, match="row 1: input 'x': values are not finite in float16"):
        samples.evaluation[1]


def test_an_input_of_text_is_refused(open_card: Open, tmp_path: Path) -> None:
    save(tmp_path, x=np.eye(3))
    for dtype in ("object", "string", "bfloat16"):
        with pytest.raises(RecipeError, match=f"model input 'x' takes {dtype}; samples are integers, floats or bool"):
            open_card(SOURCE, Port("x", dtype, (None, 3)))


def test_names_that_the_model_does_not_have_are_told_all_at_once(open_card: Open, tmp_path: Path) -> None:
    save(tmp_path, x=np.eye(3))
    ports = [Port("image", "float32", (None, 3)), Port("mask", "bool", (None, 3))]
    with pytest.raises(RecipeError) as caught:
        open_card({**SOURCE, "inputs": {"imag": "x"}}, *ports, preprocess={"msak": {"scale": 2.0}})
    assert caught.value.mistakes == (
        "model input 'image' is not in source.inputs",
        "model input 'mask' is not in source.inputs",
        "preprocess.msak: the model has no such input; inputs: image, mask; did you mean 'mask'?",
        "source.inputs.imag: the model has no such input; inputs: image, mask; did you mean 'image'?",
    )


def test_equal_samples_are_dropped_from_calibration_and_counted(open_card: Open, tmp_path: Path) -> None:
    rows = np.arange(30, dtype=np.float32).reshape(10, 3)
    save(tmp_path, x=rows, other=np.concatenate([rows[[2, 5]], -rows[1:4], rows[:1]]))
    samples = open_card(SOURCE, PORT, calibration={"from": {"x": "other"}})
    assert samples.dropped == 3
    assert [feeds["x"][0, 0] for feeds in samples.calibration] == [-3.0, -6.0, -9.0]
    assert len(samples.evaluation) == 10


def test_samples_are_equal_only_when_all_their_inputs_are(open_card: Open, tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    save(tmp_path, x=rows, y=rows, x2=rows, y2=rows + 1)
    source = {**SOURCE, "inputs": {"x": "x", "y": "y"}}
    ports = [PORT, Port("y", "float32", (None, 3))]
    assert open_card(source, *ports, calibration={"from": {"x": "x2", "y": "y2"}}).dropped == 0
    with pytest.raises(RecipeError, match="calibration: all 2 samples are evaluation samples too"):
        open_card(source, *ports, calibration={"from": {"x": "x2"}})


def test_picks_of_one_pool_share_no_sample(open_card: Open, tmp_path: Path) -> None:
    save(tmp_path, x=np.arange(300, dtype=np.float32).reshape(100, 3))
    samples = open_card(SOURCE, PORT, calibration={"count": 20, "seed": 1}, evaluation={"count": 50, "seed": 1})
    seen, judged = ({float(feeds["x"][0, 0]) for feeds in each} for each in (samples.calibration, samples.evaluation))
    assert (len(seen), len(judged), len(seen & judged), samples.dropped) == (20, 50, 0, 0)


def test_two_openings_give_the_same_bytes_and_digests(open_card: Open, tmp_path: Path) -> None:
    save(tmp_path, x=np.random.default_rng(0).normal(size=(20, 3)))
    words = {"calibration": {"count": 5, "seed": 3}, "preprocess": {"x": {"scale": 3.0}}}
    first, second = open_card(SOURCE, PORT, **words), open_card(SOURCE, PORT, **words)
    for one, other in ((first.calibration, second.calibration), (first.evaluation, second.evaluation)):
        assert one.sha256 == other.sha256
        assert [feeds["x"].tobytes() for feeds in one] == [feeds["x"].tobytes() for feeds in other]


def test_digests_follow_samples_preprocessing_and_labels(open_card: Open, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 3))
    save(tmp_path, x=rows, y=np.zeros(20, int), z=np.ones(20, int))

    def digest(labels: str = "y", **words: Any) -> str:
        source = {**SOURCE, "labels": {"target": labels}}
        return open_card(source, PORT, calibration={"count": 5}, **words).evaluation.sha256

    assert digest() == digest(name="another name", licence="MIT")
    digests = {digest(), digest("z"), digest(preprocess={"x": {"scale": 2.0}}), digest(evaluation={"count": 9})}
    rows[-1, -1] += 1
    save(tmp_path, x=rows, y=np.zeros(20, int), z=np.ones(20, int))
    assert len(digests | {digest()}) == 5


def test_units_out_of_range_are_refused(open_card: Open, tmp_path: Path) -> None:
    save(tmp_path, x=np.eye(3))
    samples = open_card(SOURCE, PORT, calibration={"count": 1})
    for unit in (-1, 2):
        with pytest.raises(IndexError):
            samples.evaluation[unit]


def test_memory_stays_flat_over_all_samples(open_card: Open, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((500, 64, 256), np.float32) + np.arange(500, dtype=np.float32)[:, None, None])
    source = {**SOURCE, "path": "a.npy", "inputs": {"x": "a"}}
    tracemalloc.start()
    samples = open_card(source, Port("x", "float32", (None, 64, 256)), calibration={"count": 50})
    total = sum(float(feeds["x"][0, 0, 0]) for feeds in samples.evaluation.batches(4))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total > 0
    assert peak_bytes < 4_000_000  # the array takes 32,000,000


def test_cifar_rows_equal_the_packs_own_input(shared: Path, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("pack_load", shared / "data" / "load.py")
    assert spec is not None
    assert spec.loader is not None
    load = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(load)
    images, labels = load.cifar10("test")
    np.savez_compressed(tmp_path / "cifar10.npz", test_images=images[:64], test_labels=labels[:64])
    how = {"layout": "NHWC->NCHW", "scale": 255.0, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    card = DataCard.model_validate(
        {
            "name": "cifar10",
            "task": "image-classification",
            "licence": "none",
            "source": {
                "kind": "arrays",
                "path": "cifar10.npz",
                "inputs": {"input": "test_images"},
                "labels": {"target": "test_labels"},
            },
            "preprocess": {"input": how},
            "calibration": {"share": (0.0, 0.5)},
            "evaluation": {"share": (0.5, 1.0)},
        }
    ).within(tmp_path)
    samples = open_samples(card, [Port("input", "float32", (None, 3, 32, 32))])
    (batch,) = samples.evaluation.batches(64)
    assert np.abs(batch["input"] - load.cifar10_input(images[32:64])).max() <= 1e-5
    assert samples.evaluation.labels["target"].tolist() == labels[32:64].tolist()
