"""Every TOML file that ships loads as the noun that it is, under the name of its file, and small where it must be."""

import tomllib
from pathlib import Path

import pytest

from edgekit.card import read_card
from edgekit.catalog import load_target, profiles, shipped_folder

ROOT = Path(__file__).resolve().parents[2]
FOLDERS_OF_DATA = ("targets", "devices", "calibration")
EMBEDDED_BYTES = 100_000
EXAMPLE_MODEL_BYTES = 200_000


@pytest.mark.parametrize("path", sorted((ROOT / "targets").glob("*")), ids=lambda path: path.name)
def test_a_target_loads_under_its_files_name(path: Path) -> None:
    assert path.suffix == ".toml"
    target = load_target(path.stem, ROOT)
    assert target.name == path.stem
    assert target.place
    assert (target.scheme is None) == (target.precision != "int8")


@pytest.mark.parametrize("path", sorted((ROOT / "calibration").glob("*.toml")), ids=lambda path: path.name)
def test_a_shipped_card_loads_with_its_licence_beside_it(path: Path) -> None:
    card = read_card(path)
    assert card.name == path.stem
    assert card.licence
    assert [file for file in path.with_suffix("").iterdir() if file.name.upper().startswith("LICEN")]


def test_embedded_sets_stay_under_100_kb() -> None:
    sets = [folder for folder in (ROOT / "calibration").iterdir() if folder.is_dir()]
    assert sets
    for folder in sets:
        size_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        assert size_bytes <= EMBEDDED_BYTES, f"{folder.name}: {size_bytes} bytes"


def test_example_models_stay_under_200_kb_and_come_with_the_script_that_makes_them() -> None:
    models = sorted((ROOT / "examples").rglob("*.onnx"))
    assert models
    for model in models:
        assert model.stat().st_size <= EXAMPLE_MODEL_BYTES
        assert (model.parent / "train.py").is_file()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.toml")), ids=lambda path: path.name)
def test_an_examples_files_are_toml_and_its_cards_load(path: Path) -> None:
    words = tomllib.loads(path.read_text())
    if "task" in words:
        assert read_card(path).task == words["task"]


def test_what_ships_is_found_from_a_checkout(root: Path) -> None:
    for kind in ("targets", "calibration"):
        assert shipped_folder(kind) == root / kind
    assert {"onnxruntime-x86", "openvino-cpu"} <= {each.name for each in profiles("targets", root)}
