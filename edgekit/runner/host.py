"""Host: what the machine under this process is, read from the system with the standard library alone.

What the system does not tell is None, never a guess: a virtual machine has no governor, macOS no /proc.

>>> read_host().cores >= 1
True
"""

import os
import platform
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MIB = 1 << 20


@dataclass(frozen=True)
class Host:
    """The machine under this process.

    Attributes:
        machine: as in ``platform.machine()``: x86_64, aarch64.
        processor: its name in words, or None.
        flags: processor features by the kernel's names (``avx512_vnni``, ``asimddp``).
        cores: how many this process may use (affinity, not the whole machine).
        governor: of the first core's frequency, or None where there is none (virtual machines).
        memory_mib: all of it; ``available_mib``: what can be had without swapping.
        load_1min: runnable processes on average over the last minute.
    """

    system: str
    machine: str
    processor: str | None
    flags: frozenset[str]
    cores: int
    governor: str | None
    memory_mib: float | None
    available_mib: float | None
    load_1min: float | None


def read_host(root: Path = Path("/")) -> Host:
    """Read the facts of this machine; ``root`` is where ``proc`` and ``sys`` hang."""
    facts = _text(root / "proc/cpuinfo")
    memory = _text(root / "proc/meminfo")
    return Host(
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        processor=_first(r"^(?:model name|Hardware|Model)\s*:\s*(.+)$", facts),
        flags=frozenset((_first(r"^(?:flags|Features)\s*:\s*(.+)$", facts) or "").split()),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        governor=_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
        memory_mib=_mib(_first(r"^MemTotal:\s+(\d+) kB", memory)),
        available_mib=_mib(_first(r"^MemAvailable:\s+(\d+) kB", memory)),
        load_1min=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    )


def free_disk_mib(folder: Path) -> float:
    """Free space of the file system that ``folder`` lies on, in MiB."""
    return shutil.disk_usage(folder).free / _MIB


def lacking(host: Host, arch: Iterable[str], isa: Iterable[str]) -> str:
    """Say what the host lacks to run what asks for ``arch`` and ``isa``; nothing when it lacks nothing.

    Args:
        host: the machine.
        arch: machine names of which one must match; empty: any.
        isa: processor flags that must all be there; ``a|b`` asks for one of them.
    """
    machines = tuple(arch)
    if machines and host.machine not in machines:
        return f"needs {' or '.join(machines)}, this is {host.machine}"
    absent = [each for each in isa if not host.flags & set(each.split("|"))]
    return f"the processor lacks {', '.join(' or '.join(each.split('|')) for each in absent)}" if absent else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux, or a kernel without it: the fact is unknown
        return ""


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1).strip() if found else None


def _mib(kib: str | None) -> float | None:
    return int(kib) / 1024 if kib else None
