"""The zoo: small awkward models, each of a kind that users of quantizers report trouble with; how each must end.

    python benchmarks/zoo.py [ZOO=../shared/zoo] [--peers-python PYTHON] [--results FILE.json]

``edgekit quantize MODEL -d CARD -t onnxruntime-x86 -o X.onnx`` runs on each, within 60 seconds. ``expect.json`` says
how it should end:

* quantize: exit 0; X.onnx holds more Q/DQ nodes than the model; a fresh default session of ONNX Runtime loads it, and
  every float output reaches ``cosine_floor`` against the model's own, every other one ``agreement_floor``;
* float: exit 0; X.onnx holds the float model (same outputs, no new Q/DQ nodes), one line says that float was kept;
* refuse: exit 2, an ``error:`` line, nothing written.

In no case a traceback. Outputs are judged one by one, never joined, each over all samples; what is not finite must stay
as it is. With ``--peers-python``, ONNX Runtime's quantizer and NNCF are judged by the same rules, except that any
failure that writes nothing counts as a refusal. Exit code 1 where EdgeKit misses.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx

HERE = Path(__file__).resolve().parent
SCHEMA = "edgekit.zoo/1"
LIMIT_SECONDS = 60.0
SAME_COSINE = 0.99999
INTEGER_OPERATORS = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "MatMulInteger"}
PEERS = {
    "ONNX Runtime": ("onnxruntime-minmax-tensor", "onnxruntime-minmax-channel"),
    "NNCF": ("nncf-performance-onnx",),
}

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Ending:
    """How one model ended: what was expected, the worst output's figure, and what is wrong (empty: nothing)."""

    model: str
    should: str
    exit_code: int
    seconds: float
    worst: float | None
    wrong: str


@dataclass(frozen=True)
class Run:
    """A tool's process that is over."""

    exit_code: int
    seconds: float
    said: str


def run_edgekit(case: Path, out: Path) -> Ending:
    """Quantize one model of the zoo with EdgeKit and judge the ending."""
    words = [str(case / "model.onnx"), "-d", str(case / "card.toml"), "-t", "onnxruntime-x86", "-o", str(out)]
    run = run_tool([sys.executable, "-m", "edgekit", "quantize", *words])
    wrong, worst = judge(case, out, run)
    return Ending(case.name, expected(case)["should"], run.exit_code, round(run.seconds, 2), worst, wrong)


def run_peer(case: Path, variant: str, python: Path, folder: Path) -> Ending:
    """Quantize one model with a peer, from the same calibration samples."""
    samples, out = folder / "samples", folder / "out.onnx"
    write_samples(case, samples)
    script, model = HERE / "peers" / "quantize_peer.py", case / "model.onnx"
    words = [variant, "--model", str(model), "--samples", str(samples), "--out", str(out)]
    run = run_tool([str(python), str(script), *words])
    if run.exit_code and expected(case)["should"] == "refuse" and not out.exists():
        wrong, worst = "", None
    elif run.exit_code:
        wrong, worst = (run.said.strip().splitlines() or ["it failed"])[-1][:160], None
    elif expected(case)["should"] == "refuse":
        wrong, worst = "not refused", None
    else:
        wrong, worst = judge_outputs(case, out)
    return Ending(case.name, expected(case)["should"], run.exit_code, round(run.seconds, 2), worst, wrong)


def run_tool(command: Sequence[str]) -> Run:
    """Run a command for at most 60 seconds; what it said is stdout and stderr together."""
    started = time.perf_counter()
    try:
        ended = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Run(-1, LIMIT_SECONDS, f"not done within {LIMIT_SECONDS:g} s")
    return Run(ended.returncode, time.perf_counter() - started, ended.stdout)


def expected(case: Path) -> dict[str, Any]:
    """Return what expect.json says."""
    said: dict[str, Any] = json.loads((case / "expect.json").read_text())
    return said


def judge(case: Path, out: Path, run: Run) -> tuple[str, float | None]:
    """Say what is wrong with EdgeKit's ending (empty: nothing), and the worst output's figure."""
    should = expected(case)["should"]
    if run.exit_code < 0 or "Traceback" in run.said:
        return f"exit {run.exit_code}: {(run.said.strip().splitlines() or [''])[-1][:160]}", None
    if should == "refuse":
        lines = run.said.splitlines()
        told = any(line.startswith("error:") for line in lines)
        refused = run.exit_code == 2 and told and not any(out.parent.glob(f"{out.stem}*"))
        return "" if refused else f"not refused: exit {run.exit_code}, error line {told}", None
    if run.exit_code != 0:
        return f"exit {run.exit_code}: {next(iter(run.said.splitlines()), '')[:160]}", None
    if should == "float" and "float kept" not in run.said:
        return "no line says that float was kept", None
    return judge_outputs(case, out)


