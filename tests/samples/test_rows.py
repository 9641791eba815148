import io
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.errors import InputError
from edgekit.samples.rows import open_arrays

NUMBERS = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
SAVERS = {"stored": np.savez, "deflated": np.savez_compressed}


def npy(array: np.ndarray[Any, Any], **words: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **words)
    return stream.getvalue()


def head(shape: str, dtype: str = "<f4", order: str = "False") -> bytes:
    """The head of an .npy file that may lie."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize("save", SAVERS.values(), ids=SAVERS)
def test_rows_of_an_archive_are_read_one_at_a_time(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "a.npz", x=NUMBERS, y=np.arange(5))
    arrays = open_arrays(tmp_path / "a.npz")
    assert sorted(arrays) == ["x", "y"]
    assert len(arrays["x"]) == 5
    assert arrays["x"].shape == (5, 3, 4)
    for index in (4, 0, 2, 4):
        assert arrays["x"][index].tobytes() == NUMBERS[index].tobytes()
    assert arrays["y"].whole().tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError):
        arrays["x"][5]


def test_one_array_and_a_folder_of_arrays_are_called_by_their_stems(tmp_path: Path) -> None:
    np.save(tmp_path / "pictures.npy", NUMBERS)
    np.save(tmp_path / "labels.npy", np.arange(5))
    assert open_arrays(tmp_path / "pictures.npy")["pictures"][3].tolist() == NUMBERS[3].tolist()
    assert sorted(open_arrays(tmp_path)) == ["labels", "pictures"]


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_arrays_stored_column_by_column_read_the_same(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    columns = np.asfortranarray(NUMBERS)
    np.save(path, columns) if suffix == "npy" else np.savez_compressed(path, a=columns)
    assert open_arrays(path)["a"][2].tobytes() == NUMBERS[2].tobytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    hnp.arrays(
        st.sampled_from(["u1", "<i2", ">i4", "<i8", "<f2", ">f4", "<f8", "?", "<U3"]),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=5),
        fill=st.nothing(),
    ),
    st.sampled_from(["C", "F"]),
    st.sampled_from(sorted(SAVERS)),
)
def test_every_array_comes_back_in_native_order(tmp_path: Path, array: Any, order: str, saver: str) -> None:
    SAVERS[saver](tmp_path / "a.npz", x=np.array(array, order=order))
    rows = open_arrays(tmp_path / "a.npz")["x"]
    assert rows.dtype.isnative
    for index in range(len(array)):
        np.testing.assert_array_equal(rows[index], array[index])
        assert rows[index].shape == array.shape[1:]


def test_memory_stays_flat_however_many_rows_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((400, 100_000), np.uint8))
    rows = open_arrays(tmp_path / "a.npz")["x"]
    tracemalloc.start()
    for index in range(400):
        rows[index]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2_000_000  # the array takes 40,000,000


def test_a_compressed_array_is_unpacked_to_disk_not_to_memory(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((400, 100_000), np.uint8))
    rows = open_arrays(tmp_path / "a.npz")["x"]
    tracemalloc.start()
    assert not rows[399].any()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 25_000_000


def test_pickles_are_refused_unread(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}], object)
    np.savez(tmp_path / "a.npz", x=objects)
    np.save(tmp_path / "a.npy", objects)
    (tmp_path / "b.npy").write_bytes(pickle.dumps([1, 2]))
    for name, message in (("a.npz", "a pickle"), ("a.npy", "a pickle"), ("b.npy", "no NumPy array")):
        with pytest.raises(InputError, match=message):
            open_arrays(tmp_path / name)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (head("(1000000000, 1000000000)") + b"\0" * 64, "needs 4000000000000000000 bytes, 64 are there"),
        (head("(3,)") + b"\0" * 8, "needs 12 bytes, 8 are there"),
        (head("(3,)") + b"\0" * 16, "needs 12 bytes, 16 are there"),
        (head("(-3, -4)") + b"\0" * 48, "absurd shape"),
        (head("(" + "1, " * 40 + ")") + b"\0" * 4, "absurd shape"),
        (head("()") + b"\0" * 4, "the first axis must count samples"),
        (head("(2,)", "<c8") + b"\0" * 16, "holds dtype complex64"),
        (head("(2,)", "<M8[s]") + b"\0" * 16, "holds dtype datetime64"),
        (head("(2,)", "nothing") + b"\0" * 8, "no NumPy array"),
        (head("__import__('os')") + b"\0" * 8, "no NumPy array"),
        (b"\x93NUMPY\x09\x00", "no NumPy array"),
        (b"", "no NumPy array"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", "no NumPy array"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["npy", "npz"])
def test_heads_that_lie_are_refused_before_memory_is_taken(
    tmp_path: Path, data: bytes, message: str, packed: bool
) -> None:
    path = tmp_path / ("a.npz" if packed else "a.npy")
    if packed:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", data)
    else:
        path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        open_arrays(path)


def test_an_archive_that_unpacks_to_more_than_allowed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgekit.samples.rows._UNPACKED_LIMIT_BYTES", 1000)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((100, 100), np.uint8))
    with pytest.raises(InputError, match="10000 bytes are too many to unpack here"):
        open_arrays(tmp_path / "a.npz")["x"][0]


def test_an_entry_whose_size_lies_ends_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.zeros((100, 100), np.uint8))
    data = bytearray(path.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    size = struct.unpack_from("<I", data, central + 24)[0]
    lie = npy(np.zeros((10, 10), np.uint8))
    struct.pack_into("<I", data, central + 24, len(lie))
    path.write_bytes(data)
    assert size != len(lie)
    with pytest.raises(InputError):
        open_arrays(path)["x"][0]


@pytest.mark.parametrize("damage", [b"", b"not a zip", b"PK\x03\x04" + b"\0" * 40])
def test_other_bytes_are_no_archive(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(damage)
    with pytest.raises(InputError, match=r"no readable \.npz"):
        open_arrays(tmp_path / "a.npz")


def test_damaged_data_inside_an_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=(100, 100)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = b"\xff" * 64
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.npz: x: (damaged|ends within row)"):
        open_arrays(path)["x"][99]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_arrays(tmp_path / "a.npz")
    with pytest.raises(InputError, match="no arrays in it"):
        open_arrays(tmp_path)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(InputError, match="no arrays in it"):
        open_arrays(tmp_path / "b.npz")
