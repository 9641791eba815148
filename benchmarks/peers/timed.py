"""Run one command and write what it cost: ``python -I -S timed.py COST.json COMMAND...``.

A process of its own, with nothing imported but this, because Linux counts the memory of whoever starts a process as
the peak of the started one: a starter that holds a runtime would charge it to the command.

``seconds`` run from the start of the process to its end; ``peak_rss_mib`` is the largest resident set of the command or
of any process that it started and waited for (``ru_maxrss`` of wait4).
"""

import json
import os
import subprocess
import sys
import time

KIB_IN_MIB = 1024


def main(cost: str, *command: str) -> int:
    """Run, wait, write; return the command's exit code."""
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    with open(cost, "w") as stream:  # noqa: PTH123 - pathlib would be imported for one line
        json.dump({"seconds": seconds, "peak_rss_mib": usage.ru_maxrss / KIB_IN_MIB}, stream)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
