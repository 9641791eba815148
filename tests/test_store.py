import fcntl
import importlib.util
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from edgekit.artifact import Artifact
from edgekit.errors import RecipeError, RuntimeFault, StepError
from edgekit.recipe import Outcome
from edgekit.store import Done, Store, open_store, room_in, step_key, write_whole

VICTIM = Path(__file__).parent / "killed_build.py"
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=6,
)
OPTIONS = some.dictionaries(some.text(), JSON, max_size=4)
DIGESTS = some.dictionaries(some.text(max_size=5), some.text("0123456789abcdef", min_size=4, max_size=4), max_size=3)


@pytest.fixture
def model(tmp_path: Path) -> Artifact:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"float")
    return Artifact.of(path, kind="onnx")


class Counted:
    """A step that writes one file and counts how often it ran."""

    def __init__(self, content: bytes = b"int8") -> None:
        self.runs = 0
        self.content = content

    def __call__(self, folder: Path) -> Outcome:
        """Write the file; the folder must be empty before."""
        assert list(folder.iterdir()) == []
        self.runs += 1
        path = folder / "quantized.onnx"
        path.write_bytes(self.content)
        return Outcome(Artifact.of(path, kind="onnx", made_by="quantize.static"), True, {"layers": 3})


def run(store: Store, model: Artifact, work: Callable[[Path], Outcome], **changes: object) -> Done:
    given = {"options": {"method": "min-max"}, "inputs": {"samples": "a1"}, "seed": 0, "tool": "t", **changes}
    return store.run("quantize.static", model, work, **given)  # type: ignore[arg-type]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file under a folder with its bytes; a record's seconds are a measurement and left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != ".lock":
            content = path.read_bytes()
            if path.name == "record.json":
                content = json.dumps({**json.loads(content), "seconds": 0}).encode()
            found[str(path.relative_to(folder))] = content
    return found


# ------------------------------------------------------------------------------------------------- keys


@given(OPTIONS, DIGESTS, some.integers(0, 9))
def test_key_does_not_depend_on_the_order_in_which_things_are_named(
    options: dict[str, object], inputs: dict[str, str], seed: int
) -> None:
    turned = dict(reversed(options.items())), dict(reversed(inputs.items()))
    assert step_key("s", options, inputs, seed=seed, tool="t") == step_key("s", *turned, seed=seed, tool="t")


@given(OPTIONS, OPTIONS, DIGESTS, DIGESTS)
def test_different_options_or_inputs_have_different_keys(
    one: dict[str, object], other: dict[str, object], some_inputs: dict[str, str], other_inputs: dict[str, str]
) -> None:
    same = json.dumps([one, some_inputs], sort_keys=True) == json.dumps([other, other_inputs], sort_keys=True)
    keys = {step_key("s", one, some_inputs, seed=0, tool="t"), step_key("s", other, other_inputs, seed=0, tool="t")}
    assert len(keys) == (1 if same else 2)


def test_key_depends_on_step_seed_and_tool() -> None:
    keys = {
        step_key("s", {}, {}, seed=0, tool="t"),
        step_key("r", {}, {}, seed=0, tool="t"),
        step_key("s", {}, {}, seed=1, tool="t"),
        step_key("s", {}, {}, seed=0, tool="u"),
    }
    assert len(keys) == 4


def test_key_refuses_what_json_cannot_say() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        step_key("s", {"scale": float("nan")}, {}, seed=0, tool="t")


# ------------------------------------------------------------------------------------------------ steps


def test_a_finished_step_is_taken_by_the_next_build(tmp_path: Path, model: Artifact) -> None:
    work = Counted()
    out = tmp_path / "out"
    with open_store(out) as store:
        first = run(store, model, work)
    with open_store(out) as store:
        second = run(store, model, work)
    assert work.runs == 1
    assert (first.reused, second.reused) == (False, True)
    assert first.outcome == second.outcome
    assert second.outcome.facts == {"layers": 3}
    assert second.outcome.model.path.read_bytes() == b"int8"
    assert second.outcome.model.sha256 == Artifact.of(second.outcome.model.path, kind="onnx").sha256


@pytest.mark.parametrize(
    "changes",
    [{"options": {"method": "entropy"}}, {"inputs": {"samples": "b2"}}, {"seed": 1}, {"tool": "u"}],
    ids=["options", "inputs", "seed", "tool"],
)
def test_a_step_runs_again_when_something_it_depends_on_changes(
    tmp_path: Path, model: Artifact, changes: dict[str, object]
) -> None:
    work = Counted()
    with open_store(tmp_path / "out") as store:
        run(store, model, work)
        run(store, model, work, **changes)
    assert work.runs == 2


