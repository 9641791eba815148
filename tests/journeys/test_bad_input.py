"""What bad input gets: ``error:`` and ``hint:`` lines on stderr, the right exit code, nothing half-written.

Each case breaks one part of a project that builds, and says with which words it is met.
"""

import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from edgekit.cli.main import main

BUILD = ("build", "recipe.toml", "-o", "out")
ALONE = ("build", "model.onnx", "-d", "card.toml", "-t", "onnxruntime-x86", "-o", "out")


@dataclass(frozen=True)
class Case:
    """What is broken, the words that are typed, and what must be said."""

    name: str
    says: tuple[str, ...]
    breaks: Callable[[Path], object] = lambda _project: None
    words: tuple[str, ...] = BUILD
    code: int = 2


def write(name: str, data: bytes | str) -> Callable[[Path], object]:
    return lambda project: (project / name).write_bytes(data.encode() if isinstance(data, str) else data)


def add(name: str, text: str) -> Callable[[Path], object]:
    return lambda project: (project / name).write_text((project / name).read_text() + text)


def swap(name: str, old: str, new: str) -> Callable[[Path], object]:
    def edit(project: Path) -> None:
        text = (project / name).read_text()
        assert old in text
        (project / name).write_text(text.replace(old, new))

    return edit


def arrays(**changed: object) -> Callable[[Path], object]:
    """Replace arrays of squares.npz: by an array, or by a function of the old one."""

    def edit(project: Path) -> None:
        with np.load(project / "squares.npz") as old:
            kept = dict(old)
        for name, new in changed.items():
            kept[name] = new(kept[name]) if callable(new) else new
        np.savez(project / "squares.npz", **kept)

    return edit


def model(change: Callable[[onnx.ModelProto], object]) -> Callable[[Path], object]:
    """Change the model's protobuf."""

    def edit(project: Path) -> None:
        proto = onnx.load(project / "model.onnx")
        change(proto)
        (project / "model.onnx").write_bytes(proto.SerializeToString())

    return edit


