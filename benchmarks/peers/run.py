"""Side by side: EdgeKit, ONNX Runtime's quantizer and NNCF on six models, in one run, on one machine.

    python -m venv peers && peers/bin/pip install nncf==3.4.0 onnxruntime onnx openvino sympy      # without torch
    python benchmarks/prepare.py
    python benchmarks/peers/run.py --peers-python peers/bin/python

Three stages, each of which adds to the results file as soon as a model is through:

* make: everyone quantizes and saves, each command a fresh process, timed with its peak of memory;
* judge: every artifact runs on the card's evaluation samples: metric, paired difference, SQNR, size;
* time: interleaved rounds of fresh processes at one thread, in ONNX Runtime and in OpenVINO.

Results are data: ``benchmarks/peers/results/<date>-<machine>.json``. ``table.py`` makes the README's table of it, and
``bounds.py`` says which of the promised bounds hold. Artifacts stay in ``--work`` until the next ``make``.
"""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import contenders
import figures
import speed
from contenders import Case

from edgekit.artifact import Artifact
from edgekit.build.surroundings import package_versions
from edgekit.runner.host import read_host

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("resnet20", "resnet56", "dscnn_kws", "squeezenet", "mobilenet_vww", "fastestdet")
STAGES = ("make", "judge", "time")
SCHEMA = "edgekit.peers/1"
RUNTIMES = ("onnxruntime", "openvino")
REPEATED = ("edgekit", "nncf")


def make(case: Case, words: argparse.Namespace) -> dict[str, Any]:
    """Let everyone quantize. The contenders whose time is compared run ``--repeats`` times."""
    case.folder.mkdir(parents=True, exist_ok=True)
    samples = figures.write_calibration(case.model, case.card, case.calibration)
    artifacts: dict[str, Any] = {}
    for name, contender in {**contenders.edgekit(case), **contenders.peers(case, words.peers_python)}.items():
        made = contenders.make(contender, words.repeats if name.startswith(REPEATED) else 1)
        artifacts[name] = record(made.artifact) | {"error": made.error, "costs": made.costs}
        say(case, name, made.error or f"{artifacts[name]['size_bytes']} bytes, {sum_seconds(made.costs)} s")
    outcome: dict[str, Any] = {"calibration_samples": samples, "float_bytes": case.model.stat().st_size}
    if words.build:
        built, shipped = contenders.build(case)
        outcome["build"] = built
        for runtime, artifact in shipped.items():
            artifacts[f"edgekit-build-{runtime}"] = record(artifact) | {"error": "", "costs": []}
        say(case, "edgekit build", f"exit {built['exit_code']}, {built['report']['verdict']}")
    return outcome | {"artifacts": artifacts}


def judge(case: Case, found: dict[str, Any]) -> None:
    """Add metric, paired difference and SQNR of every artifact on every runtime that can read its kind."""
    panel = figures.open_judge(case.model, case.card)
    found["evaluation_samples"], found["metric"] = len(panel.feeds), panel.scored.metric
    found["float"] = figures.run_artifact(panel, Artifact.of(case.model, kind="onnx"))[0]
    scored: dict[str, dict[str, Any]] = {runtime: {} for runtime in RUNTIMES}
    for name, entry in found["artifacts"].items():
        entry["runs"] = {}
        for runtime, artifact in openings(entry).items():
            entry["runs"][runtime], scored[runtime][name] = figures.run_artifact(panel, artifact)
            say(case, f"{name} in {runtime}", short(entry["runs"][runtime]))
    for runtime in RUNTIMES:
        peers = [name for name, each in scored[runtime].items() if each and not name.startswith("edgekit")]
        best = max(peers, key=lambda name: found["artifacts"][name]["runs"][runtime]["metric"])
        for name, each in scored[runtime].items():
            if each and name.startswith("edgekit"):
                against = figures.paired(scored[runtime][best], each)
                found["artifacts"][name]["runs"][runtime]["against_best_peer"] = {"peer": best} | against