def test_a_step_runs_again_for_another_model(tmp_path: Path, model: Artifact) -> None:
    work = Counted()
    other = tmp_path / "other.onnx"
    other.write_bytes(b"other")
    with open_store(tmp_path / "out") as store:
        run(store, model, work)
        run(store, Artifact.of(other, kind="onnx"), work)
    assert work.runs == 2


def test_fresh_runs_each_step_once_more_and_only_once(tmp_path: Path, model: Artifact) -> None:
    work = Counted()
    with open_store(tmp_path / "out") as store:
        run(store, model, work)
    with open_store(tmp_path / "out", fresh=True) as store:
        first = run(store, model, work)
        again = run(store, model, work)
    assert work.runs == 2
    assert not first.reused
    assert not again.reused


@pytest.mark.parametrize("content", [b"", b"int7"], ids=["truncated", "changed"])
def test_a_file_that_was_touched_makes_the_step_run_again(tmp_path: Path, model: Artifact, content: bytes) -> None:
    work = Counted()
    with open_store(tmp_path / "out") as store:
        kept = run(store, model, work).outcome.model.path
        kept.write_bytes(content)
        assert run(store, model, work).outcome.model.path.read_bytes() == b"int8"
    assert work.runs == 2


@pytest.mark.parametrize("damage", ["remove", "truncate", "other schema"])
def test_a_record_that_was_touched_makes_the_step_run_again(tmp_path: Path, model: Artifact, damage: str) -> None:
    work = Counted()
    with open_store(tmp_path / "out") as store:
        record = run(store, model, work).outcome.model.path.parent / "record.json"
        if damage == "remove":
            record.unlink()
        elif damage == "truncate":
            record.write_text(record.read_text()[:40])
        else:
            record.write_text(record.read_text().replace("edgekit.step/1", "edgekit.step/0"))
        run(store, model, work)
    assert work.runs == 2


def test_an_unchanged_model_is_given_back_as_it_came(tmp_path: Path, model: Artifact) -> None:
    for _ in range(2):
        with open_store(tmp_path / "out") as store:
            done = run(store, model, lambda _folder: Outcome(model, False, {"why": "nothing to do"}))
            assert done.outcome == Outcome(model, False, {"why": "nothing to do"})


def test_a_model_outside_the_folder_is_a_bug(tmp_path: Path, model: Artifact) -> None:
    stray = tmp_path / "stray.onnx"
    stray.write_bytes(b"x")
    with open_store(tmp_path / "out") as store, pytest.raises(ValueError, match="outside its folder"):
        run(store, model, lambda _folder: Outcome(Artifact.of(stray, kind="onnx"), True))


def test_a_failing_step_leaves_nothing(tmp_path: Path, model: Artifact) -> None:
    def fail(folder: Path) -> Outcome:
        (folder / "half").write_bytes(b"half")
        raise RuntimeFault("the runtime refuses the graph")

    with open_store(tmp_path / "out") as store:
        with pytest.raises(RuntimeFault):
            run(store, model, fail)
        assert list((tmp_path / "out/.work").iterdir()) == []
    assert list((tmp_path / "out/.steps").iterdir()) == []


# ------------------------------------------------------------------------------------------------- OUT


def test_a_second_build_is_told_who_holds_out(tmp_path: Path) -> None:
    with open_store(tmp_path / "out"):
        with pytest.raises(RecipeError, match=f"pid {os.getpid()}") as caught, open_store(tmp_path / "out"):
            pass
        assert caught.value.exit_code == 2
    with open_store(tmp_path / "out"):
        pass


def test_the_lock_of_a_dead_build_binds_nobody(tmp_path: Path) -> None:
    script = "import os,sys;from pathlib import Path;from edgekit.store import open_store\n"
    script += "with open_store(Path(sys.argv[1])) as store: os.kill(os.getpid(), 9)"
    child = subprocess.run([sys.executable, "-c", script, tmp_path / "out"], check=False)
    assert child.returncode == -9
    assert (tmp_path / "out/.work").is_dir()
    with open_store(tmp_path / "out"):
        pass


