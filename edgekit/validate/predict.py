"""Predict: the outputs of an artifact over a set of samples, one sample at a time, as its own runtime gives them.

One at a time, since an artifact that ships at batch 1 must be judged at batch 1: dynamic quantization takes its scale
from the whole batch, and accuracy moves with it (openvinotoolkit/nncf issue 260).

Every output gets one row a sample:

* Where each sample's first axis has length 1, that axis counts samples: 5 x (1, 10) -> (5, 10).
* Otherwise (a scalar, a recurrent state, a list of boxes) a new first axis counts them: 5 x (2, 1, 8) -> (5, 2, 1, 8).
* Rows of different shapes are padded at the end: floats with NaN, signed integers with their least value, unsigned
  ones with 0, booleans with False.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from edgekit.artifact import Artifact
from edgekit.card import DataCard
from edgekit.errors import RuntimeFault
from edgekit.recipe import Progress, silent
from edgekit.runner.runtimes.base import Array, open_session
from edgekit.validate.answers import answers_of

_REPORT_EVERY = 32


class Feeds(Protocol):
    """Samples as model feeds, in order: a SampleSet, or a list of dictionaries."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __iter__(self) -> Iterator[dict[str, Array]]:
        """Read them one after the other."""
        ...


def predict(
    artifact: Artifact,
    samples: Feeds,
    *,
    threads: int = 1,
    progress: Progress = silent,
    card: DataCard | None = None,
) -> dict[str, Array]:
    """Run an artifact on every sample.

    Args:
        artifact: opened in its own runtime with its own options.
        samples: at least one.
        threads: of the runtime.
        progress: told how many samples are done.
        card: where given, outputs are reduced to what its task judges as soon as they are there: token states are
            pooled, class scores of pixels become classes. Memory then holds answers, not scores.

    Returns:
        One array for each output, first axis the samples.

    Raises:
        RuntimeFault: the runtime refuses the artifact or fails on a sample.
        InputError: a sample is damaged or does not fit the artifact.
    """
    session = open_session(artifact.runtime, artifact.path, threads=threads, options=artifact.options)
    what = f"{artifact.runtime} on {artifact.path.name}"
    rows: dict[str, list[Array]] = {}
    try:
        for done, feeds in enumerate(samples):
            if done % _REPORT_EVERY == 0:
                progress(what, done, len(samples))
            outputs = session.infer(feeds)
            for name, array in (answers_of(card, feeds, outputs) if card else outputs).items():
                rows.setdefault(name, []).append(array)
    finally:
        session.close()
    progress(what, len(samples), len(samples))
    if not rows:
        raise RuntimeFault(f"{what}: there is no sample, or no output")
    return {name: _column(arrays) for name, arrays in rows.items()}


def _column(arrays: Sequence[Array]) -> Array:
    """Give every sample its row; see the module's docstring."""
    if all(array.ndim and array.shape[0] == 1 for array in arrays):
        arrays = [array[0] for array in arrays]
    if len({array.shape for array in arrays}) == 1:
        return np.stack(arrays)
    rank = max(array.ndim for array in arrays)
    arrays = [array.reshape((1,) * (rank - array.ndim) + array.shape) for array in arrays]
    shape = tuple(max(array.shape[axis] for array in arrays) for axis in range(rank))
    column = np.full((len(arrays), *shape), _padding(arrays[0].dtype), arrays[0].dtype)
    for index, array in enumerate(arrays):
        column[index][tuple(slice(size) for size in array.shape)] = array
    return column


def _padding(dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return np.nan
    return np.iinfo(dtype.name).min if dtype.kind == "i" else np.zeros((), dtype)[()]