def truncated(project: Path) -> None:
    data = (project / "model.onnx").read_bytes()
    (project / "model.onnx").write_bytes(data[: len(data) // 2])


def external(location: str) -> Callable[[Path], object]:
    """Move the read-out's numbers into external data at a location, which is made beside or above the project."""

    def edit(project: Path) -> None:
        proto = onnx.load(project / "model.onnx")
        tensor = next(each for each in proto.graph.initializer if each.name == "readout")
        (project / "elsewhere.bin").write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        (project / "model.onnx").write_bytes(proto.SerializeToString())

    return edit


def linked(project: Path) -> None:
    external("weights.bin")(project)
    (project / "weights.bin").symlink_to(project / "elsewhere.bin")


def huge(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 10**9


def huge_weight(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[0] = 10**9


def foreign(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].op_type, proto.graph.node[1].domain = "Swish", "com.example.secret"


def opset(number: int) -> Callable[[onnx.ModelProto], object]:
    def change(proto: onnx.ModelProto) -> None:
        proto.opset_import[0].version = number

    return change


def cyclic(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].input[0] = "logits"


def not_a_number(images: np.ndarray) -> np.ndarray:
    images[30, 0, 0, 0] = np.nan
    return images


def ninth_class(labels: np.ndarray) -> np.ndarray:
    labels[-1] = 9
    return labels


def one_sample(images: np.ndarray) -> np.ndarray:
    return np.repeat(images[:1], len(images), axis=0)


CASES = (
    # The model.
    Case(
        "no such model",
        ("model.onx: no such file", "did you mean 'model.onnx'?"),
        words=("build", "model.onx", *ALONE[2:]),
    ),
    Case("a model that is a folder", ("this is a folder",), lambda p: (p / "m").mkdir(), ("build", "m", *ALONE[2:])),
    Case("an empty model", ("model.onnx: the file is empty",), write("model.onnx", b"")),
    Case("a truncated model", ("model.onnx: not an ONNX model",), truncated),
    Case("random bytes", ("model.onnx: not an ONNX model",), write("model.onnx", np.random.default_rng(0).bytes(5000))),
    Case(
        "a pickle by its content",
        ("pickle, which is refused",),
        write("model.onnx", pickle.dumps({"weights": [1.0] * 99})),
    ),
    Case(
        "a pickle by its name",
        ("model.pt: pickles can run any code",),
        write("model.pt", b""),
        ("build", "model.pt", *ALONE[2:]),
    ),
    Case("external data that is missing", ("weights.bin",), external("weights.bin")),
    Case("external data outside the folder", ("../elsewhere.bin",), external("../elsewhere.bin")),
    Case("external data at an absolute path", ("/etc/hostname",), external("/etc/hostname")),
    Case("external data behind a link", ("weights.bin",), linked),
    Case("an operator of an unknown domain", ("unknown domain 'com.example.secret'", "'relu'"), model(foreign)),
    Case("an opset of the future", ("opset 99; supported: 7 to 23",), model(opset(99))),
    Case("an opset of the past", ("opset 6; supported: 7 to 23",), model(opset(6))),
    Case("a shape of 10^9 elements and more", ("more than 268435456 elements",), model(huge)),
    Case("a weight of 10^9 rows", ("kernels",), model(huge_weight)),
    Case("a graph that goes in circles", ("model.onnx: ",), model(cyclic)),
    # The card and its data.
    Case("no card", ("no data card is given",), words=("build", "model.onnx", "-o", "out")),
    Case("no such card", ("card.toml: no such file",), lambda p: (p / "card.toml").unlink()),
    Case("a card by an unknown name", ("unknown data card 'digitz'",), words=(*BUILD, "-d", "digitz")),
    Case(
        "a card that is a folder",
        ("this is a folder, not a data card",),
        lambda p: (p / "d.toml").mkdir(),
        (*BUILD, "-d", "d.toml"),
    ),
    Case("a card that is no TOML", ("this data card is not TOML",), write("card.toml", "name = ")),
    Case(
        "a card with misspelt keys, all at once",
        (
            "licens: unknown key",
            "did you mean 'licence'?",
            "calibration.cuont",
            "did you mean 'count'?",
            "licence: this key is missing",
        ),
        lambda p: (swap("card.toml", "licence", "licens")(p), swap("card.toml", "share = [0.0, 0.5]", "cuont = 4")(p)),
    ),
    Case(
        "an unknown task",
        ("task: ", "did you mean 'image-classification'?"),
        swap("card.toml", "image-class", "imagee-class"),
    ),
    Case("data that is missing", ("squares.npz",), lambda p: (p / "squares.npz").unlink()),
    Case("data that is damaged", ("squares.npz",), write("squares.npz", b"PK\x03\x04 and no more")),
    Case("an array that is a pickle", ("images",), arrays(images=np.array([{}, []], dtype=object))),
    Case(
        "an array that is not there", ("'imagez'", "did you mean 'images'?"), swap("card.toml", '"images"', '"imagez"')
    ),
    Case(
        "an input that the model has not",
        ("source.inputs.picture: the model has no such input", "model input 'image'"),
        swap("card.toml", 'image = "images"', 'picture = "images"'),
    ),
    Case("text where numbers should be", ("image",), arrays(images=np.array(["a"] * 40))),
    Case("a rank that does not fit", ("image",), arrays(images=lambda old: old.reshape(40, 8, 4, 2, 1, 1))),
    Case("a size that does not fit", ("image",), arrays(images=lambda old: old[..., :7])),
    Case("no samples", ("sample",), arrays(images=lambda old: old[:0], labels=lambda old: old[:0])),
    Case("a sample that is not a number", ("NaN",), arrays(images=not_a_number)),
    Case("a label that no class has", ("9",), arrays(labels=ninth_class)),
    Case("a negative label", ("label 'target' of sample",), arrays(labels=lambda old: old - 3)),
    Case("labels of another count", ("labels",), arrays(labels=lambda old: old[:30])),
    Case(
        "no labels where the task needs them",
        ("needs labels",),
        swap("card.toml", '[source.labels]\ntarget = "labels"\n', ""),
    ),
    Case("samples that are all the same", ("calibration",), arrays(images=one_sample)),
    Case(
        "a metric that is not there",
        ("metrics",),
        add("card.toml", '[metric]\npython = "metrics:ap50"\n'),
    ),
    # The recipe, the targets and the flags.
    Case(
        "a recipe with misspelt keys",
        ("thread: unknown key", "did you mean 'threads'?"),
        add("recipe.toml", "thread = 2\n"),
    ),
    Case(
        "an unknown step",
        ("unknown step 'quantize.statc'",),
        add("recipe.toml", '[[step]]\nuse = "quantize.statc"\n'),
    ),
    Case(
        "an unknown target",
        ("unknown target 'openvino-cqu'", "did you mean 'openvino-cpu'?"),
        words=(*BUILD, "-t", "openvino-cqu"),
    ),
    Case(
        "a target with mistakes",
        ("mine.toml: runtime", "did you mean 'openvino'?"),
        write("mine.toml", 'name = "mine"\nplace = "here"\nruntime = "openvno"\n'),
        (*BUILD, "-t", "mine.toml"),
    ),
    Case("a negative budget", ("'--max-drop': -1.0 is not in the range",), words=(*BUILD, "--max-drop", "-1")),
    Case("a budget of nothing", ("'--size-mib': 0.0 is not in the range",), words=(*BUILD, "--size-mib", "0")),
    Case(
        "a negative budget in the recipe",
        ("budget.p90_ms",),
        add("recipe.toml", "[budget]\np90_ms = -3\n"),
    ),
    Case("a budget that is not a number", ("budget.drop_points",), words=(*BUILD, "--max-drop", "nan")),
    Case("an unknown device", ("device", "this-machine"), words=(*BUILD, "--device", "raspberry-pi-5")),
    Case("a setting without a value", ("--set 'threads' is not KEY=VALUE",), words=(*BUILD, "--set", "threads")),
    Case("a misspelt verb", ("no such verb 'biuld'", "did you mean 'build'?"), words=("biuld", "recipe.toml")),
    Case(
        "a misspelt option",
        ("no such option '--max-dorp'", "did you mean '--max-drop'?"),
        words=(*BUILD, "--max-dorp", "1"),
    ),
    Case("an output below a file", ("out",), write("file", ""), ("build", "recipe.toml", "-o", "file/out")),
    Case("an output that is a file", ("out",), write("out", "mine")),
    Case(
        "an output that is full of other things",
        ("out",),
        lambda p: ((p / "out").mkdir(), (p / "out/mine.txt").write_text("mine")),
    ),
    Case("one step without an output", ("no output is given",), words=("quantize", "model.onnx", "-d", "card.toml")),
    Case("an artifact that is none", ("x.xml",), write("x.xml", "<html/>"), ("eval", "x.xml", "-d", "card.toml")),
)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder and what is in it."""
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_named_and_leaves_nothing_behind(
    case: Case, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    case.breaks(project)
    before = files(project)
    code = main(case.words)
    said = capfd.readouterr()
    assert code == case.code, said.err
    lines = said.err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["error"] * (len(lines) - 1) + ["hint"], said.err
    errors = "\n".join(lines[:-1])
    for words in case.says:
        assert words in errors, said.err
    assert len(lines[-1]) > len("hint: "), said.err
    assert said.out == ""
    assert files(project) == before


def test_there_are_more_cases_than_were_promised() -> None:
    assert len(CASES) >= 25
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_project_that_the_cases_break_does_build(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*BUILD, "--set", "budget.drop_points=60"]) == 0, capfd.readouterr().err
    assert (project / "out/report.json").is_file()


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "edgekit", *words]


def test_an_interrupted_build_leaves_with_130_and_goes_on_afterwards(project: Path) -> None:
    process = subprocess.Popen(command(*BUILD, "-v"), cwd=project, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    process.stderr.readline()  # the first step has begun
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "error: interrupted"
    assert not (project / "out/report.json").exists()
    assert main([*BUILD, "--resume", "--set", "budget.drop_points=60"]) == 0


def test_a_full_disk_leaves_with_6_and_no_half_written_file(project: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("this system lets no user make a small file system")
    (project / "out").mkdir()
    words = " ".join(command(*BUILD))
    script = f"mount -t tmpfs -o size=16k tmpfs out && {words}; code=$?; find out -type f -name 'report*'; exit $code"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], cwd=project, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 6, done.stderr
    assert done.stderr.splitlines()[-2].startswith("error: the disk is full"), done.stderr
    assert done.stderr.splitlines()[-1].startswith("hint: ")
    assert done.stdout == ""


def test_an_output_that_may_not_be_written_is_refused(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    locked = project / "locked"
    locked.mkdir(mode=0o555)
    if os.access(locked, os.W_OK):
        pytest.skip("this user may write everywhere")
    assert main(["build", "recipe.toml", "-o", "locked/out"]) == 2
    assert capfd.readouterr().err.startswith("error: ")
    assert list(locked.iterdir()) == []


def test_a_system_folder_that_takes_no_files_is_refused(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc here")
    assert main(["build", str(project / "recipe.toml"), "-o", "/proc/self/out"]) == 2
    assert capfd.readouterr().err.startswith("error: ")
