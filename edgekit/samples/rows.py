"""Rows of stored NumPy arrays, read one at a time: .npz, .npy, or a folder of .npy files.

Rules: only the head of an array is read on opening, and it must fit the stored size, so an absurd shape is refused
before memory is taken; objects (pickles) are refused; an uncompressed array is read where it lies, row by row; a
compressed one is unpacked once, on first use, to a temporary file (small ones to memory), never beyond the size that
its head says.

>>> rows = open_arrays(Path("data.npz"))["eval_0"]  # doctest: +SKIP
>>> rows.shape, rows[3].shape                       # doctest: +SKIP
((48, 3, 16, 16), (3, 16, 16))
"""

import math
import shutil
import struct
import tempfile
import tokenize
import weakref
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from edgekit.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]

_IN_MEMORY_BYTES = 16 << 20
_UNPACKED_LIMIT_BYTES = 16 << 30
_COLUMN_ORDER_LIMIT_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 20
_DIMENSIONS_MAX = 32
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)
"""What reading a damaged, encrypted or oddly compressed archive raises."""
_NO_HEAD = (TypeError, SyntaxError, tokenize.TokenError, MemoryError, RecursionError)
"""What NumPy raises for a head that is none; it reads the text of one as Python's literals."""
_HINT = "save numbers with numpy.savez, the first axis counting samples"


@dataclass(frozen=True)
class _Head:
    """What the head of an array says, and how many bytes it takes itself."""

    shape: tuple[int, ...]
    column_order: bool
    dtype: np.dtype[Any]
    size_bytes: int

    @property
    def data_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(eq=False)
class Rows:
    """One stored array; ``rows[i]`` reads row i alone, in native byte order.

    Attributes:
        name: file and array, for messages.
    """

    name: str
    _path: Path
    _head: _Head
    _member: str | None = None
    _start: int = 0
    _stream: IO[bytes] | None = field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array; the first axis counts rows."""
        return self._head.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of a row, in native byte order."""
        return self._head.dtype.newbyteorder("=")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> Array:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._read(index, 1).reshape(self.shape[1:])  # an array even where a row is one number

    def whole(self) -> Array:
        """Return the whole array: for labels, which are small."""
        return self._read(0, len(self)) if len(self) else np.empty(self.shape, self.dtype)

    def _read(self, first: int, count: int) -> Array:
        """Read ``count`` rows from ``first`` on, in native byte order."""
        if self._stream is None:
            self._stream = self._open()
            weakref.finalize(self, self._stream.close)
        row_bytes = self._head.data_bytes // len(self)
        self._stream.seek(self._start + first * row_bytes)
        data = self._stream.read(count * row_bytes)
        if len(data) != count * row_bytes:
            raise InputError(
                f"{self.name}: ends within row {first + len(data) // row_bytes}", hint="save the file again"
            )
        return np.frombuffer(data, self._head.dtype).reshape(count, *self.shape[1:]).astype(self.dtype)

    def _open(self) -> IO[bytes]:
        """Return a stream that can seek, with the rows from ``_start`` on."""
        if self._member is None and not self._head.column_order:
            return self._path.open("rb")
        try:
            if self._member is None:
                with self._path.open("rb") as stream:
                    stream.seek(self._start - self._head.size_bytes)
                    self._start = 0
                    return _unpacked(stream, self._head, self.name)
            with zipfile.ZipFile(self._path) as archive, archive.open(self._member) as stream:
                return _unpacked(stream, self._head, self.name)
        except _DAMAGE as error:
            raise InputError(f"{self.name}: damaged: {error}", hint="save the file again") from error
        except OSError as error:
            raise InputError(f"{self.name}: cannot be unpacked: {error.strerror or error}") from error


def open_arrays(path: Path) -> dict[str, Rows]:
    """Read the heads of every array of an .npz, an .npy (called by its stem) or a folder of .npy files.

    Raises:
        InputError: the file is missing or damaged, or an array is not of plain numbers.
    """
    try:
        if path.is_dir():
            found = {each.stem: _open_npy(each) for each in sorted(path.glob("*.npy"))}
        elif not path.is_file():  # a pipe would never end
            raise InputError(f"{path}: no such file", hint=_HINT)
        elif path.suffix.lower() == ".npy":
            found = {path.stem: _open_npy(path)}
        else:
            found = _open_npz(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}", hint=_HINT) from error
    if not found:
        raise InputError(f"{path}: no arrays in it", hint=_HINT)
    return found