def time(case: Case, found: dict[str, Any], rounds: int) -> None:
    """Add the latency of EdgeKit's artifacts beside the float model's and the fastest peers', on both runtimes."""
    feeds = figures.open_judge(case.model, case.card).feeds
    original = Artifact.of(case.model, kind="onnx")
    found["latency"] = {}
    for runtime in RUNTIMES:
        usable = {
            name: openings(entry)[runtime]
            for name, entry in found["artifacts"].items()
            if runtime in openings(entry) and "error" not in entry["runs"][runtime]
        }
        ours = {name: each for name, each in usable.items() if name.startswith("edgekit")}
        theirs = {name: each for name, each in usable.items() if name not in ours}
        floats = {speed.FLOAT: original}
        if runtime == "openvino":
            floats["float-openvino"] = as_openvino(original)
        found["latency"][runtime] = speed.measure(ours, theirs, floats, feeds, rounds)
        ratios = found["latency"][runtime]["ratio_to_best_peer"]
        say(case, f"time in {runtime}", ", ".join(f"{name} {each['value']:.2f}" for name, each in ratios.items()))


def openings(entry: dict[str, Any]) -> dict[str, Artifact]:
    """The runtimes that can read an artifact, and the artifact as each opens it: OpenVINO reads ONNX files too."""
    if entry["artifact"] is None:
        return {}
    artifact = Artifact.from_json(entry["artifact"])
    if artifact.runtime == "openvino":
        return {"openvino": artifact}
    portable = not artifact.options
    return {"onnxruntime": artifact} | ({"openvino": as_openvino(artifact)} if portable else {})


def as_openvino(artifact: Artifact) -> Artifact:
    """The same ONNX file, to be opened by OpenVINO."""
    return Artifact.of(artifact.path, kind="openvino")


def record(artifact: Artifact | None) -> dict[str, Any]:
    """An artifact as data."""
    if artifact is None:
        return {"artifact": None, "size_bytes": None}
    return {"artifact": artifact.to_json(), "size_bytes": artifact.size_bytes}


def say(case: Case, what: str, told: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {case.name}: {what}: {told}", flush=True)


def short(run: dict[str, Any]) -> str:
    if "error" in run:
        return str(run["error"])
    sqnr = run["sqnr_db"]
    return f"drop {run['drop']:+.2f}, SQNR {'inf' if sqnr is None else f'{sqnr:.2f}'} dB"


def sum_seconds(costs: Sequence[Sequence[dict[str, float]]]) -> list[float]:
    return [round(sum(each["seconds"] for each in run), 2) for run in costs]


def surroundings(peers_python: Path) -> dict[str, Any]:
    """Date, commit, machine and versions that the figures rest on."""
    asked = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    versions = json.loads(subprocess.run([peers_python, "-c", asked], capture_output=True, check=True).stdout)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    host = read_host()
    return {
        "schema": SCHEMA,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "machine": {"processor": host.processor, "cores": host.cores, "flags": sorted(host.flags)},
        "versions": {
            "python": platform.python_version(),
            "edgekit": package_versions(),
            "peers": {name: versions[name] for name in ("nncf", "onnx", "onnxruntime", "openvino", "numpy")},
        },
    }


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", type=Path, required=True, help="python of the peers' environment")
    parser.add_argument("--pack", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=ROOT / "build" / "data", help="what benchmarks/prepare.py made")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "peers")
    parser.add_argument("--results", type=Path, help="file to write, or to go on with")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each command whose time is compared")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--build", action="store_true", help="also run edgekit build and judge what it ships")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    words = parse(arguments)
    about = surroundings(words.peers_python)
    name = f"{about['date'][:10]}-{platform.node()}.json"
    file = words.results or Path(__file__).resolve().parent / "results" / name
    results = json.loads(file.read_text()) if file.exists() else {"models": {}}
    results |= about
    file.parent.mkdir(parents=True, exist_ok=True)
    for model in words.models:
        folder, card = (words.work / model).resolve(), words.data / model / "card.toml"
        case = Case(model, words.pack / "models" / f"{model}.onnx", card, folder / "calibration", folder)
        if "make" in words.stages:
            results["models"][model] = make(case, words)
        if "judge" in words.stages:
            judge(case, results["models"][model])
        if "time" in words.stages:
            time(case, results["models"][model], words.rounds)
        file.write_text(json.dumps(results, indent=1) + "\n")
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
