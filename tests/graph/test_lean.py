"""Lean: what is put off is put off, and is all there when it is asked for."""

import subprocess
import sys

import pytest

from edgekit.graph.lean import DEFERRED, LeanFinder, defer


def run(code: str) -> str:
    """Run code in a fresh process that sees nothing of this one's imports."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("module", ["edgekit.build", "edgekit.graph.load", "edgekit.graph.describe"])
def test_sympy_is_not_read_until_it_is_needed(module: str) -> None:
    assert (
        run(f"import {module}, onnx_ir, sys; print('onnx_ir' in sys.modules, 'sympy.core' in sys.modules)")
        == "True False"
    )


def test_symbols_still_add_up() -> None:
    code = "import edgekit.graph, onnx_ir, sys; print(onnx_ir.SymbolicDim('a') + 1, 'sympy.core' in sys.modules)"
    assert run(code) == "a + 1 True"


def test_a_users_own_sympy_works_as_ever() -> None:
    code = "import edgekit.graph, sympy; from sympy.core import Symbol; print(sympy.Symbol('x') + Symbol('x'))"
    assert run(code) == "2*x"


def test_other_modules_are_found_as_ever() -> None:
    assert LeanFinder().find_spec("json", None) is None


def test_the_finder_is_put_in_place_once() -> None:
    defer()
    defer()
    assert sum(isinstance(each, LeanFinder) for each in sys.meta_path) == 1


def test_only_what_onnx_ir_hardly_uses_is_deferred() -> None:
    assert set(DEFERRED) == {"sympy", "onnx_ir._symbolic_shapes"}
