"""``python -m edgekit.runner``: a worker on stdin and stdout; see :mod:`edgekit.runner.worker`."""

import faulthandler
import signal
import sys

from edgekit.runner.worker import keep_stdout, serve

if __name__ == "__main__":
    faulthandler.enable()  # a runtime that crashes says so on stderr
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # a job's time limit ends the process, whatever the parent ignores
    serve(sys.stdin, keep_stdout())
