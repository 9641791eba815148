"""Bounds: what EdgeKit promises beside its peers, and whether a run of run.py keeps it.

    python benchmarks/peers/bounds.py RESULTS.json        exit 1 where a bound is missed

For each model and runtime, against the peers' artifacts that this runtime loads:

* drop: at 1,000 samples or more at most max(0, the best peer's) + 0.1 point; below that, not significantly worse than
  the best peer in the paired difference (its 95 % lower bound is not above 0);
* sqnr: at least the best peer's - 0.5 dB;
* latency: at least 0.97 times as fast as the fastest peer;
* size: at most the smallest peer's + 5 %, ONNX against ONNX, IR against NNCF's IR (not of what ``build`` ships: that is
  float where int8 is not faster);
* time and memory: from the model to the saved file (for an IR: quantize and compile), not above the best of NNCF's.
"""

import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENOUGH_SAMPLES = 1000
DROP_SLACK_POINTS = 0.1
SQNR_SLACK_DB = 0.5
LEAST_RATIO = 0.97
MOST_SIZE = 1.05
EXACT_DB = 999.0
"""Stands for an output that does not differ in a bit."""

SHIPPED = "edgekit-build"
OURS = {
    "onnxruntime": ("edgekit-onnxruntime", "edgekit-build-onnxruntime"),
    "openvino": ("edgekit-openvino", "edgekit-build-openvino"),
}
SAVED_BY = {"onnxruntime": "edgekit-onnx", "openvino": "edgekit-openvino"}
"""Whose commands lead from the model to a saved file of the peers' kind."""

Model = Mapping[str, Any]


@dataclass(frozen=True)
class Check:
    """One bound of one artifact: our figure, the best peer's, the limit that follows, and whether it holds."""

    model: str
    runtime: str
    artifact: str
    bound: str
    ours: float
    theirs: float
    peer: str
    limit: float
    holds: bool


@dataclass(frozen=True)
class Side:
    """One runtime of one model: what the peers reached there."""

    name: str
    model: Model
    runtime: str

    @property
    def peers(self) -> dict[str, Any]:
        """The peers' artifacts that this runtime loads."""
        return {
            name: entry
            for name, entry in self.model["artifacts"].items()
            if not name.startswith("edgekit") and "metric" in entry.get("runs", {}).get(self.runtime, {})
        }

    def run(self, name: str) -> dict[str, Any]:
        """Figures of an artifact on this runtime."""
        found: dict[str, Any] = self.model["artifacts"][name]["runs"][self.runtime]
        return found

    def of_its_kind(self) -> dict[str, Any]:
        """Peers' artifacts in the form that this runtime is given: ONNX files, or IRs."""
        return {
            name: each for name, each in self.peers.items() if name.endswith("openvino") == (self.runtime == "openvino")
        }


def checks(results: Mapping[str, Any]) -> Iterator[Check]:
    """Yield every bound of every model, runtime and EdgeKit artifact for which there are figures."""
    for name, model in results["models"].items():
        for runtime, artifacts in OURS.items():
            side = Side(name, model, runtime)
            for artifact in artifacts:
                entry = model["artifacts"].get(artifact, {})
                if "metric" in entry.get("runs", {}).get(runtime, {}):
                    yield from figures_of(side, artifact)
            yield from cost_of(side)


def figures_of(side: Side, artifact: str) -> Iterator[Check]:
    """Yield the bounds on an artifact's drop, SQNR, size and latency."""
    place = (side.name, side.runtime, artifact)
    run = side.run(artifact)
    drops = {name: side.run(name)["drop"] for name in side.peers}
    best = min(drops, key=lambda name: drops[name])
    if side.model["evaluation_samples"] >= ENOUGH_SAMPLES:
        limit = max(0.0, drops[best]) + DROP_SLACK_POINTS
        yield Check(*place, "drop", run["drop"], drops[best], best, limit, run["drop"] <= limit + 1e-9)
    else:
        lower = run["against_best_peer"]["drop_lower_95"]
        yield Check(*place, "drop", lower, drops[best], run["against_best_peer"]["peer"], 0.0, lower <= 0)
    noise = {name: decibels(side.run(name)) for name in side.peers}
    cleanest = max(noise, key=lambda name: noise[name])
    limit = noise[cleanest] - SQNR_SLACK_DB
    yield Check(*place, "sqnr", decibels(run), noise[cleanest], cleanest, limit, decibels(run) >= limit)
    if not artifact.startswith(SHIPPED):
        sizes = {name: float(each["size_bytes"]) for name, each in side.of_its_kind().items()}
        smallest = min(sizes, key=lambda name: sizes[name])
        size, limit = float(side.model["artifacts"][artifact]["size_bytes"]), sizes[smallest] * MOST_SIZE
        yield Check(*place, "size", size, sizes[smallest], smallest, limit, size <= limit)
    latency = side.model.get("latency", {}).get(side.runtime)
    if latency and artifact in latency["ratio_to_best_peer"]:
        ratio = latency["ratio_to_best_peer"][artifact]["value"]
        yield Check(*place, "latency", ratio, 1.0, latency["best_peer"], LEAST_RATIO, ratio >= LEAST_RATIO)


def cost_of(side: Side) -> Iterator[Check]:
    """Yield the bounds on time and memory from the model to the saved file."""
    ours = SAVED_BY[side.runtime]
    costs = side.model["artifacts"].get(ours, {}).get("costs")
    nncf = {name: each["costs"] for name, each in side.of_its_kind().items() if name.startswith("nncf")}
    if not costs or not nncf:
        return
    for bound, figure in (("time", seconds), ("memory", peak_rss_mib)):
        theirs = {name: figure(each) for name, each in nncf.items()}
        best = min(theirs, key=lambda name: theirs[name])
        found = figure(costs)
        yield Check(
            side.name, side.runtime, ours, bound, found, theirs[best], best, theirs[best], found <= theirs[best]
        )


def decibels(run: Mapping[str, Any]) -> float:
    """SQNR of a run; an exact one counts as more than any."""
    return EXACT_DB if run["sqnr_db"] is None else float(run["sqnr_db"])


def seconds(costs: Sequence[Sequence[Mapping[str, float]]]) -> float:
    """Median over runs of the seconds of all commands together."""
    return statistics.median(sum(command["seconds"] for command in run) for run in costs)


def peak_rss_mib(costs: Sequence[Sequence[Mapping[str, float]]]) -> float:
    """Median over runs of the largest command's peak."""
    return statistics.median(max(command["peak_rss_mib"] for command in run) for run in costs)


def main(words: Sequence[str]) -> int:
    """Print every bound, the missed ones marked; 1 where one is missed."""
    if len(words) != 1:
        print(__doc__)
        return 2
    missed = 0
    for each in checks(json.loads(Path(words[0]).read_text())):
        missed += not each.holds
        mark = "holds" if each.holds else "MISSED"
        print(
            f"{mark:6s} {each.model:14s} {each.artifact:26s} {each.bound:8s} {each.ours:12.2f}"
            f"  limit {each.limit:12.2f}  ({each.peer} {each.theirs:.2f})"
        )
    print(f"{missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
