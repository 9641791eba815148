"""A project folder to begin with: one that builds as it stands, or a data card drafted from a model's inputs.

The network of an example is made here in a second, without a training framework: two layers of random weights,
rectified, and a read-out by ridge regression on the shipped digits (94 to 97 % right). It is there to be replaced.
Nothing is overwritten: the folder must be new or empty, and it appears whole or not at all.
"""

import errno
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from edgekit.catalog import find_profile
from edgekit.errors import RecipeError
from edgekit.graph.load import load_model
from edgekit.resolving import own_targets

TASKS = ("image-classification", "classification", "agreement")
"""Tasks that have an example."""

_SEED = 0
_HIDDEN, _CLASSES, _SIDE = 512, 10, 8
_KERNELS = ((32, 1, 3, 3), (64, 32, 3, 3))
_RIDGE = 1.0
_EXAMPLE_BUDGET = "drop_points = 2.0        # 599 pictures cannot tell much less\n"
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


def init_example(folder: Path, task: str) -> list[Path]:
    """Make a project for a task: recipe, card, data and a small model.

    Args:
        folder: new or empty.
        task: one of :data:`TASKS`.

    Returns:
        The files that were written.

    Raises:
        RecipeError: the folder holds something, or cannot be written.
    """
    data = find_profile("calibration", "digits", Path()).parent / "digits" / "digits.npz"
    flat = task == "classification"
    files: dict[str, Callable[[Path], object]] = {
        "digits.npz": lambda path: shutil.copyfile(data, path),
        "model.onnx": lambda path: onnx.save(_digits_model(data, flat=flat), path),
        "card.toml": lambda path: path.write_text(_example_card(task, flat=flat), encoding="utf-8"),
        "recipe.toml": lambda path: path.write_text(_recipe("model.onnx", _EXAMPLE_BUDGET), encoding="utf-8"),
    }
    return _write(folder, files)


def init_for_model(folder: Path, model: Path) -> list[Path]:
    """Draft a data card from a model's inputs, and a recipe that names both.

    Raises:
        ModelError: the model cannot be read.
        RecipeError: the folder holds something, or cannot be written.
    """
    graph = load_model(model).graph
    ports = [each for each in graph.inputs if each.name not in graph.initializers]
    card = _drafted_card(model, ports)
    recipe = _recipe(os.path.relpath(model.absolute(), folder.absolute()))
    return _write(
        folder,
        {
            "card.toml": lambda path: path.write_text(card, encoding="utf-8"),
            "recipe.toml": lambda path: path.write_text(recipe, encoding="utf-8"),
        },
    )


def _write(folder: Path, files: Mapping[str, Callable[[Path], object]]) -> list[Path]:
    """Write the files beside the folder first, then give them its name."""
    hint = "give a folder that does not exist yet, where you may write"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecipeError(f"{folder}: this is there already and not empty", hint=hint)
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.absolute().parent) as draft:
            for name, write in files.items():
                write(Path(draft) / name)
            folder.mkdir(exist_ok=True)
            for name in files:
                (Path(draft) / name).replace(folder / name)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise  # the disk is at fault, not the user's words
        raise RecipeError(f"{folder}: cannot be written: {error.strerror}", hint=hint) from error
    return [folder / name for name in files]


def _recipe(model: str, budget: str = "") -> str:
    targets = ", ".join(json.dumps(each) for each in own_targets())
    return f"""# What is built, for what, and what it may cost: `edgekit build .` in this folder.
model = {json.dumps(model, ensure_ascii=False)}
targets = [{targets}]    # `edgekit list targets` shows what can be compiled for
data = "card.toml"
threads = 1

[budget]
{budget}# drop_points = 1.0      largest accuracy drop in points; this is the default
# p90_ms = 5.0           largest latency of 9 in 10 runs
# size_mib = 1.0         largest artifact
# rss_mib = 64           largest memory of a process that runs it
"""


def _example_card(task: str, *, flat: bool) -> str:
    labels = "" if task == "agreement" else '[source.labels]\ntarget = "evaluation_labels"\n'
    picked = "" if task == "agreement" else 'from_labels = { target = "calibration_labels" }\n'
    layout = "" if flat else 'layout = "NHW->N1HW"\n'
    array = "pixels" if flat else "image"
    return f"""# Which data the model is measured on: 8 x 8 digits of UCI (CC BY 4.0), to be replaced by yours.
name = "digits-{task}"
task = "{task}"
licence = "CC-BY-4.0"

[source]
kind = "arrays"
path = "digits.npz"
[source.inputs]
{array} = "evaluation_images"
{labels}
[preprocess.{array}]
{layout}scale = 16.0

[calibration]
from = {{ {array} = "calibration_images" }}
{picked}"""


def _drafted_card(model: Path, ports: list[ir.Value]) -> str:
    """The card: what is known is filled in, what is not stands as a comment or in angle brackets."""
    arrays = ", ".join(f"{_array(port)}=..." for port in ports)
    inputs = "\n".join(f"{_key(port)} = {json.dumps(_array(port))}    # {_port(port)}" for port in ports)
    pictures = "".join(map(_pictures, ports))
    return f"""# Drafted by `edgekit init` from the inputs of {json.dumps(model.name)}: what is in <> is yours to say.
name = {json.dumps(model.stem, ensure_ascii=False)}
task = "agreement"    # asks for no labels; with labels: image-classification, classification, segmentation, ...
licence = "<whose the data is, and what it may be used for>"

# Real samples, as the model takes them, one a row of each array; in Python:
#     numpy.savez("samples.npz", {arrays})
[source]
kind = "arrays"
path = "samples.npz"
[source.inputs]
{inputs}
# [source.labels]
# target = "labels"

# The first part of the samples calibrates, the rest is measured on.
[calibration]
share = [0.0, 0.3]
[evaluation]
share = [0.3, 1.0]
{pictures}"""


