"""Worker: one job at a time in a process of its own: measure, predict, or say what really ran.

``python -m edgekit.runner`` reads one JSON object a line from stdin and answers with one a line on stdout:

    {"job": "measure", "path": "m.onnx", "runtime": "onnxruntime", "threads": 1, "options": {}, "feeds": "feeds.npz",
     "discard": 10, "at_least": 30, "seconds": 0.5}
    -> {"load_ms": 12.1, "first_ms": 0.9, "times_ms": [0.41, ...], "peak_rss_mib": 61.2, "loaded_rss_mib": 58.0, ...}
    {"job": "predict", ..., "feeds": "feeds.npz", "outputs": "outputs.npz"} -> {"runs": 16, ...}
    {"job": "inspect", "path": ..., "runtime": ...} -> {"operators": [[name, kind, precision, provider], ...], ...}
    anything that cannot be done -> {"fault": "RuntimeFault", "mistakes": [...], "hint": "..."}

Rules:

* A fresh process for each measurement is the caller's duty: peaks of memory are those of the whole process.
* Feeds and outputs are .npz files without pickles; entry ``3:input`` is array ``input`` of run 3.
* Time is taken around the whole inference, copies to and from the runtime included, by ``perf_counter_ns``.
* What a runtime prints never mixes with the answers: file descriptor 1 is pointed at stderr for as long as jobs run.
* ``timeout_s`` ends the process by the kernel's alarm, should the caller be gone while a runtime hangs: a handler in
  Python would wait for the runtime, and a watchdog thread that looks at a running one may crash.
"""

import importlib
import json
import os
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from edgekit.runner.faults import EdgeKitError, InputError, RuntimeFault
from edgekit.runner.runtimes.base import Array, Session, open_session

Job = Mapping[str, Any]
Answer = dict[str, Any]

_MIB = 1 << 20
_KIB_IN_MIB = 1024
_NS_IN_MS = 1e6


def serve(lines: Iterable[str], answers: TextIO) -> None:
    """Do the job on each line and write its answer; a line that is no job is answered with a fault."""
    for line in lines:
        if line.strip():
            answers.write(json.dumps(answer(line)) + "\n")
            answers.flush()


