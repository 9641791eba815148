"""The errors of the house, by whose move is next: the user's file, the user's machine, or a toolchain."""

from edgekit.runner.faults import EdgeKitError, InputError, MissingExtra, RuntimeFault, missing

__all__ = [
    "CompileError",
    "EdgeKitError",
    "InputError",
    "MissingExtra",
    "ModelError",
    "RecipeError",
    "RuntimeFault",
    "StepError",
    "missing",
]


class RecipeError(EdgeKitError):
    """The user's words, card, recipe or profile are wrong."""

    exit_code = 2


class ModelError(EdgeKitError):
    """The user's model cannot be read, is not safe to read, or is not supported."""

    exit_code = 2


class StepError(EdgeKitError):
    """A step failed on a model that was fine when it came in."""

    exit_code = 6


class CompileError(StepError):
    """A runtime's toolchain refused a graph, or its result does not hold."""
