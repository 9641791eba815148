"""Recipe: a model, steps, targets, data and a budget; and what a step is given and gives back.

A step is a frozen dataclass whose fields are its options; calling it with a model and a :class:`Given`
returns an :class:`Outcome`. What lies above a step is handed to it, never imported by it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgekit.artifact import Artifact
from edgekit.card import DataCard
from edgekit.profiles import Target

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is."""


def silent(_what: str, _done: int, _total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Given:
    """What a step is handed: the surroundings of the work, and a folder to write in.

    Attributes:
        card: the data, or None where a model alone is worked on.
        target: what the result is for.
        folder: an empty folder of this step alone.
        threads: how many threads the target's runtime gets.
        seed: of every draw.
        score: gives the card's metric in points for a model; None outside a build.
        price: exports, compiles and measures milliseconds on the target; None outside a build.
    """

    card: DataCard | None
    target: Target
    folder: Path
    threads: int = 1
    seed: int = 0
    progress: Progress = silent
    score: Callable[[Artifact], float] | None = None
    price: Callable[[Artifact], float] | None = None


@dataclass(frozen=True)
class Outcome:
    """What a step did: the model, whether it changed, and plain numbers with a unit in the name."""

    model: Artifact
    changed: bool
    facts: Mapping[str, object] = field(default_factory=dict)


class Step(Protocol):
    """A frozen dataclass of options that turns one model into another."""

    def __call__(self, model: Artifact, given: Given) -> Outcome:
        """Work on ``model`` inside ``given.folder``."""
        ...
