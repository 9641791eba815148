"""What the wheel holds, to the file, and that what ships inside it is found from there."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="hatchling builds the wheel (the dev extra)")

FOLDERS_OF_DATA = ("targets", "devices", "calibration")


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


def tracked(root: Path, *folders: str) -> set[str]:
    """Files of some folders that are not left-overs of running Python."""
    return {
        str(file.relative_to(root))
        for folder in folders
        for file in (root / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_the_wheel_holds_the_package_the_folders_of_data_and_its_licence(root: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    code = tracked(root, "edgekit")
    data = {f"edgekit/shipped/{name}" for name in tracked(root, *FOLDERS_OF_DATA)}
    info = next(name for name in held if name.endswith("/METADATA")).removesuffix("METADATA")
    about = {info + name for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    assert held == code | data | about


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 1_000_000


def test_the_metadata_names_the_extras_that_errors_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()
    extras = {line.split()[1] for line in metadata.splitlines() if line.startswith("Provides-Extra:")}
    assert extras == {"openvino", "torch", "text", "audio", "llm", "tensorrt", "serve", "sign", "dev"}
    assert "License-Expression: Apache-2.0" in metadata


def test_what_ships_is_found_from_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    ask = (
        "import edgekit.catalog as catalog; from pathlib import Path;"
        "print(catalog.__file__, catalog.load_target('openvino-cpu', Path()).name,"
        "[each.name for each in catalog.profiles('calibration', Path())])"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {ask}"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert answer.startswith(str(tmp_path))
    assert "openvino-cpu" in answer
    assert "digits" in answer


def test_a_wheel_made_from_the_source_archive_is_the_same(root: Path, wheel: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=root, capture_output=True, check=True)
    source = next(tmp_path.glob("*.tar.gz"))
    subprocess.run(["tar", "-xzf", source.name], cwd=tmp_path, check=True)
    unpacked = tmp_path / source.name.removesuffix(".tar.gz")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=unpacked, capture_output=True, check=True)
    with zipfile.ZipFile(wheel) as ours, zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as theirs:
        assert sorted(ours.namelist()) == sorted(theirs.namelist())
