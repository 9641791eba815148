"""Contenders: what is run, what it costs, and what is picked up afterwards."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

Loader = Callable[[str], ModuleType]
MIB = 1 << 20


@pytest.fixture
def contenders(script: Loader) -> ModuleType:
    return script("peers/contenders")


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_a_command_costs_its_own_memory_alone(contenders: ModuleType, tmp_path: Path) -> None:
    """This process holds 200 MiB; the command that takes 50 is not charged for them."""
    ballast = np.ones(200 * MIB, np.uint8)
    ended, cost = contenders.run_timed(python("x = b'1' * (50 << 20)"), tmp_path / "cost.json")
    assert ballast[-1] == 1
    assert ended.returncode == 0
    assert 50 < cost["peak_rss_mib"] < 150
    assert 0 < cost["seconds"] < 60
    assert not (tmp_path / "cost.json").exists()


def test_a_command_costs_what_its_children_take(contenders: ModuleType, tmp_path: Path) -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = b\"1\" * (100 << 20)'])"
    _, cost = contenders.run_timed(python(child), tmp_path / "cost.json")
    assert cost["peak_rss_mib"] > 100


def test_the_exit_code_comes_through(contenders: ModuleType, tmp_path: Path) -> None:
    ended, _ = contenders.run_timed(python("raise SystemExit(5)"), tmp_path / "cost.json")
    assert ended.returncode == 5


def test_each_run_is_timed_command_by_command(contenders: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "x.onnx"
    write = python(f"open({str(out)!r}, 'w').write('model')")
    made = contenders.make(contenders.Contender("onnx", out, (python("pass"), write)), repeats=2)
    assert [len(run) for run in made.costs] == [2, 2]
    assert (made.artifact.size_bytes, made.artifact.kind, made.error) == (5, "onnx", "")


def test_what_an_earlier_run_left_is_removed_first(contenders: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "x.onnx"
    out.write_text("old")
    refuse = python(f"import os, sys; sys.exit(9 if os.path.exists({str(out)!r}) else open({str(out)!r}, 'w').close())")
    assert contenders.make(contenders.Contender("onnx", out, (refuse,)), repeats=2).error == ""


def test_a_contender_that_fails_is_told_in_its_own_words(contenders: ModuleType, tmp_path: Path) -> None:
    fail = python("import sys; sys.exit('error: no such operator\\nhint: none')")
    made = contenders.make(contenders.Contender("onnx", tmp_path / "x.onnx", (fail,)), repeats=3)
    assert (made.artifact, made.error) == (None, "error: no such operator")


def test_the_last_line_speaks_where_no_error_line_is(contenders: ModuleType) -> None:
    assert contenders.words_of("Traceback\n  line\nValueError: bad\n\n") == "ValueError: bad"
    assert contenders.words_of("") == "it said nothing"


def test_an_ir_is_its_xml_and_its_weights(contenders: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text("12345")
    (tmp_path / "x.bin").write_text("123")
    artifact = contenders.pick_up(contenders.Contender("openvino", tmp_path / "x.xml", ()), {})
    assert (artifact.size_bytes, artifact.runtime) == (8, "openvino")


def test_a_compiled_folder_is_what_compile_said_of_it(contenders: ModuleType, tmp_path: Path) -> None:
    for name in ("model.onnx", "model.onnx.data"):
        (tmp_path / name).write_text("1234")
    said = {"path": str(tmp_path / "model.onnx"), "files": ["model.onnx", "model.onnx.data"], "options": {"a.b": "1"}}
    artifact = contenders.pick_up(contenders.Contender("onnx", tmp_path, ()), said)
    assert (artifact.size_bytes, artifact.options) == (8, {"a.b": "1"})


def test_everyone_gets_the_same_model(contenders: ModuleType, tmp_path: Path) -> None:
    case = contenders.Case("m", tmp_path / "m.onnx", tmp_path / "card.toml", tmp_path / "calibration", tmp_path)
    everyone = {**contenders.peers(case, Path("python")), **contenders.edgekit(case)}
    assert len(everyone) == 10
    first = [each.commands[0] for name, each in everyone.items() if name != "edgekit-onnxruntime"]
    assert all(str(case.model) in command for command in first)


def test_the_peers_read_samples_one_by_one(script: Loader, tmp_path: Path) -> None:
    rows = np.arange(24, dtype=np.float32).reshape(4, 1, 6)
    np.save(tmp_path / "x.npy", rows)
    samples = script("peers/quantize_peer").Samples(tmp_path)
    assert len(samples) == 4
    np.testing.assert_array_equal(np.stack([feeds["x"] for feeds in samples]), rows)
    np.testing.assert_array_equal(samples[2]["x"], rows[2])


def test_a_variant_that_does_not_exist_is_told(root: Path) -> None:
    command = [sys.executable, str(root / "benchmarks" / "peers" / "quantize_peer.py"), "no-such-variant"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "onnxruntime-minmax-tensor" in ended.stderr


def test_costs_are_plain_json(contenders: ModuleType, tmp_path: Path) -> None:
    _, cost = contenders.run_timed(python("pass"), tmp_path / "cost.json")
    assert json.loads(json.dumps(cost)) == cost
