"""The root of all errors: what happened, the value, the allowed values, and the next step.

An error carries one sentence per mistake and one hint; whoever shows it prints ``error:`` and ``hint:`` lines
and leaves with ``exit_code``.
"""

from collections.abc import Sequence
from typing import ClassVar


class EdgeKitError(Exception):
    """Anything that EdgeKit refuses or cannot do, said in words that a user can act on.

    Args:
        mistakes: one sentence, or one sentence for each mistake that was found.
        hint: the next step.
    """

    exit_code: ClassVar[int] = 6

    def __init__(self, mistakes: str | Sequence[str], *, hint: str = "") -> None:
        self.mistakes = (mistakes,) if isinstance(mistakes, str) else tuple(mistakes)
        self.hint = hint
        super().__init__("; ".join(self.mistakes))


class InputError(EdgeKitError):
    """A sample, picture, clip or array does not fit what the model or the card says."""

    exit_code = 2


class MissingExtra(EdgeKitError):
    """A runtime or library is not installed here; the hint names the extra that brings it."""

    exit_code = 4


class RuntimeFault(EdgeKitError):
    """A runtime could not load or run a model."""

    exit_code = 6


def missing(package: str, extra: str) -> MissingExtra:
    """The error for a package that an extra of this project would bring."""
    hint = f'pip install "edgekit[{extra}]"'
    return MissingExtra(f"the package {package!r} is not installed", hint=hint)