def _open_npy(path: Path) -> Rows:
    with path.open("rb") as stream:
        head = _read_head(stream, str(path))
    _check_size(head, path.stat().st_size, str(path))
    return Rows(str(path), path, head, None, head.size_bytes)


def _open_npz(path: Path) -> dict[str, Rows]:
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    continue
                name = f"{path}: {member.filename.removesuffix('.npy')}"
                with archive.open(member) as stream:
                    head = _read_head(stream, name)
                _check_size(head, member.file_size, name)
                packed = member.compress_type != zipfile.ZIP_STORED
                start = 0 if packed else _start_of_member(path, member) + head.size_bytes
                found[member.filename.removesuffix(".npy")] = Rows(
                    name, path, head, member.filename if packed else None, start
                )
    except _DAMAGE as error:
        raise InputError(f"{path}: no readable .npz: {error}", hint=_HINT) from error
    return found


def _start_of_member(path: Path, member: zipfile.ZipInfo) -> int:
    """Return where the bytes of an uncompressed member start: after its local head, whose last two parts vary."""
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        name_bytes, extra_bytes = struct.unpack("<26xHH", stream.read(30))
    return member.header_offset + 30 + int(name_bytes) + int(extra_bytes)


def _read_head(stream: IO[bytes], name: str) -> _Head:
    """Read the head of an .npy stream: version, then shape, order and dtype; never a pickle."""
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, column_order, dtype = read(stream)
        size_bytes = stream.tell()
    except (*_NO_HEAD, *_DAMAGE) as error:
        raise InputError(f"{name}: no NumPy array: {str(error)[:200]}", hint=_HINT) from error
    if dtype.kind not in "biufU":
        what = "objects (a pickle, which could run code)" if dtype.hasobject else f"dtype {dtype}"
        raise InputError(f"{name}: holds {what}; allowed: integers, floats, bool, text", hint=_HINT)
    if len(shape) > _DIMENSIONS_MAX or any(each < 0 for each in shape):
        raise InputError(f"{name}: absurd shape {list(shape)[:8]}", hint=_HINT)
    return _Head(tuple(shape), column_order and len(shape) > 1, dtype, size_bytes)


def _check_size(head: _Head, stored_bytes: int, name: str) -> None:
    """Refuse an array whose head does not fit the bytes that are there, or that has no first axis."""
    if head.data_bytes + head.size_bytes != stored_bytes:
        found = stored_bytes - head.size_bytes
        raise InputError(
            f"{name}: shape {list(head.shape)} of {head.dtype} needs {head.data_bytes} bytes, {found} are there",
            hint="save the file again",
        )
    if not head.shape:
        raise InputError(f"{name}: a single number; the first axis must count samples", hint=_HINT)


def _unpacked(stream: IO[bytes], head: _Head, name: str) -> IO[bytes]:
    """Copy the rows of a compressed (or column by column) array to a temporary file."""
    limit = _COLUMN_ORDER_LIMIT_BYTES if head.column_order else _UNPACKED_LIMIT_BYTES
    if head.data_bytes > min(limit, shutil.disk_usage(tempfile.gettempdir()).free):
        hint = "save it row by row and uncompressed as .npy (numpy.save of numpy.ascontiguousarray)"
        raise InputError(f"{name}: {head.data_bytes} bytes are too many to unpack here", hint=hint)
    stream.read(head.size_bytes)
    unpacked = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - lives as long as the rows
    try:
        if head.column_order:
            flat = np.frombuffer(stream.read(head.data_bytes), head.dtype)
            unpacked.write(np.ascontiguousarray(flat.reshape(head.shape, order="F")).tobytes())
        else:
            _copy(stream, unpacked, head.data_bytes)
    except BaseException:
        unpacked.close()
        raise
    return unpacked


def _copy(source: IO[bytes], destination: IO[bytes], size_bytes: int) -> None:
    """Copy up to so many bytes, a block at a time."""
    while size_bytes and (block := source.read(min(size_bytes, _BLOCK_BYTES))):
        destination.write(block)
        size_bytes -= len(block)
