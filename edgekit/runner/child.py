"""Child: run one job of the runner in a fresh process, and turn whatever befalls it into an error in words.

A process that crashes (a runtime's segmentation fault, the kernel's out-of-memory killer), hangs, or answers nonsense
becomes a RuntimeFault that says so; the caller never hangs and never dies with it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.runner.faults import EdgeKitError, InputError, MissingExtra, RuntimeFault

TIMEOUT_S = 600.0
_GRACE_S = 30.0  # the child ends itself this much later, should this process be gone by then
_FAULTS: Mapping[str, type[EdgeKitError]] = {each.__name__: each for each in (InputError, MissingExtra, RuntimeFault)}


def run_job(job: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """Do a job of :mod:`edgekit.runner.worker` in a fresh process and return its answer.

    Raises:
        RuntimeFault: the runtime refused, the process crashed, hung or could not be started.
        InputError, MissingExtra: as the child found.
    """
    what = f"{job['runtime']} on {Path(job['path']).name}"
    line = json.dumps({**job, "timeout_s": timeout_s + _GRACE_S}) + "\n"
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "edgekit.runner"],
            input=line.encode(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env=_environment(),
        )
    except subprocess.TimeoutExpired as error:
        hint = "a smaller model or fewer threads than cores may help; the process was ended"
        raise RuntimeFault(f"{what}: no answer within {timeout_s:g} s", hint=hint) from error
    if ended.returncode != 0:
        raise RuntimeFault(f"{what}: {_ending(ended.returncode)}{_last_words(ended.stderr)}")
    try:
        answer: dict[str, Any] = json.loads(ended.stdout)
    except ValueError as error:
        raise RuntimeFault(f"{what}: the process gave no answer{_last_words(ended.stderr)}") from error
    if "fault" in answer:
        raise _FAULTS.get(answer["fault"], RuntimeFault)(answer["mistakes"], hint=answer["hint"])
    return answer


def _environment() -> dict[str, str]:
    """This process's environment, with this very edgekit first and nothing taken from the working directory."""
    home = str(Path(__file__).resolve().parents[2])
    paths = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


def _ending(returncode: int) -> str:
    if returncode > 0:
        return f"the process ended with exit code {returncode}"
    name = signal.Signals(-returncode).name
    why = " (out of memory?)" if -returncode == signal.SIGKILL else ""
    return f"the process was ended by {name}{why}"


def _last_words(stderr: bytes) -> str:
    """Return the line that says most: a crash report's first line, else the last one."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    fatal = next((line for line in lines if line.startswith(("Fatal Python error", "Timeout ("))), None)
    said = fatal or (lines[-1] if lines else "")
    return f": {said[:300]}" if said else ""
