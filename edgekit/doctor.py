"""Doctor: what this machine has and lacks, without importing a runtime and without touching the network.

Versions are read from the packages' own records; a target's row says whether it can run here, and if not, why.
"""

import platform
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edgekit import __version__, catalog
from edgekit.errors import RecipeError
from edgekit.profiles import Target
from edgekit.runner.host import Host, free_disk_mib, lacking, read_host

FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "i8mm",
)
"""Processor features that decide how fast integers and short floats run."""

RUNTIMES = {"onnxruntime": "onnxruntime", "openvino": "openvino"}
"""Runtime -> the package that brings it."""

_EXTRA = re.compile(r"""^(?P<package>[\w.-]+)(?P<bound>[^;]*);\s*extra\s*==\s*['"](?P<extra>[\w-]+)['"]""")
_FOR_DEVELOPERS = "dev"


@dataclass(frozen=True)
class ExtraState:
    """An extra of this project: what it brings, what of it is missing, and the words that install it."""

    name: str
    present: dict[str, str]
    missing: tuple[str, ...]
    install: str


@dataclass(frozen=True)
class TargetState:
    """Whether a shipped or own target runs on this machine; ``why_not`` is empty when it does."""

    name: str
    runtime: str
    precision: str
    why_not: str


@dataclass(frozen=True)
class Examination:
    """Everything that ``edgekit doctor`` says."""

    edgekit: str
    python: str
    executable: str
    host: Host
    disk_free_mib: float
    flags: tuple[str, ...]
    runtimes: dict[str, str | None]
    extras: tuple[ExtraState, ...]
    targets: tuple[TargetState, ...]
    plugins: dict[str, list[str]]


def examine(folder: Path) -> Examination:
    """Look at this machine; ``folder`` is where builds would be written and own targets are looked for."""
    host = read_host()
    runtimes = {name: version_of(package) for name, package in RUNTIMES.items()}
    return Examination(
        edgekit=__version__,
        python=platform.python_version(),
        executable=sys.executable,
        host=host,
        disk_free_mib=free_disk_mib(folder),
        flags=tuple(flag for flag in FLAGS if flag in host.flags),
        runtimes=runtimes,
        extras=tuple(extras_of(metadata.requires("edgekit") or [])),
        targets=tuple(_state(each.name, folder, host, runtimes) for each in catalog.profiles("targets", folder)),
        plugins={str(kind): names for kind, names in catalog.plugin_names().items()},
    )


def version_of(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def extras_of(requirements: Iterable[str]) -> list[ExtraState]:
    """Group a project's requirements by extra and say which packages are here.

    Args:
        requirements: as importlib.metadata gives them: ``openvino>=2025.4; extra == "openvino"``.
    """
    packages: dict[str, list[str]] = {}
    for requirement in requirements:
        found = _EXTRA.match(requirement)
        if found and found["extra"] != _FOR_DEVELOPERS:
            packages.setdefault(found["extra"], []).append(found["package"])
    states = []
    for extra, names in sorted(packages.items()):
        versions = {name: version_of(name) for name in names}
        present = {name: version for name, version in versions.items() if version}
        missing = tuple(name for name, version in versions.items() if not version)
        states.append(ExtraState(extra, present, missing, f'pip install "edgekit[{extra}]"'))
    return states


def target_state(target: Target, host: Host, runtimes: dict[str, str | None], *, root: Path = Path("/")) -> TargetState:
    """Say whether a target runs on a host with these runtimes; ``root`` is where ``dev`` hangs."""
    why_not = lacking(host, target.arch, target.isa)
    if not why_not and target.device == "NPU" and not (root / "dev/accel").is_dir():
        why_not = "no NPU is visible (/dev/accel)"
    if not why_not and runtimes.get(target.runtime) is None:
        why_not = f"{target.runtime} is not installed"
    return TargetState(target.name, target.runtime, target.precision, why_not)


def _state(name: str, folder: Path, host: Host, runtimes: dict[str, str | None]) -> TargetState:
    """The state of a target by name; a file that holds mistakes does not run, and says why."""
    try:
        target = catalog.load_target(name, folder)
    except RecipeError as error:
        return TargetState(name, "", "", error.mistakes[0])
    return target_state(target, host, runtimes)