def test_a_child_process_does_not_inherit_the_lock(tmp_path: Path) -> None:
    with open_store(tmp_path / "out"):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        with (tmp_path / "out/.lock").open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        child.communicate(b"\n")


def test_leftovers_of_a_killed_build_are_cleared_away(tmp_path: Path) -> None:
    with open_store(tmp_path / "out"):
        pass
    left = tmp_path / "out/.work/quantize-x"
    left.mkdir(parents=True)
    (left / "half.onnx").write_bytes(b"half")
    with open_store(tmp_path / "out"):
        assert list((tmp_path / "out/.work").iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", ".steps"]


def test_a_folder_with_somebody_elses_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("ten years of work")
    with pytest.raises(RecipeError, match=r"was not made by a build; it holds 'thesis.tex'"), open_store(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_place_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecipeError, match="cannot write") as caught, open_store(tmp_path / "file/out"):
        pass
    assert caught.value.exit_code == 2
    assert "-o" in caught.value.hint


def test_publish_replaces_the_whole_folder(tmp_path: Path) -> None:
    with open_store(tmp_path / "out") as store:
        store.publish("artifacts", lambda folder: (folder / "old.onnx").write_bytes(b"old"))
        store.publish("artifacts", lambda folder: (folder / "new.onnx").write_bytes(b"new"))
    assert tree(tmp_path / "out/artifacts") == {"new.onnx": b"new"}
    assert (tmp_path / "out/artifacts").stat().st_mode & 0o777 == 0o755


def test_written_files_are_replaced_and_withdrawn(tmp_path: Path) -> None:
    with open_store(tmp_path / "out") as store:
        store.write("report.json", "old")
        store.write("report.json", "new")
        assert (tmp_path / "out/report.json").read_text() == "new"
        store.withdraw("report.json", "report.md")
    assert not (tmp_path / "out/report.json").exists()


def test_write_whole_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "x.onnx", b"bytes")
    assert tree(tmp_path) == {"x.onnx": b"bytes"}
    assert (tmp_path / "x.onnx").stat().st_mode & 0o777 == 0o644
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "folder", b"bytes")
    assert tree(tmp_path) == {"x.onnx": b"bytes"}


# --------------------------------------------------------------------------------------------- no room


@pytest.fixture
def small_files() -> Iterator[None]:
    """A process that may write no file larger than 64 bytes: what a full disk looks like from inside."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_fails_the_step_and_leaves_nothing(tmp_path: Path, model: Artifact) -> None:
    with open_store(tmp_path / "out") as store:
        with pytest.raises(StepError, match="no room is left") as caught:
            run(store, model, Counted(b"x" * 100))
        assert caught.value.exit_code == 6
        assert "-o" in caught.value.hint
        with pytest.raises(StepError):
            store.write("report.json", "x" * 100)
        with pytest.raises(StepError):
            store.publish("artifacts", lambda folder: (folder / "x").write_bytes(b"x" * 100))
    assert tree(tmp_path / "out") == {}


def test_a_runtimes_own_error_on_a_full_disk_counts_as_the_disks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        with room_in(tmp_path):
            raise RuntimeFault("cannot save the model")

    with pytest.raises(RuntimeFault):
        fail()
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 0, "total": 1}))
    with pytest.raises(StepError, match="no room"):
        fail()


def test_too_little_memory_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="memory"), room_in(tmp_path):
        raise MemoryError


def test_other_errors_pass_through(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), room_in(tmp_path):
        raise PermissionError(13, "no")


# ---------------------------------------------------------------------------------------------- SIGKILL


def test_a_build_killed_before_any_touch_of_the_disk_ends_in_the_same_bytes(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("killed_build", VICTIM)
    assert spec is not None
    assert spec.loader is not None
    victim = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(victim)
    source = tmp_path / "source.onnx"
    source.write_bytes(b"0123")
    victim.build(tmp_path / "whole", source)
    whole = tree(tmp_path / "whole")
    subprocess.run([sys.executable, VICTIM, tmp_path], check=True)
    killed = [folder for folder in tmp_path.iterdir() if folder.name.isdigit()]
    assert len(killed) > 50
    for out in killed:
        report = out / "report.json"
        assert not report.exists() or report.read_bytes() == whole["report.json"]
        for step in (out / ".steps").glob("*"):
            assert tree(step).items() <= tree(tmp_path / "whole/.steps" / step.name).items()
            assert "record.json" in tree(step)
        victim.build(out, source)
        assert tree(out) == whole
