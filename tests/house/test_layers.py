"""The layers of docs/design.md section 1, as import-linter reads them, and that the contract has teeth."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package that lies in a folder."""
    tool = Path(sys.executable).with_name("lint-imports")
    if not tool.exists():
        pytest.skip("import-linter is not installed here")
    surroundings = {**os.environ, "COLUMNS": "200"}  # one line for each contract
    command = [tool, "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)


@pytest.fixture
def house(root: Path, tmp_path: Path) -> Path:
    """A copy of the package that a test may spoil."""
    shutil.copytree(root / "edgekit", tmp_path / "edgekit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def test_imports_go_downwards(root: Path) -> None:
    answer = lint_imports(root)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("graph/rogue.py", "import edgekit.quantize\n", "Imports go downwards"),
        ("validate/rogue.py", "import edgekit.compile\n", "Imports go downwards"),
        ("runner/rogue.py", "import edgekit.errors\n", "Imports go downwards"),
        ("runner/rogue.py", "import pydantic\n", "the runner needs"),
        ("validate/rogue.py", "import torch\n", "torch only"),
        ("graph/rogue.py", "def late():\n    import onnxruntime\n", "onnxruntime only"),
        ("samples/rogue.py", "from openvino import Core\n", "openvino only"),
        ("samples/rogue.py", "from scipy import stats\n", "scipy only"),
        ("utils.py", "", "Imports go downwards"),
    ],
)
def test_a_wrong_import_or_a_folder_without_a_place_is_refused(
    house: Path, file: str, line: str, contract: str
) -> None:
    (house / "edgekit" / file).write_text(line)
    answer = lint_imports(house)
    assert answer.returncode != 0
    broken = [said for said in answer.stdout.splitlines() if " BROKEN" in said]
    assert [said for said in broken if said.startswith(contract)], answer.stdout
