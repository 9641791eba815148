import dataclasses
from pathlib import Path

import pytest

from edgekit import doctor
from edgekit.catalog import load_target
from edgekit.profiles import Target
from edgekit.runner.host import Host

BOTH = {"onnxruntime": "1.32.0", "openvino": "2026.4.1"}
VNNI = Host("Linux 6", "x86_64", "a processor", frozenset({"avx2", "avx512_vnni"}), 4, None, None, None, None)


def state(name: str, host: Host = VNNI, runtimes: dict[str, str | None] = BOTH, root: Path = Path("/nowhere")) -> str:
    return doctor.target_state(load_target(name, Path()), host, runtimes, root=root).why_not


def test_a_target_whose_processor_and_runtime_are_here_runs() -> None:
    assert state("onnxruntime-x86") == ""


def test_a_target_of_another_processor_says_which() -> None:
    assert state("onnxruntime-arm") == "needs aarch64 or arm64, this is x86_64"


def test_a_missing_flag_is_named() -> None:
    old = dataclasses.replace(VNNI, flags=frozenset({"avx2"}))
    assert state("onnxruntime-x86", old) == "the processor lacks avx512_vnni or avx_vnni"


def test_a_missing_runtime_is_named() -> None:
    assert state("openvino-cpu", runtimes=BOTH | {"openvino": None}) == "openvino is not installed"


def test_an_npu_is_looked_for_where_linux_shows_it(tmp_path: Path) -> None:
    assert state("openvino-npu") == "no NPU is visible (/dev/accel)"
    (tmp_path / "dev/accel").mkdir(parents=True)
    assert state("openvino-npu", root=tmp_path) == ""


def test_extras_are_told_with_what_is_missing_and_the_words_that_bring_it() -> None:
    (openvino, text) = doctor.extras_of(
        [
            "click>=8.1.7",
            'numpy>=2.0; extra == "text"',
            'no-such-package-here>=1; extra == "openvino"',
            "pytest>=8; extra == 'dev'",
        ]
    )
    assert openvino.missing == ("no-such-package-here",)
    assert openvino.install == 'pip install "edgekit[openvino]"'
    assert list(text.present) == ["numpy"]
    assert text.missing == ()


def test_this_machine_is_examined_whole(tmp_path: Path) -> None:
    found = doctor.examine(tmp_path)
    assert found.runtimes["onnxruntime"]
    assert {each.name for each in found.targets} >= {"onnxruntime-x86", "openvino-cpu"}
    assert {each.name for each in found.extras} >= {"openvino", "torch"}
    assert found.disk_free_mib > 0
    assert set(found.plugins) == {"steps", "compilers", "runtimes", "metrics"}


def test_a_target_file_with_mistakes_does_not_stop_the_examination(tmp_path: Path) -> None:
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets/broken.toml").write_text('name = "broken"\n')
    (broken,) = (each for each in doctor.examine(tmp_path).targets if each.name == "broken")
    assert "this key is missing" in broken.why_not


@pytest.mark.parametrize("runtime", list(doctor.RUNTIMES))
def test_every_runtime_that_a_target_may_name_is_looked_for(runtime: str) -> None:
    assert runtime in str(Target.model_fields["runtime"].annotation)
