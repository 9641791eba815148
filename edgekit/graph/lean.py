"""Lean: modules that onnx-ir imports and hardly ever uses are read from disk only when something is asked of them.

onnx-ir calculates with symbolic dimensions by sympy and imports it at once: 33 MiB and a third of a second for every
verb, and no pass of ours adds two symbols. :func:`defer` puts a finder in front of Python's own that wraps the loader
of these modules in ``importlib.util.LazyLoader``; whoever touches an attribute gets the whole module, as ever.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

DEFERRED = frozenset({"sympy", "onnx_ir._symbolic_shapes"})


class LeanFinder(MetaPathFinder):
    """Finds the deferred modules where Python would, and puts their execution off."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the usual spec with a lazy loader, or None for all other modules."""
        if fullname not in DEFERRED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def defer() -> None:
    """Put the finder in place, once."""
    if not any(isinstance(each, LeanFinder) for each in sys.meta_path):
        sys.meta_path.insert(0, LeanFinder())
