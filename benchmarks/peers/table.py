"""Table: a run of run.py as Markdown, for the README.

    python benchmarks/peers/table.py RESULTS.json [--zoo ZOO.json] [--write README.md]

``--zoo`` adds how the zoo ended, as benchmarks/zoo.py kept it.
``--write`` puts it between the marks ``<!-- results: begin`` and ``<!-- results: end -->`` of a file.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bounds import EXACT_DB, SAVED_BY, Side, decibels, peak_rss_mib, seconds

RUNTIMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
CHOSEN = {"onnxruntime": "edgekit-onnxruntime", "openvino": "edgekit-openvino"}
HEADING = (
    "| model, samples | runtime | float | drop | SQNR dB | kB | times float | quantize s | peak MiB | build ships |",
    "|---|---|---:|---|---|---|---|---|---|---|",
)
MARKS = re.compile(r"(<!-- results: begin[^\n]*-->\n).*?(<!-- results: end -->)", re.DOTALL)


def table(results: Mapping[str, Any]) -> str:
    """Return the whole text: what was measured where, and one row for each model and runtime."""
    versions = results["versions"]
    said = (
        f"EdgeKit's int8 / the best of its peers (ONNX Runtime {versions['peers']['onnxruntime']}'s quantizer: min-max "
        f"per tensor, min-max and percentile per channel; NNCF {versions['peers']['nncf']}: performance and mixed, on "
        "ONNX and on OpenVINO models), each figure the best that any of them reaches on that runtime. Drop in points "
        "of top-1 (fastestdet: AP50), negative is better than float; times float: how many times faster than the float "
        "model in ONNX Runtime, one thread, interleaved rounds of fresh processes; quantize: from the model to the "
        f"saved file, and peak memory, beside NNCF; build ships: what ``edgekit build`` chose, how many times faster "
        f"than float, its verdict. {results['machine']['processor']}, {results['date'][:10]}, "
        f"commit {results['commit'][:9]}."
    )
    rows = [row for name, model in results["models"].items() for row in rows_of(name, model)]
    return "\n".join([said, "", *HEADING, *rows]) + "\n"


def zoo_line(zoo: Mapping[str, Any]) -> str:
    """One sentence on the zoo of awkward models."""
    counts = {name: sum(not each["wrong"] for each in endings) for name, endings in zoo["endings"].items()}
    total = len(next(iter(zoo["endings"].values())))
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    return (
        f"Of {total} small awkward models, these end as they should (benchmarks/zoo.py, {zoo['date'][:10]}): {told}.\n"
    )


def rows_of(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    """Yield the rows of one model."""
    for runtime, ours in CHOSEN.items():
        if "metric" not in model["artifacts"].get(ours, {}).get("runs", {}).get(runtime, {}):
            continue
        side = Side(name, model, runtime)
        run, runs = side.run(ours), [side.run(peer) for peer in side.peers]
        sizes = [each["size_bytes"] for each in side.of_its_kind().values()]
        cells = (
            f"{name}, {model['evaluation_samples']:,}",
            RUNTIMES[runtime],
            f"{model['float']['metric']:.2f}",
            f"{signed(run['drop'])} / {signed(min(each['drop'] for each in runs))}",
            f"{shown_db(decibels(run))} / {shown_db(max(decibels(each) for each in runs))}",
            f"{model['artifacts'][ours]['size_bytes'] / 1000:.0f} / {min(sizes) / 1000:.0f}",
            speeds(model, runtime, ours),
            *costs(side),
            shipped(model, runtime),
        )
        yield "| " + " | ".join(cells) + " |"


def speeds(model: Mapping[str, Any], runtime: str, ours: str) -> str:
    """Ours and the fastest peer's speed, as multiples of the float model's in ONNX Runtime."""
    latency = model.get("latency", {}).get(runtime)
    if not latency or ours not in latency["speedup_vs_float"]:
        return ""
    found = latency["speedup_vs_float"]
    return f"{found[ours]['value']:.2f} / {found[latency['best_peer']]['value']:.2f}"


def shipped(model: Mapping[str, Any], runtime: str) -> str:
    """What ``edgekit build`` ships for the runtime: precision, multiple of the float model's speed, verdict."""
    if "build" not in model:
        return ""
    (target,) = (each for each in model["build"]["report"]["targets"] if each["runtime"] == runtime)
    found = model.get("latency", {}).get(runtime, {}).get("speedup_vs_float", {}).get(f"edgekit-build-{runtime}")
    times = f" {found['value']:.2f}" if found else ""
    return f"{target['precision']}{times}, {target['verdict']}"


def costs(side: Side) -> tuple[str, str]:
    """Seconds and peak memory of quantizing, ours and the best of NNCF's."""
    ours = side.model["artifacts"].get(SAVED_BY[side.runtime], {}).get("costs")
    nncf = [each["costs"] for name, each in side.of_its_kind().items() if name.startswith("nncf")]
    if not ours or not nncf:
        return "", ""
    return (
        f"{seconds(ours):.1f} / {min(map(seconds, nncf)):.1f}",
        f"{peak_rss_mib(ours):.0f} / {min(map(peak_rss_mib, nncf)):.0f}",
    )


def signed(points: float) -> str:
    """A drop with its sign; zero has none."""
    return f"{points:+.2f}" if round(points, 2) else "0.00"


def shown_db(decibels: float) -> str:
    return "exact" if decibels == EXACT_DB else f"{decibels:.1f}"


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--zoo", type=Path)
    parser.add_argument("--write", type=Path, metavar="README.md")
    given = parser.parse_args(words)
    text = table(json.loads(given.results.read_text()))
    if given.zoo:
        text += "\n" + zoo_line(json.loads(given.zoo.read_text()))
    if given.write is None:
        print(text, end="")
        return 0
    page = given.write.read_text()
    if not MARKS.search(page):
        print(f"error: {given.write} has no <!-- results: begin --> and <!-- results: end --> lines", file=sys.stderr)
        return 2
    given.write.write_text(MARKS.sub(lambda found: found[1] + text + found[2], page))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
