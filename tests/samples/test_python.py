from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.errors import InputError, RecipeError
from edgekit.runner.runtimes.base import Port
from edgekit.samples.python import function_beside
from edgekit.samples.sets import Samples

Open = Callable[..., Samples]
PORT = Port("x", "float32", (None, 2))
SOURCE = {"kind": "python", "python": "data:load"}
COLUMNS = """
import numpy as np
def load():
    return {"x": np.arange(12, dtype=np.float32).reshape(6, 2)}, {"target": [0, 1, 0, 1, 0, 1]}
def other():
    return {"x": 100 + np.arange(4, dtype=np.float32).reshape(2, 2)}, {}
"""
SEQUENCE = """
class Samples:
    def __len__(self):
        return 6
    def __getitem__(self, index):
        return {"x": [2 * index, 2 * index + 1]}, {"target": index % 2}
def load():
    return Samples()
"""


def write(folder: Path, text: str, name: str = "data.py") -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("text", [COLUMNS, SEQUENCE], ids=["columns", "sequence"])
def test_a_function_gives_columns_or_a_sequence(open_card: Open, tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    samples = open_card(SOURCE, PORT, task="classification", calibration={"count": 2})
    assert samples.evaluation[0]["x"].tolist() == [[4.0, 5.0]]
    assert samples.evaluation[0]["x"].dtype == "float32"
    assert samples.evaluation.labels["target"].tolist() == [0, 1, 0, 1]


def test_a_pick_may_have_another_function(open_card: Open, tmp_path: Path) -> None:
    write(tmp_path, COLUMNS)
    samples = open_card(SOURCE, PORT, calibration={"python": "data:other"})
    assert len(samples.evaluation) == 6
    assert samples.calibration[1]["x"].tolist() == [[102.0, 103.0]]


def test_preprocessing_is_for_functions_too(open_card: Open, tmp_path: Path) -> None:
    write(tmp_path, COLUMNS)
    samples = open_card(SOURCE, PORT, preprocess={"x": {"scale": 2.0}}, calibration={"count": 1})
    assert samples.evaluation[0]["x"].tolist() == [[1.0, 1.5]]


def test_a_sequence_is_read_one_sample_at_a_time(open_card: Open, tmp_path: Path) -> None:
    counting = SEQUENCE.replace("        return {", "        READS.append(index)\n        return {")
    write(tmp_path, "READS = []\ndef reads():\n    return READS\n" + counting)
    samples = open_card(SOURCE, PORT, calibration={"count": 2})
    reads = function_beside(tmp_path, "data:reads")()
    reads.clear()
    assert samples.evaluation[3]["x"].tolist() == [[10.0, 11.0]]
    assert reads == [5]


def test_two_cards_may_each_have_a_module_of_the_same_name(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path, f"def load():\n    return {folder!r}\n", f"{folder}/data.py")
    assert function_beside(tmp_path / "one", "data:load")() == "one"
    assert function_beside(tmp_path / "two", "data:load")() == "two"


def test_a_module_may_import_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path, "VALUE = 7\n", "edgekit_test_neighbour.py")
    write(tmp_path, "from edgekit_test_neighbour import VALUE\ndef load():\n    return VALUE\n")
    assert function_beside(tmp_path, "data:load")() == 7


def test_a_function_may_lie_in_a_package_or_be_installed(tmp_path: Path) -> None:
    write(tmp_path, "def load():\n    return 1\n", "own/data.py")
    assert function_beside(tmp_path, "own.data:load")() == 1
    assert function_beside(tmp_path, "math:sqrt")(9) == 3


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "data:load", "data has no function 'load'"),
        ("load = 3", "data:load", "data has no function 'load'"),
        (
            "import nothing_of_this_name",
            "data:load",
            r"cannot be imported: ModuleNotFoundError: .*\(data\.py, line 1\)",
        ),
        ("def load(:", "data:load", "cannot be imported: SyntaxError"),
        ("raise ValueError('early')", "data:load", r"cannot be imported: ValueError: early \(data\.py, line 1\)"),
        ("", "absent:load", "'absent:load' cannot be imported: ModuleNotFoundError"),
        ("def load():\n    return [][0]", "data:load", r"data:load failed: IndexError: .* \(data\.py, line 2\)"),
        ("def load():\n    return None", "data:load", "data:load gave NoneType"),
        ("def load():\n    return []", "data:load", "needs the same number of samples throughout, and some"),
        ("def load():\n    return {}, {}", "data:load", "needs the same number of samples throughout, and some: none"),
        ("def load():\n    return {'x': [[1, 2]]}, {'y': [1, 2]}", "data:load", "x has 1, y has 2"),
        ("def load():\n    return [1, 2, 3]", "data:load", r"sample 0: not a pair"),
        ("def load():\n    return {'y': [[1, 2]] * 3}, {}", "data:load", "gives y; the model's inputs are x"),
        ("def load():\n    return {'x': [['a', 'b']] * 3}, {}", "data:load", "input 'x' is of <U1, not of numbers"),
        ("def load():\n    return {'x': [[1, 2]] * 3}, {'t': [1, [2], 3]}", "data:load", "label 't' differs in shape"),
        (
            "def load():\n    return {'x': [[1, 2]] * 3}, {'t': [1, None, 3]}",
            "data:load",
            "'t' is not of numbers",
        ),
        ("def load():\n    return {'x': [[1.0, float('nan')]] * 3}, {}", "data:load", r"sample \d, x: holds NaN"),
    ],
)
def test_what_goes_wrong_in_a_function_is_told_in_words(
    open_card: Open, tmp_path: Path, text: str, name: str, message: str
) -> None:
    write(tmp_path, text)
    with pytest.raises((RecipeError, InputError), match=message):
        open_card({"kind": "python", "python": name}, PORT)


def test_a_module_that_failed_is_imported_anew(tmp_path: Path) -> None:
    write(tmp_path, "raise ValueError")
    with pytest.raises(RecipeError):
        function_beside(tmp_path, "data:load")
    write(tmp_path, "def load():\n    return 'now longer'\n")
    assert function_beside(tmp_path, "data:load")() == "now longer"
