"""Reproduce: the same build gives the same bytes, also after it was killed at any moment and resumed.

    python benchmarks/reproduce.py [WHAT=examples/digits/recipe.toml] [--kills 20] [--seed 0] [-- BUILD FLAGS...]

* Two builds into two folders: every artifact has the same digest.
* A build is killed (SIGKILL, its children too) after a drawn part of the time that the first build took, and resumed
  with ``--resume``: again the same digests, and nothing half-written stays behind under artifacts/.

Exit code 1 where a byte differs.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from edgekit.artifact import digest_file

HERE = Path(__file__).resolve().parent
VERDICTS = (0, 1, 3)


def command(what: str, out: Path, flags: Sequence[str]) -> list[str]:
    """The build, as a user types it."""
    return [sys.executable, "-m", "edgekit", "build", what, "-o", str(out), "-q", *flags]


def build(what: str, out: Path, flags: Sequence[str]) -> tuple[dict[str, str], float]:
    """Build to the end and return the digests of all artifacts, and the seconds.

    Raises:
        RuntimeError: the build ended without a verdict.
    """
    started = time.perf_counter()
    ended = subprocess.run(command(what, out, flags), capture_output=True, text=True, check=False)
    if ended.returncode not in VERDICTS:
        raise RuntimeError(f"edgekit build ended with {ended.returncode}:\n{ended.stderr}")
    return digests(out), time.perf_counter() - started


def digests(out: Path) -> dict[str, str]:
    """Digest of every file under artifacts/, by its path."""
    folder = out / "artifacts"
    return {str(each.relative_to(folder)): digest_file(each) for each in sorted(folder.rglob("*")) if each.is_file()}


def build_and_kill(what: str, out: Path, flags: Sequence[str], seconds: float) -> bool:
    """Start a build, kill it with all its children after some seconds; False where it was done before."""
    process = subprocess.Popen(
        command(what, out, flags), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def differences(first: dict[str, str], second: dict[str, str]) -> list[str]:
    """Files that differ or stand on one side alone."""
    return sorted(name for name in {*first, *second} if first.get(name) != second.get(name))


def main(words: Sequence[str]) -> int:
    """Build, build again, kill and resume; tell every difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default=str(HERE.parent / "examples" / "digits" / "recipe.toml"))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    own, flags = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    given = parser.parse_args(own)
    moments = random.Random(given.seed)  # noqa: S311 - moments, not secrets
    missed = 0
    with tempfile.TemporaryDirectory(prefix="reproduce-") as place:
        first, seconds = build(given.what, Path(place, "first"), flags)
        second, _ = build(given.what, Path(place, "second"), flags)
        wrong = differences(first, second)
        missed += bool(wrong)
        print(f"{len(first)} files, {seconds:.1f} s; second build: {wrong or 'the same bytes'}", flush=True)
        for number in range(given.kills):
            out, after = Path(place, f"killed-{number}"), moments.uniform(0, seconds)
            killed = build_and_kill(given.what, out, flags, after)
            wrong = differences(first, build(given.what, out, [*flags, "--resume"])[0])
            missed += bool(wrong)
            how = f"killed after {after:.1f} s, resumed" if killed else "done before it was killed, built again"
            print(f"{number + 1:3d} {how}: {wrong or 'the same bytes'}", flush=True)
            shutil.rmtree(out)
    print(f"{missed} missed")
    return 1 if missed or not first else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