def answer(line: str) -> Answer:
    """Do one job; what goes wrong with a model or with the data becomes a fault, a bug stays a traceback."""
    try:
        job = json.loads(line)
        work = JOBS[job["job"]]
    except (ValueError, KeyError, TypeError) as error:
        fault: EdgeKitError = InputError(f"not a job: {line.strip()[:200]!r}", hint=f"jobs: {', '.join(JOBS)}")
        fault.__cause__ = error
        return _answer_from_fault(fault)
    try:
        if "timeout_s" in job:
            signal.setitimer(signal.ITIMER_REAL, float(job["timeout_s"]))
        return work(job)
    except EdgeKitError as fault:
        return _answer_from_fault(fault)
    except MemoryError:
        return _answer_from_fault(RuntimeFault("out of memory"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def measure(job: Job) -> Answer:
    """Load the model, discard the first runs, and time the others while the feeds rotate."""
    feeds = read_runs(Path(job["feeds"]))
    session, load_ms = _open(job)
    loaded_rss_mib = peak_rss_mib()
    first_ms = _timed_ms(session, feeds[0])
    for run in range(1, int(job.get("discard", 10))):
        session.infer(feeds[run % len(feeds)])
    times_ms: list[float] = []
    deadline = time.perf_counter() + float(job.get("seconds", 0.5))
    while len(times_ms) < int(job.get("at_least", 30)) or time.perf_counter() < deadline:
        times_ms.append(_timed_ms(session, feeds[len(times_ms) % len(feeds)]))
    return {
        "runtime_version": session.version,
        "load_ms": load_ms,
        "first_ms": first_ms,
        "times_ms": times_ms,
        "loaded_rss_mib": loaded_rss_mib,
        "peak_rss_mib": peak_rss_mib(),
    }


def predict(job: Job) -> Answer:
    """Run every feed once and write the outputs."""
    feeds = read_runs(Path(job["feeds"]))
    session, load_ms = _open(job)
    write_runs(Path(job["outputs"]), [session.infer(each) for each in feeds])
    return {"runtime_version": session.version, "load_ms": load_ms, "runs": len(feeds)}


def inspect(job: Job) -> Answer:
    """List the operators as the runtime runs them, and the ports."""
    session, load_ms = _open(job)
    operators = [[each.name, each.kind, each.precision, each.provider] for each in session.executed()]
    ports = {
        side: [[port.name, port.dtype, list(port.shape)] for port in each]
        for side, each in (("inputs", session.inputs), ("outputs", session.outputs))
    }
    return {"runtime_version": session.version, "load_ms": load_ms, "operators": operators, **ports}


JOBS: Mapping[str, Callable[[Job], Answer]] = {"measure": measure, "predict": predict, "inspect": inspect}


def read_runs(path: Path) -> list[dict[str, Array]]:
    """Read what :func:`write_runs` wrote.

    Raises:
        InputError: the file is missing, damaged, holds pickles, or its runs are not 0, 1, 2, ...
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            entries = {key: archive[key] for key in archive.files}
        runs: dict[int, dict[str, Array]] = {}
        for key, array in entries.items():
            number, _, name = key.partition(":")
            runs.setdefault(int(number), {})[name] = array.astype(object) if array.dtype.kind == "U" else array
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a file of runs: {error}") from error
    if not runs or sorted(runs) != list(range(len(runs))):
        raise InputError(f"{path}: runs must count 0, 1, 2, ..., got {sorted(runs)[:5]}")
    return [runs[number] for number in range(len(runs))]


def write_runs(path: Path, runs: Sequence[Mapping[str, Array]]) -> None:
    """Write arrays by name for each run into an .npz file without pickles; texts become fixed-width unicode."""
    entries: dict[str, Any] = {
        f"{number}:{name}": array.astype(str) if array.dtype == object else array
        for number, run in enumerate(runs)
        for name, array in run.items()
    }
    with path.open("wb") as stream:
        np.savez(stream, **entries)  # none holds objects any more; NumPy before 2.2 takes no allow_pickle here


def peak_rss_mib() -> float:
    """Return the largest resident memory of this process so far, in MiB.

    Linux: VmHWM, which starts anew with the program; ``ru_maxrss`` would carry over what the parent had at the fork.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / _KIB_IN_MIB
    except (OSError, StopIteration):
        resource = importlib.import_module("resource")  # absent on Windows, where this is not called yet
        peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (_MIB if sys.platform == "darwin" else _KIB_IN_MIB)


def keep_stdout() -> TextIO:
    """Return a stream to the caller, and point file descriptor 1 at stderr: runtimes print what they like."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "w", encoding="utf-8")


def _open(job: Job) -> tuple[Session, float]:
    """Import the adapter first, so that ``load_ms`` is the model's alone."""
    runtime = str(job["runtime"])
    if not runtime.isidentifier():
        raise InputError(f"not a runtime: {runtime!r}")
    try:
        importlib.import_module(f"edgekit.runner.runtimes.{runtime}")
    except ModuleNotFoundError as error:
        raise InputError(f"no adapter for the runtime {runtime!r}") from error
    started = time.perf_counter_ns()
    session = open_session(
        runtime, Path(job["path"]), threads=int(job.get("threads", 1)), options=dict(job.get("options", {}))
    )
    return session, (time.perf_counter_ns() - started) / _NS_IN_MS


def _timed_ms(session: Session, feeds: Mapping[str, Array]) -> float:
    started = time.perf_counter_ns()
    session.infer(feeds)
    return (time.perf_counter_ns() - started) / _NS_IN_MS


def _answer_from_fault(fault: EdgeKitError) -> Answer:
    return {"fault": type(fault).__name__, "mistakes": list(fault.mistakes), "hint": fault.hint}
