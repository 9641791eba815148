"""A build of three small steps, and the same build killed before its n-th touch of the file system, for every n.

python tests/killed_build.py FOLDER         leaves FOLDER/1, FOLDER/2, ... one OUT for each n, killed there
"""

import os
import signal
import sys
from pathlib import Path

from edgekit.artifact import Artifact
from edgekit.recipe import Outcome
from edgekit.store import open_store

_TOUCHES = ("fcntl.flock", "os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir", "os.truncate")


def build(out: Path, source: Path) -> None:
    """Run steps that each double the model's bytes, publish the last one and report its size."""
    model = Artifact.of(source, kind="onnx")
    with open_store(out) as store:
        for number in range(3):

            def work(folder: Path, model: Artifact = model, number: int = number) -> Outcome:
                path = folder / "model.onnx"
                path.write_bytes(model.path.read_bytes() * 2)
                (folder / "deep").mkdir()
                (folder / "deep" / "note.txt").write_text(f"step {number}")
                return Outcome(Artifact.of(path, kind="onnx", parent=model.sha256), True, {"number": number})

            done = store.run(f"double.{number}", model, work, options={}, inputs={}, seed=0, tool="t")
            model = done.outcome.model
        store.withdraw("report.json")
        store.publish("artifacts", lambda folder: (folder / "model.onnx").write_bytes(model.path.read_bytes()))
        store.write("report.json", f"{model.size_bytes}\n")


def build_until(out: Path, source: Path, touch: int) -> None:
    """Build, and die by SIGKILL before the touch of that number."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in _TOUCHES or (event == "open" and str(arguments[0]).startswith(str(out))):
            seen += 1
            if seen == touch:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    build(out, source)


def main(folder: Path) -> None:
    """Kill one build for each touch, until a build ends before it is killed."""
    source = folder / "source.onnx"
    touch = 0
    status = 1
    while status != 0:
        touch += 1
        child = os.fork()
        if child == 0:
            build_until(folder / str(touch), source, touch)
            os._exit(0)
        status = os.waitpid(child, 0)[1]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
