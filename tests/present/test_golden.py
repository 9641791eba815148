"""The pages of the golden report on disk are those that the code makes now."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["report.json", "report.md", "report.junit.xml"])
def test_the_golden_page_is_what_the_code_makes(name: str, root: Path) -> None:
    folder = root / "tests/golden"
    pages: Callable[[], dict[str, str]] = runpy.run_path(str(folder / "make_report.py"))["pages"]
    assert pages()[name] == (folder / name).read_text(encoding="utf-8"), "run python tests/golden/make_report.py"
