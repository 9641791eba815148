r"""The pages do what they say: their files are written, their commands run, their output comes.

A fenced block takes part by the words after its language:

* ```` ```toml file=card.toml ```` (any language) writes the block to that file in the page's own empty folder;
* ```` ```console run ```` runs each ``$ `` line there, with `edgekit` and the repository's `examples` at hand, and
  demands exit 0, or the code of ``run exit=2`` of the block's last command; the lines below a command must occur in
  its output, in order, where ``...`` stands for anything. ``slow`` in place of ``run`` leaves it to `-m slow`.

Blocks of one page share the folder and run from top to bottom.
"""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgekit.card import read_card
from edgekit.catalog import load_target
from edgekit.recipe import RecipeWords

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(?P<about>[^\n`]+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]\n]*\]\((?P<to>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


@dataclass(frozen=True)
class Block:
    """A fenced block that takes part."""

    body: str
    file: str | None
    runs: bool
    slow: bool
    exit_code: int


@dataclass(frozen=True)
class Command:
    """One ``$ `` line and the lines that its output must hold."""

    words: str
    expected: tuple[str, ...]


def blocks(page: str) -> list[Block]:
    """Read the blocks of a page that take part."""
    found = []
    for fence in FENCE.finditer(page):
        words = fence["about"].split()[1:]
        options = dict(word.split("=", 1) for word in words if "=" in word)
        block = Block(
            fence["body"], options.get("file"), "run" in words, "slow" in words, int(options.get("exit", "0"))
        )
        if block.file or block.runs or block.slow:
            found.append(block)
    return found


def commands(body: str) -> Iterator[Command]:
    """Split a console block into commands and what they print; a line that ends in a backslash goes on."""
    for part in re.split(r"^\$ ", body.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        first, *rest = part.splitlines()
        yield Command(first, tuple(line.rstrip() for line in rest if line.strip()))


def holds(output: str, expected: tuple[str, ...]) -> bool:
    """Say whether the expected lines occur in the output, in order; ``...`` stands for anything."""
    lines = iter(line.rstrip() for line in output.splitlines())
    patterns = [".*".join(re.escape(part) for part in line.split("...")) for line in expected if line != "..."]
    return all(any(re.fullmatch(pattern, line) for line in lines) for pattern in patterns)


def perform(block: Block, folder: Path) -> None:
    """Write the file or run the commands of a block."""
    if block.file:
        (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
        (folder / block.file).write_text(block.body)
        return
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    surroundings = {**os.environ, "PATH": path, "COLUMNS": "120", "NO_COLOR": "1"}
    told = list(commands(block.body))
    for index, command in enumerate(told):
        ran = subprocess.run(
            ["bash", "-c", command.words],
            cwd=folder,
            env=surroundings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        wanted = block.exit_code if index == len(told) - 1 else 0
        assert ran.returncode == wanted, f"$ {command.words}\nexit {ran.returncode}\n{ran.stdout}"
        assert holds(ran.stdout, command.expected), f"$ {command.words}\n{ran.stdout}"


def name(page: Path) -> str:
    """Name a page for a test."""
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page.read_text())], ids=name)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for block in blocks(page.read_text()):
        if not block.slow:
            perform(block, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.slow for block in blocks(page.read_text()))], ids=name
)
def test_a_page_does_what_it_says_in_full(page: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for block in blocks(page.read_text()):
        perform(block, tmp_path)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page.read_text())], ids=name)
def test_the_files_that_a_page_shows_load_as_what_they_are(page: Path, tmp_path: Path) -> None:
    for block in blocks(page.read_text()):
        if not block.file:
            continue
        perform(block, tmp_path)
        words = tomllib.loads(block.body)
        if "task" in words:
            assert read_card(tmp_path / block.file).name == words["name"]
        elif "runtime" in words:
            assert load_target(block.file, tmp_path).name == words["name"]
        else:
            assert RecipeWords.model_validate(words, strict=False).model == words["model"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    broken = [
        hit["to"] for hit in LINK.finditer(text) if "://" not in hit["to"] and not (page.parent / hit["to"]).exists()
    ]
    assert not broken


def test_the_readmes_two_commands_exist(root: Path) -> None:
    readme = (root / "README.md").read_text()
    for command in ("scripts/demo", "scripts/test"):
        assert command in readme
        assert os.access(root / command, os.X_OK)


def test_the_readmes_tree_is_the_tree(root: Path) -> None:
    readme = (root / "README.md").read_text()
    for folder in ("edgekit", "targets", "calibration", "examples", "benchmarks", "docs", "tests", "scripts"):
        assert f"{folder}/" in readme
    for part in sorted((root / "edgekit").iterdir()):
        if part.is_dir() and (part / "__init__.py").is_file():
            assert f"{part.name}/" in readme, f"edgekit/{part.name}/ is not in README's tree"


@pytest.mark.parametrize("script", ["demo", "test", "environment"])
def test_scripts_are_sound_shell(root: Path, script: str) -> None:
    subprocess.run(["bash", "-n", str(root / "scripts" / script)], check=True)


def test_the_reader_of_pages_reads_blocks_commands_and_output(tmp_path: Path) -> None:
    console = "```console run exit=3\n$ cat \\\n  a.toml\nx = ...\n$ exit 3\n```\n"
    page = f"text\n```toml file=a.toml\nx = 1\n```\n{console}```python\n1\n```\n"
    written, run = blocks(page)
    assert written.file == "a.toml"
    assert run.exit_code == 3
    assert [shlex.split(command.words) for command in commands(run.body)] == [["cat", "a.toml"], ["exit", "3"]]
    perform(written, tmp_path)
    perform(run, tmp_path)
    with pytest.raises(AssertionError, match="exit 0"):
        perform(Block("$ true\n", None, runs=True, slow=False, exit_code=1), tmp_path)
    with pytest.raises(AssertionError, match="echo b"):
        perform(Block("$ echo b\na\n", None, runs=True, slow=False, exit_code=0), tmp_path)
