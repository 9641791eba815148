"""No telemetry, ever: the real command under strace, with ORT_DISABLE_TELEMETRY unset by the caller.

onnxruntime >= 1.29 uploads by default on Linux: a session writes a device id and a database of events under the
user's cache folder and sends them over HTTPS. The watcher below is first shown to catch that; then the house's own
command must open no internet socket and write nothing outside its OUT and the folder for temporary files.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

PLAIN_SESSION = """
import sys
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
"""

CARD = """
name = "noise"
task = "agreement"
licence = "made by this test"
[source]
kind = "arrays"
path = "x.npy"
[source.inputs]
x = "x"
[calibration]
count = 32
[evaluation]
count = 32
"""

KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
"""What a command keeps of its caller: under CI, GITHUB_ACTIONS and the like onnxruntime stays silent by itself."""

CHANGING_CALLS = (
    "creat",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
)
QUOTED = re.compile(r'(?:[A-Z_]+|\d+)<(?P<folder>[^>]*)>, "(?P<beside>[^"]*)"|"(?P<path>[^"]*)"')
CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")


@dataclass(frozen=True)
class Seen:
    """What a command did: its internet sockets, and the files that it made or opened for writing."""

    sockets: tuple[str, ...]
    written: tuple[Path, ...]

    def outside(self, *allowed: Path) -> list[str]:
        """Files written elsewhere than below the allowed folders; Python's byte code and devices aside."""
        return sorted(
            str(path)
            for path in set(self.written)
            if not any(path.is_relative_to(folder) for folder in (*allowed, Path("/dev"), Path("/proc/self")))
            and "__pycache__" not in path.parts
        )


def written_by(name: str, arguments: str) -> list[Path]:
    """Return the files that one system call made or opened for writing.

    strace's -y writes a folder's path behind its number: openat(6</home/me>, "name", O_CREAT...).
    """
    opened = name in {"open", "openat"} and re.search(r"O_(CREAT|WRONLY|RDWR)", arguments)
    if not opened and name not in CHANGING_CALLS:
        return []
    return [
        Path(os.path.normpath(Path(hit["folder"] or "/") / (hit["beside"] if hit["path"] is None else hit["path"])))
        for hit in QUOTED.finditer(arguments)
    ]


def read_trace(trace: str) -> Seen:
    """Read strace's log; failed calls for files wrote nothing, but a refused connection is still an attempt."""
    sockets, written = [], []
    trace = re.sub(r"<unfinished \.\.\.>", ") = 0", trace)
    for line in trace.splitlines():
        if re.search(r"(socket|connect|sendto)\(.*AF_INET6?\b", line):
            sockets.append(line)
        call = CALL.match(line)
        if call and int(call["result"]) >= 0:
            written += written_by(call["name"], call["arguments"])
    return Seen(tuple(sockets), tuple(written))


@dataclass(frozen=True)
class Watcher:
    """Runs commands under strace as a user whose home is empty and who has set nothing."""

    folder: Path

    def watch(self, *command: object, codes: frozenset[int] = frozenset({0})) -> Seen:
        """Run a command, which must end with one of the codes, and read what it did."""
        log = self.folder / "trace.txt"
        surroundings = {name: os.environ[name] for name in os.environ if name in KEPT or name.startswith("OPENBLAS_")}
        surroundings |= {"HOME": str(self.home), "TMPDIR": str(self.temporary)}
        strace = ["strace", "-f", "--seccomp-bpf", "-y", "-s", "4096", "-e", "trace=network,file", "-o", str(log)]
        ran = subprocess.run(
            [*strace, *map(str, command)],
            cwd=self.folder,
            env=surroundings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode in codes, f"{command} ended with {ran.returncode}:\n{ran.stdout}\n{ran.stderr}"
        return read_trace(log.read_text(errors="replace"))

    @property
    def home(self) -> Path:
        """An empty home."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """Where temporary files belong."""
        return self.folder / "temporary"


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed here (apt-get install strace)")
    probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"strace may not watch processes here: {probe.stderr.strip()}")
    watching = Watcher(tmp_path)
    watching.home.mkdir()
    watching.temporary.mkdir()
    return watching


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """One matrix product: ten inputs, four outputs."""
    weight = helper.make_tensor("weight", TensorProto.FLOAT, [10, 4], [0.1 * (i % 7 - 3) for i in range(40)])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
        [weight],
    )
    path = tmp_path / "tiny.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_the_watcher_reads_what_strace_writes() -> None:
    seen = read_trace(
        '7  openat(AT_FDCWD</home/me>, "notes.txt", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 3</home/me/notes.txt>\n'
        '7  openat(AT_FDCWD</home/me>, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 3</etc/hosts>\n'
        '7  openat(AT_FDCWD</home/me>, "/root/no", O_RDWR|O_CREAT, 0600) = -1 EACCES (Permission denied)\n'
        '7  openat(6</home/me/.cache>, "id", O_WRONLY|O_CREAT|O_EXCL, 0600) = 7</home/me/.cache/id>\n'
        '7  mkdir("/home/me/.cache", 0700) = 0\n'
        '8  rename("/scratch/a", "/home/me/b") = 0\n'
        "8  socket(AF_UNIX, SOCK_STREAM, 0) = 4\n"
        "8  socket(AF_INET6, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 4\n"
        '8  connect(4, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("1.2.3.4")}, 16) = -1 EINPROGRESS\n'
    )
    assert len(seen.sockets) == 2
    assert seen.outside(Path("/scratch")) == [
        "/home/me/.cache",
        "/home/me/.cache/id",
        "/home/me/b",
        "/home/me/notes.txt",
    ]


def test_a_plain_session_is_caught(watcher: Watcher, model: Path) -> None:
    """The proof that the watcher sees: without the house, onnxruntime writes an identity into the user's cache."""
    seen = watcher.watch(sys.executable, "-c", PLAIN_SESSION, model)
    caught = [path for path in seen.outside(watcher.temporary) if path.startswith(str(watcher.home))]
    assert caught or seen.sockets
    assert any("deviceid" in path or path.endswith(".db") for path in caught), caught


def test_a_build_sends_nothing_and_writes_only_in_out(watcher: Watcher, root: Path) -> None:
    out = watcher.folder / "out"
    recipe = root / "examples" / "digits" / "recipe.toml"
    verdicts = frozenset({0, 1, 3})
    seen = watcher.watch(sys.executable, "-m", "edgekit", "build", recipe, "-o", out, codes=verdicts)
    assert (out / "report.json").is_file()
    assert not seen.sockets
    assert seen.outside(out, watcher.temporary) == []
    assert list(watcher.home.iterdir()) == []


def test_quantize_and_doctor_send_nothing_and_write_nothing_else(watcher: Watcher, model: Path) -> None:
    card = watcher.folder / "card.toml"
    card.write_text(CARD)
    np.save(watcher.folder / "x.npy", np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32))
    result = watcher.folder / "out" / "tiny-int8.onnx"
    result.parent.mkdir()
    seen = watcher.watch(
        sys.executable, "-m", "edgekit", "quantize", model, "-d", card, "-t", "onnxruntime-x86", "-o", result
    )
    assert result.is_file()
    asked = watcher.watch(sys.executable, "-m", "edgekit", "doctor", codes=frozenset({0, 4}))
    assert not seen.sockets + asked.sockets
    assert seen.outside(result.parent, watcher.temporary) + asked.outside(watcher.temporary) == []
    assert list(watcher.home.iterdir()) == []
