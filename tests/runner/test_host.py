from pathlib import Path

import pytest

from edgekit.runner.host import Host, free_disk_mib, lacking, read_host

X86 = """processor\t: 0
model name\t: Intel(R) Xeon(R) Processor
flags\t\t: fpu avx2 avx512_vnni
"""
ARM = """processor\t: 0
Features\t: fp asimd asimddp
Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""


def made(root: Path, cpuinfo: str, *, governor: str | None = None) -> Host:
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(cpuinfo)
    (root / "proc/meminfo").write_text("MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:    1024 kB\n")
    if governor:
        folder = root / "sys/devices/system/cpu/cpu0/cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(governor + "\n")
    return read_host(root)


def test_an_x86_processor_is_read_with_its_flags_and_memory(tmp_path: Path) -> None:
    host = made(tmp_path, X86, governor="performance")
    assert host.processor == "Intel(R) Xeon(R) Processor"
    assert host.flags == {"fpu", "avx2", "avx512_vnni"}
    assert (host.memory_mib, host.available_mib) == (2.0, 1.0)
    assert host.governor == "performance"


def test_an_arm_board_is_read_by_its_own_words(tmp_path: Path) -> None:
    host = made(tmp_path, ARM)
    assert host.processor == "Raspberry Pi 5 Model B Rev 1.0"
    assert "asimddp" in host.flags
    assert host.governor is None


def test_what_the_system_does_not_tell_is_none(tmp_path: Path) -> None:
    host = read_host(tmp_path)
    assert (host.processor, host.governor, host.memory_mib, host.available_mib) == (None, None, None, None)
    assert host.flags == frozenset()


def test_this_machine_has_a_core_and_a_disk(tmp_path: Path) -> None:
    assert read_host().cores >= 1
    assert free_disk_mib(tmp_path) >= 0


@pytest.mark.parametrize(
    ("arch", "isa", "said"),
    [
        ([], [], ""),
        (["{machine}"], ["avx2"], ""),
        (["{machine}"], ["avx_vnni|avx512_vnni"], ""),
        (["riscv64"], [], "needs riscv64, this is {machine}"),
        (["{machine}"], ["amx_int8"], "the processor lacks amx_int8"),
        ([], ["amx_bf16|avx512_bf16", "i8mm"], "the processor lacks amx_bf16 or avx512_bf16, i8mm"),
    ],
)
def test_what_a_host_lacks_is_said(tmp_path: Path, arch: list[str], isa: list[str], said: str) -> None:
    host = made(tmp_path, X86)
    machines = [each.format(machine=host.machine) for each in arch]
    assert lacking(host, machines, isa) == said.format(machine=host.machine)
