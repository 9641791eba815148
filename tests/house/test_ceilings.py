"""The house keeps its files and functions short, its tests longer than its code, and leaves no marks behind."""

import ast
import re
from pathlib import Path

import pytest

FILE_LINES = 350
FUNCTION_LINES = 45
TEST_LINES_PER_LINE = 1.2
MARKS = re.compile(r"\b(TO" "DO|FIX" "ME|XXX|HACK)\b")
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
CODE = ("edgekit", "tests", "benchmarks", "examples")


def sources(root: Path, *folders: str) -> list[Path]:
    """Return the Python files of some folders."""
    return sorted(file for folder in folders for file in (root / folder).rglob("*.py"))


def lines_of(files: list[Path]) -> int:
    """Count the lines of some files that are code: explanations (docstrings, comments) and blank lines need no test."""
    total = 0
    for file in files:
        text = file.read_text()
        explained: set[int] = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, Documented) and ast.get_docstring(node, clean=False) is not None:
                explained.update(range(node.body[0].lineno, (node.body[0].end_lineno or node.body[0].lineno) + 1))
        lines = enumerate(text.splitlines(), start=1)
        total += sum(
            1 for number, line in lines if line.strip(" #") and number not in explained and line.strip()[0] != "#"
        )
    return total


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring: a long explanation is no sin."""
    last = function.end_lineno or function.lineno
    first = function.body[0]
    docstring = ast.get_docstring(function, clean=False) is not None
    explained = (first.end_lineno or first.lineno) - first.lineno + 1 if docstring else 0
    return last - function.lineno + 1 - explained


def test_files_stay_under_350_lines(root: Path) -> None:
    long = {
        str(file.relative_to(root)): lines
        for file in sources(root, "edgekit")
        if (lines := len(file.read_text().splitlines())) > FILE_LINES
    }
    assert not long


def test_functions_stay_under_45_lines(root: Path) -> None:
    long = {}
    for file in sources(root, "edgekit"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > FUNCTION_LINES:
                long[f"{file.relative_to(root)}:{node.lineno} {node.name}"] = body_lines(node)
    assert not long


def test_a_long_function_would_be_seen() -> None:
    tall = "def tall():\n    '''One.\n\n    Two.\n    '''\n" + "    x = 1\n" * (FUNCTION_LINES + 1)
    function = ast.parse(tall).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert body_lines(function) == FUNCTION_LINES + 2


def test_there_is_more_test_than_code(root: Path) -> None:
    code, tests = lines_of(sources(root, "edgekit")), lines_of(sources(root, "tests"))
    assert tests >= TEST_LINES_PER_LINE * code, f"{tests} lines of test for {code} lines of code"


def test_only_code_is_counted_as_code(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text('"""One.\n\nTwo.\n"""\n\n# three\nx = 1\n\n\ndef f():\n    """Four."""\n    return x  # five\n')
    assert lines_of([file]) == 3


def test_no_marks_are_left_behind(root: Path) -> None:
    marked = [
        f"{file.relative_to(root)}:{number}"
        for file in sources(root, *CODE)
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if MARKS.search(line)
    ]
    assert not marked


@pytest.mark.parametrize("name", ["utils.py", "util.py", "helpers.py", "common.py", "misc.py"])
def test_no_file_is_named_for_having_no_subject(root: Path, name: str) -> None:
    assert not list((root / "edgekit").rglob(name))


def test_every_type_ignore_and_noqa_says_its_code_and_reason(root: Path) -> None:
    bare = [
        f"{file.relative_to(root)}:{number}: {line.strip()}"
        for file in sources(root, "edgekit")
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if re.search(r"# (type: ignore|noqa)", line)
        and not re.search(r"# (type: ignore\[[\w, -]+\]|noqa: [A-Z]+\d+(, [A-Z]+\d+)*)\s*(#|-|;|:)?\s*\S+", line)
    ]
    assert not bare
