"""Run ONNX models on the same samples in fresh default ONNX Runtime sessions, as their users' programs would.

    python benchmarks/default_session.py DATA.npz OUT.npz MODEL.onnx...

``DATA.npz`` holds ``eval_<i>`` for model input i, one sample a row; a row of one rank less than the input is a batch of
one. ``OUT.npz`` gets ``<model number>:<output name>``: all samples' entries one after the other. Needs numpy and
onnxruntime alone, so that the peers' Python can run it too. A model that does not load or run ends it with exit code 1.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime

Array = np.ndarray[Any, np.dtype[Any]]


def rows(session: onnxruntime.InferenceSession, data: dict[str, Array]) -> Iterator[dict[str, Array]]:
    """Yield the feeds of each sample."""
    inputs = session.get_inputs()
    for index in range(len(data["eval_0"])):
        feeds = {port.name: data[f"eval_{number}"][index] for number, port in enumerate(inputs)}
        ranks = {port.name: len(port.shape) for port in inputs}
        yield {name: row[None] if row.ndim < ranks[name] else row for name, row in feeds.items()}


def outputs(model: str, data: dict[str, Array]) -> dict[str, Array]:
    """Return every output, all samples' entries one after the other."""
    session = onnxruntime.InferenceSession(model)
    names = [port.name for port in session.get_outputs()]
    runs = [session.run(names, feeds) for feeds in rows(session, data)]
    return {name: np.concatenate([run[index].ravel() for run in runs]) for index, name in enumerate(names)}


def main(data_path: str, out: str, *models: str) -> int:
    """Run the models; say what went wrong in one line."""
    with np.load(data_path) as opened:
        data = dict(opened)
    found: dict[str, Any] = {}
    for number, model in enumerate(models):
        try:
            found |= {f"{number}:{name}": array for name, array in outputs(model, data).items()}
        except Exception as error:  # noqa: BLE001 - whatever a runtime raises is the finding
            print(f"{model}: {str(error).splitlines()[0][:200]}", file=sys.stderr)
            return 1
    np.savez(out, **found)
    return 0


def arguments(words: Sequence[str]) -> int:
    if len(words) < 3:
        print(__doc__)
        return 2
    return main(*words)


if __name__ == "__main__":
    sys.exit(arguments(sys.argv[1:]))
