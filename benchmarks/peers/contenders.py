"""Contenders: who quantizes, with which command, and what comes out of it.

Every contender is one or more commands that a user of it would type; each starts a fresh process. EdgeKit works from
the data card, pictures and clips included; the peers get the very same calibration samples as ready arrays.

* ``edgekit-onnx``: ``edgekit quantize -t onnxruntime-x86``: a Q/DQ file.
* ``edgekit-onnxruntime``: that file by ``edgekit compile``: what ONNX Runtime is meant to load.
* ``edgekit-openvino``: ``edgekit quantize -t openvino-cpu`` and ``edgekit compile``: an IR.
* ``edgekit-build-*``: ``edgekit build`` for both targets: the artifacts that it ships.
* ``onnxruntime-*``: ONNX Runtime's quantizer. ``nncf-*``: NNCF, on the ONNX file or on OpenVINO's model.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from quantize_peer import NNCF, ONNXRUNTIME

from edgekit.artifact import Artifact

HERE = Path(__file__).resolve().parent
Kind = Literal["onnx", "openvino"]
BUILD_EXIT_CODES = (0, 1, 3)


@dataclass(frozen=True)
class Case:
    """One model with its card, its calibration samples as arrays, and the folder where artifacts are made."""

    name: str
    model: Path
    card: Path
    calibration: Path
    folder: Path


@dataclass(frozen=True)
class Contender:
    """What is run for one artifact: commands in order, and the file or folder that the last one leaves."""

    kind: Kind
    out: Path
    commands: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Made:
    """What a contender made: the artifact, or why there is none; and each run's cost, command by command."""

    artifact: Artifact | None
    error: str = ""
    costs: list[list[dict[str, float]]] = field(default_factory=list)


def peers(case: Case, python: Path) -> dict[str, Contender]:
    """Every variant of every peer."""
    found = {}
    for variant in (*ONNXRUNTIME, *NNCF):
        kind: Kind = "openvino" if variant.endswith("openvino") else "onnx"
        out = case.folder / (variant + (".xml" if kind == "openvino" else ".onnx"))
        words = ("--model", str(case.model), "--samples", str(case.calibration), "--out", str(out))
        found[variant] = Contender(kind, out, ((str(python), str(HERE / "quantize_peer.py"), variant, *words),))
    return found


def edgekit(case: Case) -> dict[str, Contender]:
    """EdgeKit's single steps for both runtimes. ``edgekit-onnxruntime`` works on what ``edgekit-onnx`` left."""
    tool = (sys.executable, "-m", "edgekit")
    onnx, middle = case.folder / "edgekit.onnx", case.folder / "edgekit-for-openvino.onnx"
    compiled, ir = case.folder / "edgekit-onnxruntime", case.folder / "edgekit-openvino"

    def quantize(target: str, out: Path) -> tuple[str, ...]:
        return (*tool, "quantize", str(case.model), "-d", str(case.card), "-t", target, "-o", str(out), "-q")

    def compiling(target: str, source: Path, out: Path) -> tuple[str, ...]:
        return (*tool, "compile", str(source), "-t", target, "-o", str(out), "--json")

    return {
        "edgekit-onnx": Contender("onnx", onnx, (quantize("onnxruntime-x86", onnx),)),
        "edgekit-onnxruntime": Contender("onnx", compiled, (compiling("onnxruntime-x86", onnx, compiled),)),
        "edgekit-openvino": Contender(
            "openvino", ir, (quantize("openvino-cpu", middle), compiling("openvino-cpu", middle, ir))
        ),
    }


def make(contender: Contender, repeats: int) -> Made:
    """Run a contender's commands ``repeats`` times and pick up what the last run left."""
    costs = []
    for _ in range(repeats):
        remove(contender.out)
        spent = []
        for command in contender.commands:
            ended, cost = run_timed(command, contender.out.with_suffix(".cost.json"))
            if ended.returncode != 0:
                return Made(None, words_of(ended.stderr), costs)
            spent.append(cost)
        costs.append(spent)
    said = json.loads(ended.stdout) if contender.out.is_dir() else {}
    return Made(pick_up(contender, said), "", costs)


def run_timed(command: Sequence[str], cost: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, float]]:
    """Run one command in a fresh process by way of timed.py."""
    starter = [sys.executable, "-I", "-S", str(HERE / "timed.py"), str(cost), *command]
    ended = subprocess.run(starter, capture_output=True, text=True, check=False)
    spent = json.loads(cost.read_text())
    cost.unlink()
    return ended, spent


def pick_up(contender: Contender, said: dict[str, Any]) -> Artifact:
    """Digest an artifact: a file, an .xml with its .bin, or a folder with what ``edgekit compile`` said of it."""
    path = Path(said["path"]) if said else contender.out
    beside = [path.parent / each for each in said.get("files", [])]
    if contender.kind == "openvino":
        beside.append(path.with_suffix(".bin"))
    return Artifact.of(path, kind=contender.kind, beside=beside, options=said.get("options"))


def build(case: Case) -> tuple[dict[str, Any], dict[str, Artifact]]:
    """Run the main job and return its report and the artifacts that it ships, by runtime.

    Raises:
        RuntimeError: the build ended otherwise than with a verdict.
    """
    out = case.folder / "build"
    remove(out)
    command = [sys.executable, "-m", "edgekit", "build", str(case.model), "-d", str(case.card), "-o", str(out), "-q"]
    command += ["-t", "onnxruntime-x86", "-t", "openvino-cpu"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode not in BUILD_EXIT_CODES:
        raise RuntimeError(f"{case.name}: edgekit build ended with {ended.returncode}: {words_of(ended.stderr)}")
    report = json.loads((out / "report.json").read_text())
    shipped = {}
    for target in report["targets"]:
        path = out / target["artifact"]["path"]
        beside = [out / each["path"] for each in target["artifact"]["files"]]
        half = target["precision"] == "bf16"
        options = {"INFERENCE_PRECISION_HINT": "bf16"} if half else {}  # what a float IR needs to be told when opened
        shipped[target["runtime"]] = Artifact.of(path, kind=target["runtime"], beside=beside, options=options)
    return {"exit_code": ended.returncode, "report": report}, shipped


def remove(path: Path) -> None:
    """Remove a file or folder of an earlier run."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def words_of(text: str) -> str:
    """What a process said when it failed: its first error line, else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error:")]
    return (errors or lines[-1:] or ["it said nothing"])[0][:300]
