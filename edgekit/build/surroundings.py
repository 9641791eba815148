"""Surroundings: the program, the libraries and the machine that a result rests on besides its inputs.

They are told in two ways: as a digest, part of the key under which a step's result is kept, and as plain data for
the report, where figures are read.

>>> describe_surroundings()["packages"]["numpy"]  # doctest: +SKIP
'2.4.6'
"""

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import JsonValue

import edgekit
from edgekit.artifact import digest_text
from edgekit.runner.host import read_host

PACKAGES = (
    "numpy",
    "onnx",
    "onnx-ir",
    "onnxruntime",
    "openvino",
    "pillow",
    "scipy",
    "soundfile",
    "tokenizers",
    "torch",
)
"""Distributions whose version may change what a step gives."""


@cache
def tool_digest() -> str:
    """Digest of this program's own source, the versions of its libraries, and the processor.

    The source counts file by file, so that a working copy never takes what an older state of it made. The processor
    counts for every step: ranges are measured, constants folded and graphs optimised by kernels that it picks.
    """
    host = read_host()
    machine = (host.machine, host.processor or "", " ".join(sorted(host.flags)))
    packages = (f"{name} {found}" for name, found in sorted(package_versions().items()))
    return digest_text(_source_digest(), platform.python_version(), *packages, *machine)


def package_versions() -> dict[str, str]:
    """Version of each library that is installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe_surroundings() -> dict[str, JsonValue]:
    """Plain data about program, libraries and machine as they are now."""
    host = read_host()
    return {
        "edgekit": edgekit.__version__,
        "python": platform.python_version(),
        "packages": dict(package_versions()),
        "system": host.system,
        "machine": host.machine,
        "processor": host.processor,
        "flags": " ".join(sorted(host.flags)),
        "cores": host.cores,
        "governor": host.governor,
        "memory_mib": host.memory_mib,
        "load_1min": host.load_1min,
    }


def _source_digest() -> str:
    package = Path(edgekit.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
