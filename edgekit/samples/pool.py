"""Pool: everything that a source holds, in its own order, before anything is picked from it.

One file beside this one for each kind of source makes pools: ``arrays``, ``files`` (pictures and clips), ``text`` and
``python``. A pool knows its labels and can digest every sample cheaply (the stored row, the file's bytes), so that two
picks can be kept apart without decoding a picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from edgekit.card import DataCard
from edgekit.runner.preprocess import Preprocessing
from edgekit.runner.runtimes.base import Port

Array = np.ndarray[Any, np.dtype[Any]]
Labels = dict[str, Array]


class Pool(Protocol):
    """Samples of a source by index.

    Attributes:
        identity: equal for two pools that read the same samples.
        labels: one array for each label, first axis one entry a sample; read before any sample is.
        units: what each sample belongs to, for a pick's share; None when the source names none.
        parts: model calls that one sample stands for: 2 for pairs of texts, else 1.
    """

    identity: tuple[str, ...]
    labels: Labels
    units: Sequence[str] | None
    parts: int

    def __len__(self) -> int:
        """Count the samples."""
        ...

    def name(self, index: int) -> str:
        """Say which sample it is, for messages: a file, a row."""
        ...

    def digest(self, index: int) -> bytes:
        """Return the sha256 of a sample as it is stored, all inputs together.

        Raises:
            InputError: the sample is missing or holds NaN or infinities.
        """
        ...

    def read(self, index: int, part: int) -> dict[str, Array]:
        """Return one raw sample, by model input, before layout, scale and dtype.

        Raises:
            InputError: the sample is damaged.
        """
        ...


@dataclass(frozen=True)
class Wanted:
    """What a pool is opened for: the card, the model's inputs, and how each is prepared."""

    card: DataCard
    ports: Mapping[str, Port]
    how: Mapping[str, Preprocessing] = field(default_factory=dict)

    def preparation(self, name: str) -> Preprocessing:
        """Return the preprocessing of an input; none does nothing."""
        return self.how.get(name, Preprocessing())
