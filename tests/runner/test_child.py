"""A job in a fresh process: whatever befalls the process becomes an error in words, and nothing hangs."""

import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.errors import InputError, MissingExtra, RuntimeFault
from edgekit.runner.child import run_job
from edgekit.runner.worker import write_runs

Job = dict[str, Any]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A measurement that takes no time."""
    graph = helper.make_graph(
        [helper.make_node("Relu", ["given"], ["bent"], name="relu")],
        "bend",
        [helper.make_tensor_value_info("given", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("bent", TensorProto.FLOAT, [1, 3])],
    )
    path = tmp_path / "bend.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    write_runs(tmp_path / "feeds.npz", [{"given": np.zeros((1, 3), np.float32)}])
    return {
        "job": "measure",
        "path": str(path),
        "runtime": "onnxruntime",
        "feeds": str(tmp_path / "feeds.npz"),
        "discard": 1,
        "at_least": 5,
        "seconds": 0,
    }


@pytest.fixture
def instead_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a shell script in the place of the Python that runs jobs."""

    def put(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(path))

    return put


def test_an_answer_comes_back(job: Job) -> None:
    told = run_job(job)
    assert len(told["times_ms"]) == 5


def test_the_peak_is_that_of_the_fresh_process_not_of_this_one(job: Job) -> None:
    ballast = np.ones(400 << 20, np.uint8)
    peak_mib = run_job(job)["peak_rss_mib"]
    assert ballast.nbytes == 400 << 20
    assert 10 < peak_mib < 300


def test_what_the_child_refuses_is_raised_as_it_was(job: Job) -> None:
    with pytest.raises(RuntimeFault, match=r"gone\.onnx: there is no such file"):
        run_job({**job, "path": "gone.onnx"})
    with pytest.raises(InputError, match="not a file of runs"):
        run_job({**job, "feeds": "gone.npz"})


def test_a_missing_package_is_raised_as_such(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "blocked" / "openvino.py"
    blocked.parent.mkdir()
    blocked.write_text("raise ImportError('blocked by a test')")
    monkeypatch.setenv("PYTHONPATH", str(blocked.parent))
    with pytest.raises(MissingExtra, match="'openvino' is not installed"):
        run_job({**job, "runtime": "openvino"})


def children() -> Iterator[int]:
    """Find this process's children that work on jobs."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == os.getpid() and "edgekit.runner" in command:
            yield int(folder.name)


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (signal.SIGKILL, r"ended by SIGKILL \(out of memory\?\)"),
        (signal.SIGSEGV, "ended by SIGSEGV"),
        (signal.SIGABRT, "ended by SIGABRT"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_child_killed_in_the_middle_is_a_fault_that_names_the_signal(
    job: Job, number: signal.Signals, told: str
) -> None:
    def kill() -> None:
        while not (found := list(children())):
            os.sched_yield()
        os.kill(found[0], number)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(RuntimeFault, match=told):
        run_job({**job, "seconds": 600}, timeout_s=60)
    killer.join()


def test_a_child_that_takes_too_long_is_ended(job: Job) -> None:
    with pytest.raises(RuntimeFault, match=r"onnxruntime on bend\.onnx: no answer within 1 s"):
        run_job({**job, "seconds": 600}, timeout_s=1)
    assert not list(children())


def test_the_child_ends_itself_should_its_parent_be_gone(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekit.runner.child._GRACE_S", -59.0)
    with pytest.raises(RuntimeFault, match=r"ended by SIGALRM"):
        run_job({**job, "seconds": 600}, timeout_s=60)


def test_a_crash_is_told_by_its_first_line(job: Job, instead_of_python: Callable[[str], None]) -> None:
    instead_of_python("echo 'Fatal Python error: Segmentation fault' >&2; echo 'more' >&2; kill -SEGV $$")
    with pytest.raises(RuntimeFault, match=r"ended by SIGSEGV: Fatal Python error: Segmentation fault$"):
        run_job(job)


def test_an_exit_code_is_told_with_the_last_line(job: Job, instead_of_python: Callable[[str], None]) -> None:
    instead_of_python("echo 'first' >&2; echo 'ValueError: the last' >&2; exit 3")
    with pytest.raises(RuntimeFault, match="ended with exit code 3: ValueError: the last"):
        run_job(job)


def test_a_silent_end_is_told_without_a_colon(job: Job, instead_of_python: Callable[[str], None]) -> None:
    instead_of_python("exit 9")
    with pytest.raises(RuntimeFault, match=r"ended with exit code 9$"):
        run_job(job)


@pytest.mark.parametrize("words", ["", "nonsense", '{"half":'])
def test_an_answer_that_is_none_is_a_fault(job: Job, instead_of_python: Callable[[str], None], words: str) -> None:
    instead_of_python(f"printf '%s' '{words}'")
    with pytest.raises(RuntimeFault, match="gave no answer"):
        run_job(job)


def test_an_unknown_fault_is_still_a_fault(job: Job, instead_of_python: Callable[[str], None]) -> None:
    instead_of_python("""echo '{"fault": "Later", "mistakes": ["new"], "hint": "wait"}'""")
    with pytest.raises(RuntimeFault, match="new") as caught:
        run_job(job)
    assert caught.value.hint == "wait"


def test_nothing_in_the_working_directory_is_imported(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("numpy", "onnxruntime", "json"):
        (trap / f"{name}.py").write_text("raise SystemExit('taken from the working directory')")
    monkeypatch.chdir(trap)
    assert run_job(job)["times_ms"]


def test_telemetry_is_off_in_the_child(job: Job, instead_of_python: Callable[[str], None]) -> None:
    python = sys.executable
    check = "import edgekit.runner.runtimes.onnxruntime, os, json; print(json.dumps(dict(os.environ)))"
    instead_of_python(f'unset ORT_DISABLE_TELEMETRY; exec "{python}" -c "{check}"')
    assert run_job(job)["ORT_DISABLE_TELEMETRY"] == "1"
