"""Artifact: files that a step made or the user brought, known by their digests and never rewritten.

>>> Artifact.of(Path("resnet20.onnx"), kind="onnx").sha256  # doctest: +SKIP
'9d7ca41e...'
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

_BLOCK_BYTES = 1 << 20


def digest_file(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def digest_text(*parts: str) -> str:
    """Return the sha256 over the parts, each closed by a NUL so that no two lists collide."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


@dataclass(frozen=True)
class FileRecord:
    """One file of an artifact; ``path`` is relative to the artifact's folder."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Artifact:
    """Files with a kind, the file that a runtime opens, and where they came from.

    Attributes:
        path: the file that the runtime opens; the other files lie beside it.
        kind: ``onnx`` (any ONNX model), ``onnxruntime`` or ``openvino`` (compiled), ``torch``.
        files: every file, sorted by name.
        made_by: the step or compiler, ``user`` for what was brought.
        parent: digest of the artifact that this one was made from; None at the user's file.
        options: runtime options that it must be opened with, as recorded at compile time.
    """

    path: Path
    kind: str
    files: tuple[FileRecord, ...]
    made_by: str = "user"
    parent: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        path: Path,
        *,
        kind: str,
        beside: Iterable[Path] = (),
        made_by: str = "user",
        parent: str | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Self:
        """Digest ``path`` and the files ``beside`` it (weights in external data, an IR's .bin)."""
        folder = path.parent
        records = tuple(
            FileRecord(str(each.relative_to(folder)), digest_file(each), each.stat().st_size)
            for each in sorted({path, *beside})
        )
        return cls(path, kind, records, made_by, parent, dict(options or {}))

    @property
    def sha256(self) -> str:
        """Digest over the sorted digests of the files."""
        return digest_text(*sorted(record.sha256 for record in self.files))

    @property
    def size_bytes(self) -> int:
        """Sum of the sizes of the files."""
        return sum(record.size_bytes for record in self.files)

    @property
    def runtime(self) -> str:
        """The runtime that opens it: compiled ones their own, any ONNX model ONNX Runtime."""
        return "onnxruntime" if self.kind == "onnx" else self.kind

    def to_json(self) -> dict[str, Any]:
        """Plain data from which :meth:`from_json` makes an equal artifact."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "files": [vars(record) for record in self.files],
            "made_by": self.made_by,
            "parent": self.parent,
            "options": dict(self.options),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave."""
        files = tuple(FileRecord(**record) for record in data["files"])
        return cls(Path(data["path"]), data["kind"], files, data["made_by"], data["parent"], dict(data["options"]))
