"""The store: OUT as a place where finished steps lie under the digest of everything that they depend on.

    OUT/.steps/<key>/       a finished step: its files and ``record.json``; never rewritten
    OUT/.work/<tmp>/        what is being written now; whatever lies here when a build starts is cleared away
    OUT/.lock               held (flock) by the one build that works here
    OUT/artifacts, report.* what the user reads; replaced whole, ``report.json`` last

Rules:

* key = digest(tool, libraries, processor where it matters, step and options, digests of the inputs, seed). A step
  with the same key gives the same bytes, so a finished one is taken instead of running it again.
* A step writes in OUT/.work; it is finished by fsync of every file, then one rename into OUT/.steps. Killed at any
  moment it leaves the whole or nothing.
* Reading a finished step compares every file with its digest; a step that no longer matches runs again.
* Files that the user reads are written under a temporary name, synced and renamed.
* A full disk or memory is a StepError; the work folder is cleared, finished steps stay.
"""

import errno
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.artifact import Artifact, FileRecord, digest_file, digest_text
from edgekit.errors import EdgeKitError, RecipeError, StepError
from edgekit.recipe import Outcome

SCHEMA = "edgekit.step/1"
_RECORD = "record.json"
_OWN = (".lock", ".steps", ".work")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HARDLY_ANY_BYTES = 1 << 16  # with less than this free, a toolchain's failure is the disk's


@dataclass(frozen=True)
class Done:
    """A finished step: what it gave, the seconds that it took when it ran, and whether it was taken from the store."""

    use: str
    key: str
    outcome: Outcome
    seconds: float
    reused: bool


def step_key(use: str, options: Mapping[str, Any], inputs: Mapping[str, str], *, seed: int, tool: str) -> str:
    """Return the digest under which a step's result is kept.

    Args:
        use: the step's name in the catalog, such as ``quantize.static``.
        options: plain data (what JSON can say); the order of keys does not matter.
        inputs: digests of everything that the step reads, by role: model, calibration samples, target.
        seed: of the step's draws.
        tool: digest of this program, its libraries and, where it matters, the processor.
    """
    document = {
        "inputs": dict(inputs),
        "options": dict(options),
        "schema": SCHEMA,
        "seed": seed,
        "tool": tool,
        "use": use,
    }
    return digest_text(json.dumps(document, sort_keys=True, allow_nan=False))


