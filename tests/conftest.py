"""What every test may rely on: a quiet environment, the shared pack where it lies, and one hypothesis profile.

Tests import onnxruntime themselves to judge what the house made, so telemetry is switched off here before any
import; `tests/house/test_telemetry.py` takes the switch away again for the commands that it watches.
"""

import os
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "PYTHONSTARTUP", "PYTHONPATH"):
    os.environ.pop(name, None)

# Two busy cores make any deadline a coin toss, and a test that draws anew each run cannot be bisected.
hypothesis.settings.register_profile("house", deadline=None, derandomize=True)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The pack of real networks and data beside the repository; a test that asks for it skips where it is absent."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(f"the shared pack is not at {folder}")
    return folder
