"""The zoo of awkward models: each ends as its expect.json says, judged by benchmarks/zoo.py."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
ZOO = ROOT.parent / "shared" / "zoo"
CASES = sorted(path.parent.name for path in ZOO.glob("*/expect.json"))

pytestmark = pytest.mark.skipif(not CASES, reason=f"the zoo is not at {ZOO}")


@pytest.fixture(scope="module")
def zoo() -> ModuleType:
    """The benchmark, which knows the rules."""
    spec = importlib.util.spec_from_file_location("zoo", ROOT / "benchmarks" / "zoo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["zoo"] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", CASES or ["absent"])
def test_a_model_of_the_zoo_ends_as_it_should(zoo: ModuleType, name: str, tmp_path: Path) -> None:
    ending = zoo.run_edgekit(ZOO / name, tmp_path / "x.onnx")
    assert ending.wrong == ""
    assert ending.seconds < zoo.LIMIT_SECONDS