def sync_tree(folder: Path) -> None:
    """Make sure that every file and folder under ``folder`` is on the disk."""
    for root, _, names in os.walk(folder):
        for name in names:
            _sync(Path(root, name))
        _sync(Path(root))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: Path, content: bytes, *, by_way_of: Path | None = None) -> None:
    """Write a file so that at any moment its old or its new content is there, never a part.

    Args:
        path: the file; a content of the same name is replaced.
        content: all of its bytes.
        by_way_of: folder on the same disk for the temporary file; the file's own folder by default.
    """
    handle, name = tempfile.mkstemp(dir=by_way_of or path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Turn a full disk or memory inside the block into a StepError that says so.

    A toolchain's own error counts as a full disk where hardly a byte is left: libraries report a failed write in
    many words.
    """
    full = f"no room is left on the disk of {folder}"
    hint = "free some space, or choose another folder with -o; finished steps are kept"
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise StepError(full, hint=hint) from error
    except MemoryError as error:
        raise StepError("this machine's memory is not enough for the step", hint="try fewer samples") from error
    except EdgeKitError as error:
        usage = shutil.disk_usage(folder)
        if usage.free > _HARDLY_ANY_BYTES or usage.total == 0:  # /proc and the like hold nothing and are never full
            raise
        raise StepError(full, hint=hint) from error


class Store:
    """OUT while one build holds it; made by :func:`open_store`."""

    def __init__(self, out: Path, *, fresh: bool) -> None:
        self.out = out
        self._fresh = fresh
        self._made: set[str] = set()

    def run(
        self,
        use: str,
        model: Artifact,
        work: Callable[[Path], Outcome],
        *,
        options: Mapping[str, Any],
        inputs: Mapping[str, str],
        seed: int,
        tool: str,
    ) -> Done:
        """Take a step's result from the store, or run it there.

        Args:
            use: the step's name.
            model: what the step works on; it is what an unchanged Outcome gives back.
            work: writes into the empty folder it is called with; the Outcome's model lies there or is ``model``.
            options: see :func:`step_key`; the model's digest is added to the inputs.
            inputs: see :func:`step_key`.
            seed: see :func:`step_key`.
            tool: see :func:`step_key`.

        Raises:
            StepError: the disk or memory is full.
        """
        key = step_key(use, options, {"model": model.sha256, **inputs}, seed=seed, tool=tool)
        folder = self.out / ".steps" / key
        finished = None if self._fresh and key not in self._made else _read(folder, model)
        if finished is not None:
            return Done(use, key, finished[0], finished[1], reused=key not in self._made)
        with room_in(self.out), self.work_folder(use) as temporary:
            started = time.perf_counter()
            outcome = work(temporary)
            seconds = round(time.perf_counter() - started, 3)
            _write_record(temporary, use, outcome, model, seconds)
            self._put(temporary, folder)
        self._made.add(key)
        kept = _read(folder, model)
        if kept is None:
            raise StepError(f"the files of step {use} changed while they were put into {folder}", hint="check the disk")
        return Done(use, key, kept[0], kept[1], reused=False)

    @contextmanager
    def work_folder(self, name: str) -> Iterator[Path]:
        """Give an empty folder that is cleared away afterwards, and by the next build if this one is killed."""
        folder = Path(tempfile.mkdtemp(dir=self.out / ".work", prefix=f"{name}-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, name: str, fill: Callable[[Path], None]) -> None:
        """Replace the folder OUT/``name`` by what ``fill`` writes into an empty folder."""
        with room_in(self.out), self.work_folder(name) as temporary:
            fill(temporary)
            self._put(temporary, self.out / name)

    def write(self, name: str, content: str) -> None:
        """Write the file OUT/``name`` whole or not at all."""
        with room_in(self.out):
            write_whole(self.out / name, content.encode(), by_way_of=self.out / ".work")

    def withdraw(self, *names: str) -> None:
        """Remove files of OUT that are about to lose their truth."""
        for name in names:
            (self.out / name).unlink(missing_ok=True)
        _sync(self.out)

    def _put(self, temporary: Path, place: Path) -> None:
        """Move a finished folder to its place, whole; an older one of that name goes to the work folder first."""
        temporary.chmod(0o755)
        sync_tree(temporary)
        if place.exists():
            with self.work_folder("old") as old:
                place.rename(old / place.name)
                temporary.rename(place)
        else:
            temporary.rename(place)
        _sync(place.parent)


@contextmanager
def open_store(out: Path, *, fresh: bool = False) -> Iterator[Store]:
    """Hold OUT for one build: make it, lock it, and clear away what a killed build left.

    Args:
        out: the folder; made if absent. Call this only after the inputs are known to be good.
        fresh: run every step again, even where a finished one lies in the store.

    Raises:
        RecipeError: OUT cannot be written, holds somebody else's files, or another build holds it.
        StepError: the disk is full.
    """
    with room_in(_nearest(out)):
        lock = _lock(out)
    try:
        work = out / ".work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(exist_ok=True)
        yield Store(out, fresh=fresh)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(lock)


def _lock(out: Path) -> int:
    """Make OUT and take its lock; the descriptor holds it until it is closed."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        strangers = sorted(entry.name for entry in out.iterdir() if entry.name not in _OWN)
        if strangers and not (out / ".steps").is_dir():
            found = f"{out} is not empty and was not made by a build; it holds {strangers[0]!r}"
            raise RecipeError(found, hint="choose an empty or new folder with -o")
        (out / ".steps").mkdir(exist_ok=True)
        lock = os.open(out / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        raise RecipeError(f"cannot write {out}: {error.strerror}", hint="choose another folder with -o") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
    except BlockingIOError as error:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        hint = "wait for it to end, or choose another folder with -o"
        raise RecipeError(f"another build (pid {holder}) is at work in {out}", hint=hint) from error
    except BaseException:
        os.close(lock)
        raise
    return lock


def _nearest(path: Path) -> Path:
    """Return the path itself or its nearest parent that exists."""
    return next((each for each in (path, *path.absolute().parents) if each.exists()), Path("/"))


def _write_record(folder: Path, use: str, outcome: Outcome, model: Artifact, seconds: float) -> None:
    """Write what a finished step gave, with the digest of every file in its folder."""
    kept = None
    if outcome.model.path.is_relative_to(folder):
        kept = {**outcome.model.to_json(), "path": str(outcome.model.path.relative_to(folder))}
    elif outcome.model != model:
        raise ValueError(f"step {use} gave a model outside its folder: {outcome.model.path}")
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    files = [FileRecord(name, digest_file(folder / name), (folder / name).stat().st_size) for name in names]
    record = {
        "schema": SCHEMA,
        "use": use,
        "seconds": seconds,
        "changed": outcome.changed,
        "facts": dict(outcome.facts),
        "model": kept,
        "files": [vars(each) for each in files],
    }
    (folder / _RECORD).write_text(json.dumps(record, indent=1, sort_keys=True, allow_nan=False) + "\n")


def _read(folder: Path, model: Artifact) -> tuple[Outcome, float] | None:
    """Return a finished step's outcome and seconds; None where there is none or a file is not what it was."""
    try:
        record = json.loads((folder / _RECORD).read_text())
        same = all(digest_file(folder / each["path"]) == each["sha256"] for each in record["files"])
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    if not same or record.get("schema") != SCHEMA:
        return None
    kept = record["model"]
    given = model if kept is None else Artifact.from_json({**kept, "path": str(folder / kept["path"])})
    return Outcome(given, record["changed"], record["facts"]), record["seconds"]
