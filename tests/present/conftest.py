"""The golden report: one target holds, one misses, one cannot be told."""

from pathlib import Path

import pytest

from edgekit.report import Report


@pytest.fixture(scope="session")
def golden(root: Path) -> Report:
    """The report of tests/golden/report.json."""
    return Report.from_json((root / "tests/golden/report.json").read_bytes())
