"""What `import edgekit` promises, and that a user can meet every error that the house can raise."""

import ast
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import edgekit
from edgekit.runner.faults import EdgeKitError


def test_the_facade_shows_what_it_promises_and_nothing_else() -> None:
    assert dir(edgekit) == sorted(edgekit.__all__)
    assert all(hasattr(edgekit, name) for name in edgekit.__all__)


def test_the_version_is_said_once_and_the_command_tells_it(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert project["dynamic"] == ["version"]
    answer = subprocess.run(
        [sys.executable, "-m", "edgekit", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert edgekit.__version__ in answer


def error_classes(root: Path) -> set[type[EdgeKitError]]:
    """Every error class, wherever it is written down."""
    for file in sorted((root / "edgekit").rglob("*.py")):
        defines = [node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)]
        if any(name.endswith(("Error", "Fault", "Extra", "Mismatch", "Unreachable")) for name in defines):
            importlib.import_module(".".join(file.relative_to(root).with_suffix("").parts))
    found, queue = set(), [EdgeKitError]
    while queue:
        below = queue.pop().__subclasses__()
        found.update(below)
        queue += below
    return found


def classes_that_tests_expect(root: Path) -> set[str]:
    """Names that stand inside `pytest.raises(...)` anywhere in the tests."""
    names = set()
    for file in (root / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "raises":
                names |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
                names |= {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
    return names


def test_every_error_class_is_raised_in_a_test(root: Path) -> None:
    assert not sorted({each.__name__ for each in error_classes(root)} - classes_that_tests_expect(root))


def test_errors_carry_documented_exit_codes(root: Path) -> None:
    documented = {1, 2, 3, 4, 5, 6, 70, 130}
    assert {each.exit_code for each in error_classes(root)} <= documented


def test_an_error_keeps_each_mistake_and_its_hint() -> None:
    error = EdgeKitError(["a is wrong", "b is wrong"], hint="mend both")
    assert error.mistakes == ("a is wrong", "b is wrong")
    assert error.hint == "mend both"
    assert str(error) == "a is wrong; b is wrong"
    with pytest.raises(EdgeKitError, match="a is wrong"):
        raise error
