"""The worker's protocol: one job a line, one answer a line, and nothing else on stdout."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.errors import InputError
from edgekit.runner.runtimes.base import Session
from edgekit.runner.worker import answer, peak_rss_mib, read_runs, serve, write_runs


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Twice the input: (n, 3) -> (n, 3)."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["given", "given"], ["twice"], name="add")],
        "twice",
        [helper.make_tensor_value_info("given", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("twice", TensorProto.FLOAT, ["n", 3])],
    )
    path = tmp_path / "twice.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    """Three runs with different numbers."""
    path = tmp_path / "feeds.npz"
    write_runs(path, [{"given": np.full((1, 3), number, np.float32)} for number in range(3)])
    return path


def ask(**job: Any) -> dict[str, Any]:
    """Do a job in this process."""
    return answer(json.dumps({"runtime": "onnxruntime", **{key: _plain(value) for key, value in job.items()}}))


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def test_measuring_gives_raw_times_loads_and_peaks(model: Path, feeds: Path) -> None:
    told = ask(job="measure", path=model, feeds=feeds, discard=3, at_least=20, seconds=0)
    assert len(told["times_ms"]) == 20
    assert all(each > 0 for each in told["times_ms"])
    assert told["load_ms"] > 0
    assert told["first_ms"] > 0
    assert told["peak_rss_mib"] >= told["loaded_rss_mib"] > 10
    assert told["runtime_version"][0].isdigit()


def test_measuring_goes_on_for_the_seconds_asked(model: Path, feeds: Path) -> None:
    told = ask(job="measure", path=model, feeds=feeds, discard=1, at_least=1, seconds=0.05)
    assert len(told["times_ms"]) > 1
    assert sum(told["times_ms"]) <= 1000


def test_measuring_defaults_to_thirty_inferences_or_half_a_second(model: Path, feeds: Path) -> None:
    told = ask(job="measure", path=model, feeds=feeds)
    assert len(told["times_ms"]) >= 30


@pytest.mark.parametrize("discard", [0, 1, 4])
def test_feeds_rotate_through_discarded_and_timed_runs(
    monkeypatch: pytest.MonkeyPatch, model: Path, feeds: Path, discard: int
) -> None:
    seen: list[float] = []
    infer = Session.infer

    def watched(self: Session, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        seen.append(float(given["given"][0, 0]))
        return infer(self, given)

    monkeypatch.setattr(Session, "infer", watched)
    ask(job="measure", path=model, feeds=feeds, discard=discard, at_least=7, seconds=0)
    first = max(discard, 1)  # the first inference is timed apart and never counts
    assert seen[:first] == [number % 3 for number in range(first)]
    assert seen[first : first + 7] == [0, 1, 2, 0, 1, 2, 0]


def test_predicting_writes_the_outputs_of_every_run(model: Path, feeds: Path, tmp_path: Path) -> None:
    told = ask(job="predict", path=model, feeds=feeds, outputs=tmp_path / "outputs.npz")
    assert told["runs"] == 3
    runs = read_runs(tmp_path / "outputs.npz")
    assert [run["twice"].tolist() for run in runs] == [[[2.0 * number] * 3] for number in range(3)]


def test_inspecting_lists_operators_and_ports(model: Path) -> None:
    told = ask(job="inspect", path=model)
    assert told["operators"] == [["add", "Add", "f32", "CPUExecutionProvider"]]
    assert told["inputs"] == [["given", "float32", [None, 3]]]
    assert told["outputs"] == [["twice", "float32", [None, 3]]]


@pytest.mark.parametrize(
    "line", ["nonsense", "[]", "{}", '{"job": "dance"}', '"measure"', "null"], ids=lambda line: line[:10]
)
def test_a_line_that_is_no_job_is_answered_with_the_jobs_there_are(line: str) -> None:
    told = answer(line)
    assert told["fault"] == "InputError"
    assert told["hint"] == "jobs: measure, predict, inspect"


def test_what_a_runtime_refuses_is_a_fault(tmp_path: Path, feeds: Path) -> None:
    told = ask(job="measure", path=tmp_path / "gone.onnx", feeds=feeds)
    assert told["fault"] == "RuntimeFault"
    assert "gone.onnx" in told["mistakes"][0]


def test_feeds_that_do_not_fit_are_a_fault_of_the_input(model: Path, tmp_path: Path) -> None:
    write_runs(tmp_path / "feeds.npz", [{"given": np.zeros((1, 4), np.float32)}])
    told = ask(job="measure", path=model, feeds=tmp_path / "feeds.npz")
    assert told["fault"] == "InputError"


@pytest.mark.parametrize("runtime", ["tensorflow", "base.x", "../evil", ""])
def test_an_unknown_runtime_is_a_fault(model: Path, feeds: Path, runtime: str) -> None:
    told = ask(job="measure", path=model, feeds=feeds, runtime=runtime)
    assert told["fault"] == "InputError"


def test_a_missing_package_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch, model: Path, feeds: Path) -> None:
    monkeypatch.delitem(sys.modules, "edgekit.runner.runtimes.openvino", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    told = ask(job="measure", path=model, feeds=feeds, runtime="openvino")
    assert told["fault"] == "MissingExtra"
    assert told["hint"] == 'pip install "edgekit[openvino]"'


def test_memory_that_cannot_be_had_is_a_fault(monkeypatch: pytest.MonkeyPatch, model: Path, feeds: Path) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("edgekit.runner.worker.open_session", full)
    assert ask(job="measure", path=model, feeds=feeds)["mistakes"] == ["out of memory"]


def test_jobs_are_answered_line_by_line_and_empty_lines_skipped(model: Path) -> None:
    job = json.dumps({"job": "inspect", "runtime": "onnxruntime", "path": str(model)})
    stream = io.StringIO()
    serve([job + "\n", "\n", "nonsense\n", job], stream)
    answers = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert ["fault" in each for each in answers] == [False, True, False]


def test_runs_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    runs = [
        {"a:b/c": np.arange(4, dtype=np.int64), "x": np.float16([[1.5]])},
        {"a:b/c": np.array([True]), "x": np.zeros((0, 2))},
    ]
    write_runs(tmp_path / "runs.npz", runs)
    read = read_runs(tmp_path / "runs.npz")
    assert [list(run) for run in read] == [list(run) for run in runs]
    for was, is_now in zip(runs, read, strict=True):
        for name, array in was.items():
            np.testing.assert_array_equal(is_now[name], array, strict=True)


def test_texts_come_back_as_objects(tmp_path: Path) -> None:
    write_runs(tmp_path / "runs.npz", [{"words": np.array(["ja", "straße"], object)}])
    (run,) = read_runs(tmp_path / "runs.npz")
    assert run["words"].dtype == object
    assert run["words"].tolist() == ["ja", "straße"]


def test_more_than_ten_runs_keep_their_order(tmp_path: Path) -> None:
    write_runs(tmp_path / "runs.npz", [{"x": np.array(number)} for number in range(12)])
    assert [int(run["x"]) for run in read_runs(tmp_path / "runs.npz")] == list(range(12))


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs.npz").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(InputError, match="not a file of runs"):
        read_runs(tmp_path / "runs.npz")


def test_no_such_file_of_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a file of runs"):
        read_runs(tmp_path / "gone.npz")


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "runs.npz", **{"0:x": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(InputError, match="not a file of runs"):
        read_runs(tmp_path / "runs.npz")


@pytest.mark.parametrize("keys", [["1:x"], ["0:x", "2:x"], ["x"], []])
def test_runs_that_do_not_count_up_from_zero_are_refused(tmp_path: Path, keys: list[str]) -> None:
    np.savez(tmp_path / "runs.npz", **{key: np.zeros(1) for key in keys})
    with pytest.raises(InputError):
        read_runs(tmp_path / "runs.npz")


def test_the_peak_of_memory_stays_when_the_memory_is_given_back() -> None:
    code = (
        "import numpy as np\nfrom edgekit.runner.worker import peak_rss_mib\n"
        "before = peak_rss_mib()\nblock = np.ones(100 << 20, np.uint8)\ndel block\nprint(before, peak_rss_mib())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    before, after = map(float, said.split())
    assert 1 < before < 95 < after < before + 110  # the kernel counts in batches: not to the page


def test_the_peak_is_told_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: Any, **__: Any) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", absent)
    assert peak_rss_mib() > 1


def test_the_module_answers_on_stdout_and_runtimes_print_elsewhere(model: Path) -> None:
    jobs = [
        json.dumps({"job": "inspect", "runtime": "onnxruntime", "path": str(model)}),
        json.dumps({"job": "inspect", "runtime": "onnxruntime", "path": "gone.onnx"}),
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "edgekit.runner"], input="\n".join(jobs), capture_output=True, text=True, check=True
    )
    first, second = (json.loads(line) for line in ended.stdout.splitlines())
    assert first["operators"][0][1] == "Add"
    assert second["fault"] == "RuntimeFault"


def test_what_is_written_to_descriptor_one_goes_to_stderr() -> None:
    code = (
        "import os\nfrom edgekit.runner.worker import keep_stdout\n"
        "kept = keep_stdout()\nos.write(1, b'noise')\nkept.write('answer')\nkept.flush()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("answer", "noise")
