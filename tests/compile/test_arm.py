"""An artifact for ARM on an emulated Cortex-A72: numerics and fusion; never a latency.

Set up once, outside the repository (Debian 12): ``apt-get install qemu-user``; an arm64 Python unpacked from Debian's
packages into a folder (python3, python3-distutils, libstdc++6, libgomp1); onnxruntime 1.23.2 and numpy 1.26.4 for
aarch64 installed beside it with ``pip install --target``. Then:

    EDGEKIT_ARM_ROOT=/tmp/arm/ROOT EDGEKIT_ARM_SITE=/tmp/arm/SITE pytest tests/compile/test_arm.py
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgekit.artifact import Artifact
from edgekit.compile.onnxruntime import compile_model
from edgekit.profiles import Target
from edgekit.runner.runtimes.base import open_session

Feeds = dict[str, np.ndarray]

pytestmark = pytest.mark.slow

PROGRAM = """
import json, os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
sys.path.insert(0, sys.argv[1])
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.optimized_model_filepath = sys.argv[4]
for key, value in json.loads(sys.argv[5]).items():
    options.add_session_config_entry(key, value)
session = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
numpy.save(sys.argv[3] + ".out.npy", session.run(None, {"input": numpy.load(sys.argv[3])})[0])
"""


@pytest.fixture
def arm() -> Callable[..., None]:
    """Run the program above on an emulated core: ``arm(core, *words)``."""
    root, site = os.environ.get("EDGEKIT_ARM_ROOT"), os.environ.get("EDGEKIT_ARM_SITE")
    emulator = shutil.which("qemu-aarch64")
    if not (root and site and emulator):
        pytest.skip("no emulated ARM here: see the module's docstring")

    def run(core: str, *words: str) -> None:
        start = [str(emulator), "-cpu", core, "-L", root, f"{root}/usr/bin/python3.11", "-c", PROGRAM, site]
        subprocess.run([*start, *words], check=True, capture_output=True)

    return run


@pytest.mark.parametrize("core", ["cortex-a72", "cortex-a76"])  # without and with dot-product instructions
def test_an_arm_artifact_fuses_whole_and_agrees_with_this_host(
    sketch: Callable[..., Any],
    save: Callable[..., Path],
    target: Callable[[str], Target],
    arm: Callable[..., None],
    core: str,
) -> None:
    g = sketch(np.int8)
    first = g.block(g.pair(g.input(1, 3, 12, 12)), 3, 24, name="stem")
    deep = g.block(first, 24, 24, group=24, name="deep")
    total = g.op("Relu", g.op("Add", g.pair(g.conv(deep, 24, 24, kernel=1, name="point")), first))
    source = save(g.model(g.pair(total, g.bottom)))
    folder = source.parent
    artifact = compile_model(Artifact.of(source, kind="onnx"), target("onnxruntime-arm"), folder, threads=1)
    picture = np.random.default_rng(1).uniform(-6, 6, (1, 3, 12, 12)).astype(np.float32)
    np.save(folder / "input.npy", picture)

    arm(
        core,
        str(artifact.path),
        str(folder / "input.npy"),
        str(folder / "ran.onnx"),
        json.dumps(dict(artifact.options)),
    )

    kinds = [node.op_type for node in onnx.load(folder / "ran.onnx").graph.node]
    here = open_session("onnxruntime", artifact.path, options=artifact.options).infer({"input": picture})["output"]
    there = np.load(folder / "input.npy.out.npy")
    assert kinds.count("QLinearConv") == 3
    assert kinds.count("QLinearAdd") == 1
    assert "Relu" not in kinds
    assert np.linalg.norm(here - there) <= 0.02 * np.linalg.norm(here)