def judge_outputs(case: Path, out: Path) -> tuple[str, float | None]:
    """Compare a quantized file with the model in fresh default sessions, output by output."""
    said = expected(case)
    more = integer_nodes(out) - integer_nodes(case / "model.onnx")
    if said["should"] == "quantize" and more <= 0:
        return "nothing was quantized", None
    if said["should"] == "float" and more > 0:
        return f"{more} Q/DQ nodes where float was expected", None
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "outputs.npz")
        command = [sys.executable, str(HERE / "default_session.py"), str(case / "data.npz"), str(found)]
        run = run_tool([*command, str(case / "model.onnx"), str(out)])
        if run.exit_code:
            return f"the result does not run: {(run.said.strip().splitlines() or [''])[-1][:200]}", None
        with np.load(found) as arrays:
            outputs = dict(arrays)
    figures = {}
    for key, base in outputs.items():
        number, name = key.split(":", 1)
        if number == "0":
            figures[name] = similarity(base, outputs[f"1:{name}"])
    floor = SAME_COSINE if said["should"] == "float" else said["cosine_floor"]
    floors = {
        name: floor if outputs[f"0:{name}"].dtype.kind == "f" else said.get("agreement_floor", floor)
        for name in figures
    }
    short = [
        f"output {name}: {figures[name]:.5f} < {floors[name]:g}"
        for name in figures
        if not figures[name] >= floors[name]
    ]
    return "; ".join(short), min(figures.values())


def similarity(base: Array, value: Array) -> float:
    """Cosine of two float outputs, what is not finite being equal; of other outputs the share of equal entries."""
    if base.shape != value.shape or base.dtype != value.dtype:
        return 0.0
    if base.dtype.kind != "f":
        return float(np.mean(base == value))
    finite = np.isfinite(base)
    if not np.array_equal(base[~finite], value[~finite], equal_nan=True) or not np.isfinite(value[finite]).all():
        return 0.0
    left, right = base[finite].astype(np.float64), value[finite].astype(np.float64)
    norms = np.linalg.norm(left) * np.linalg.norm(right)
    return float(left @ right / norms) if norms else float(np.array_equal(left, right))


def integer_nodes(model: Path) -> int:
    """Count the nodes that take part in integer arithmetic, bodies of control flow included."""

    def count(graph: onnx.GraphProto) -> int:
        own = sum(node.op_type in INTEGER_OPERATORS for node in graph.node)
        bodies = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
        return own + sum(map(count, bodies))

    return count(onnx.load(model, load_external_data=False).graph)


def write_samples(case: Path, folder: Path) -> None:
    """Write a model's calibration samples as quantize_peer.py takes them, in the inputs' full rank."""
    folder.mkdir(exist_ok=True)
    graph = onnx.load(case / "model.onnx", load_external_data=False).graph
    weights = {each.name for each in graph.initializer}
    ports = [port for port in graph.input if port.name not in weights]
    with np.load(case / "data.npz") as data:
        for number, port in enumerate(ports):
            rows = data[f"calib_{number}"]
            rank = len(port.type.tensor_type.shape.dim)
            np.save(folder / f"{port.name}.npy", rows[:, None] if rows.ndim - 1 < rank else rows)


def print_table(endings: Sequence[Ending], title: str) -> int:
    """Print one line a model; return how many missed."""
    print(f"\n{title}", flush=True)
    for each in endings:
        worst = "" if each.worst is None else f"{each.worst:.5f}"
        print(f"{each.model:24s} {each.should:9s} {each.seconds:6.1f} s {worst:>8s}  {each.wrong or 'as expected'}")
    missed = sum(bool(each.wrong) for each in endings)
    print(f"{len(endings) - missed} of {len(endings)} as expected")
    return missed


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo", type=Path, nargs="?", default=HERE.parents[1] / "shared" / "zoo")
    parser.add_argument("--peers-python", type=Path)
    parser.add_argument("--results", type=Path, help="where the endings are kept as JSON")
    given = parser.parse_args(words)
    cases = sorted(path.parent for path in given.zoo.glob("*/expect.json"))
    if not cases:
        parser.error(f"{given.zoo}: no model with an expect.json")
    found: dict[str, list[Ending]] = {}
    with tempfile.TemporaryDirectory() as folder:
        found["EdgeKit"] = [run_edgekit(case, Path(folder, f"{case.name}.onnx")) for case in cases]
        missed = print_table(found["EdgeKit"], "EdgeKit")
        for peer, variants in PEERS.items() if given.peers_python else ():
            for variant in variants:
                place = Path(folder, variant)
                endings = []
                for case in cases:
                    (place / case.name).mkdir(parents=True)
                    endings.append(run_peer(case, variant, given.peers_python, place / case.name))
                found[variant] = endings
                print_table(endings, f"{peer}: {variant}")
    if given.results:
        endings_of = {name: [asdict(each) for each in endings] for name, endings in found.items()}
        data = {"schema": SCHEMA, "date": datetime.now(UTC).isoformat(timespec="seconds"), "endings": endings_of}
        given.results.write_text(json.dumps(data, indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