def _pictures(port: ir.Value) -> str:
    """How to name picture files instead, for an input that looks like a picture."""
    shape = [each if isinstance(each, int) else None for each in port.shape or ()]
    if len(shape) != 4 or not {shape[1], shape[3]} & {1, 3}:
        return ""
    first = shape[1] in {1, 3}
    height, width = (shape[2], shape[3]) if first else (shape[1], shape[2])
    layout = '\n# layout = "HWC->CHW"' if first else ""
    return f"""
# Or pictures: a folder with one folder for each class, and how they become {_key(port)}.
# [source]
# kind = "images"
# path = "pictures"
# [preprocess.{_key(port)}]
# resize = {{ width = {width or 224}, height = {height or 224} }}{layout}
# scale = 255.0
# mean = [0.485, 0.456, 0.406]
# std = [0.229, 0.224, 0.225]
"""


def _key(port: ir.Value) -> str:
    """The input's name as a TOML key; quoted and escaped unless plain, so that a strange name stays one key."""
    return port.name if port.name and _PLAIN_KEY.fullmatch(port.name) else json.dumps(port.name or "")


def _array(port: ir.Value) -> str:
    """A name that Python takes as a keyword argument of savez."""
    name = "".join(each if each.isalnum() else "_" for each in port.name or "")
    return name if name.isidentifier() else f"array_{name}"


def _port(port: ir.Value) -> str:
    dtype = port.dtype.numpy().name if port.dtype else "any type"
    axes = [
        "samples" if not isinstance(axis, int) and place == 0 else str(axis)
        for place, axis in enumerate(port.shape or ())
    ]
    return f"{dtype}, ({', '.join(axes)})"


def _digits_model(data: Path, *, flat: bool) -> onnx.ModelProto:
    """A network for digits of 16 grey levels, scaled to 0..1: rectified random features and a fitted read-out."""
    with np.load(data, allow_pickle=False) as arrays:
        images, labels = arrays["calibration_images"].astype(np.float64) / 16, arrays["calibration_labels"]
    weights = _random_weights(((_SIDE * _SIDE, _HIDDEN), (_HIDDEN, _HIDDEN)) if flat else _KERNELS)
    if flat:
        features = images.reshape(len(images), -1)
        for layer in weights:
            features = np.maximum(features @ layer, 0)
    else:
        features = _pooled(_convolved(_convolved(images[:, np.newaxis], weights[0]), weights[1]))
    readout, bias = _ridge(features, np.eye(_CLASSES)[labels])
    return _table_graph(weights, readout, bias) if flat else _picture_graph(weights, readout, bias)


def _random_weights(shapes: Iterable[tuple[int, ...]]) -> list[np.ndarray]:
    """Normal numbers that keep the size of what passes through a layer and a ReLU (He et al. 2015)."""
    draw = np.random.default_rng(_SEED)
    fans = ((shape, math.prod(shape[1:]) if len(shape) > 2 else shape[0]) for shape in shapes)
    return [draw.normal(size=shape) * math.sqrt(2 / fan) for shape, fan in fans]


def _convolved(images: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Conv 3 x 3 with padding 1, then ReLU: (samples, channels, 8, 8) to (samples, kernels, 8, 8)."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return np.asarray(np.maximum(np.einsum("nchwij,ocij->nohw", windows, kernels, optimize=True), 0))


def _pooled(maps: np.ndarray) -> np.ndarray:
    """MaxPool 2 x 2, flattened channel by channel: (samples, channels x 16)."""
    samples, channels, height, width = maps.shape
    blocks = maps.reshape(samples, channels, height // 2, 2, width // 2, 2)
    return np.asarray(blocks.max((3, 5)).reshape(samples, -1))


def _ridge(features: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (features, classes) and bias (classes) of least squares with a penalty on their length."""
    rows = np.c_[features, np.ones(len(features))]
    solved = np.linalg.solve(rows.T @ rows + _RIDGE * np.eye(rows.shape[1]), rows.T @ wanted)
    return solved[:-1], solved[-1]


def _picture_graph(weights: list[np.ndarray], readout: np.ndarray, bias: np.ndarray) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["image", "kernels_1"], ["edges"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["edges"], ["bright_edges"]),
        helper.make_node("Conv", ["bright_edges", "kernels_2"], ["corners"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["corners"], ["bright_corners"]),
        helper.make_node("MaxPool", ["bright_corners"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "readout", "bias"], ["logits"]),
    ]
    arrays = {"kernels_1": weights[0], "kernels_2": weights[1], "readout": readout, "bias": bias}
    return _model(nodes, ("image", ["batch", 1, _SIDE, _SIDE]), arrays)


def _table_graph(weights: list[np.ndarray], readout: np.ndarray, bias: np.ndarray) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["row"]),
        helper.make_node("MatMul", ["row", "mix_1"], ["mixed"]),
        helper.make_node("Relu", ["mixed"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "mix_2"], ["mixed_again"]),
        helper.make_node("Relu", ["mixed_again"], ["features"]),
        helper.make_node("Gemm", ["features", "readout", "bias"], ["logits"]),
    ]
    arrays = {"mix_1": weights[0], "mix_2": weights[1], "readout": readout, "bias": bias}
    return _model(nodes, ("pixels", ["batch", _SIDE, _SIDE]), arrays)


def _model(
    nodes: list[onnx.NodeProto], port: tuple[str, list[str | int]], weights: Mapping[str, np.ndarray]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info(port[0], onnx.TensorProto.FLOAT, port[1])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", _CLASSES])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made
