"""Benchmarks are scripts, not a package: tests load them as users start them, with the script's folder on the path."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Loader = Callable[[str], ModuleType]


@pytest.fixture
def script(root: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    """Load ``benchmarks/<name>.py``; modules that it takes from its own folder are forgotten after the test."""

    def load(name: str) -> ModuleType:
        path = root / "benchmarks" / f"{name}.py"
        monkeypatch.syspath_prepend(str(path.parent))
        for sibling in path.parent.glob("*.py"):
            monkeypatch.delitem(sys.modules, sibling.stem, raising=False)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, path.stem, module)
        spec.loader.exec_module(module)
        return module

    return load
