"""The page is read as a browser reads it: parsed here, rendered by headless Chromium where there is one."""

import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edgekit.present.html import html_from_report
from edgekit.report import Failure, Report

VOID = {"meta", "br", "hr", "img", "input", "link"}
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


class Page(HTMLParser):
    """Tags that are open, what was seen, and the text that a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag and what it was given."""
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag that closes itself."""
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last."""
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        """Keep what a reader sees."""
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All words, one space between them."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(golden: Report) -> Page:
    return Page(html_from_report(golden))


def test_every_tag_is_closed_where_it_was_opened(page: Page) -> None:
    assert page.open == []


def test_the_page_has_no_script_and_asks_nobody_for_anything(page: Page, golden: Report) -> None:
    names = {tag for tag, _ in page.seen}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    attributes = {name for _, given in page.seen for name in given}
    assert not {name for name in attributes if name.startswith("on") or name in {"src", "href", "style"}}
    assert "url(" not in html_from_report(golden)
    assert "http" not in html_from_report(golden).replace("http-equiv", "")
    policy = next(given["content"] for tag, given in page.seen if given.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_the_verdict_comes_first_then_what_binds(page: Page) -> None:
    assert re.search(r"FAIL: resnet20\.onnx .* Fail 1 of 3 targets misses .* Accuracy binds on openvino-cpu", page.text)


def test_every_budget_stands_beside_its_result(page: Page) -> None:
    assert "latency p90 onnxruntime-x86 latency p90: 0.950 ms, budget at most 2.00 ms 0.950 ms" in page.text
    assert "budget < 1.00 points (default)" in page.text
    assert "2.18 points" in page.text


def test_charts_say_in_words_what_they_show(page: Page) -> None:
    assert "drop 0.12 points, 95 % between -0.18 and 0.43; budget 1.00" in page.text
    assert "speed-up 2.20x (2.13 to 2.28) over float on the same runtime" in page.text
    charts = [given for tag, given in page.seen if tag == "svg"]
    assert len(charts) > 15
    assert all(each["role"] == "img" for each in charts)


def test_what_is_null_shows_its_reason(page: Page) -> None:
    assert "latency not measured this machine is x86_64 and cannot run aarch64" in page.text
    assert "bf16 not measured not measured not measured the processor lacks amx_bf16" in page.text


def test_remedies_alternatives_steps_and_surroundings_are_all_there(page: Page) -> None:
    for words in (
        "conv1 and fc in float",
        "float layers, kept",
        "folded batchnorms 19",
        "taken from an earlier build",
        "governor not told",
        "packages numpy 2.4.6",
        "2 calibration samples equal to an evaluation sample",
        "targets/onnxruntime-x86",
        "artifacts/openvino-cpu/resnet20.bin 272.5 KiB",
        "load 1min 0.24",
    ):
        assert words in page.text


def test_an_empty_list_is_said_to_be_none(golden: Report) -> None:
    step = golden.steps[0].model_copy(update={"facts": {"layers_left_float": []}})
    text = Page(html_from_report(golden.model_copy(update={"steps": (step,)}))).text
    assert "layers left float none" in text


def test_what_a_step_says_is_cut_to_what_a_table_holds(golden: Report) -> None:
    step = golden.steps[0].model_copy(update={"facts": {"layers": [f"layer{number}" for number in range(500)]}})
    text = Page(html_from_report(golden.model_copy(update={"steps": (step,)}))).text
    assert "layer30" in text
    assert "layer400" not in text
    assert "... (the whole is in report.json)" in text


def test_a_slow_artifact_is_called_slow(page: Page) -> None:
    assert "0.98x (0.94 to 1.03): slower" in page.text


def test_names_cannot_become_html(golden: Report) -> None:
    strange = golden.targets[0].model_copy(update={"name": "<script>alert(1)</script>", "reasons": ('"><b>',)})
    read = Page(html_from_report(golden.model_copy(update={"targets": (strange,), "tool": "<i>"})))
    assert read.open == []
    assert not {"script", "i"} & {tag for tag, _ in read.seen}
    assert "<script>alert(1)</script>" in read.text


def test_a_target_without_anything_still_makes_a_page(golden: Report) -> None:
    nothing = {
        "artifact": None,
        "accuracy": None,
        "latency": None,
        "memory": None,
        "checks": (),
        "runtime_version": None,
    }
    failure = Failure(exit_code=4, error="openvino is not installed", hint='pip install "edgekit[openvino]"')
    broken = golden.targets[0].model_copy(update={**nothing, "failure": failure, "alternatives": ()})
    read = Page(html_from_report(golden.model_copy(update={"targets": (broken,), "steps": ()})))
    assert 'pip install "edgekit[openvino]"' in read.text
    assert "size not measured" in read.text


def test_an_empty_report_makes_a_page(golden: Report) -> None:
    empty = golden.model_copy(update={"targets": (), "verdict": "inconclusive", "binding": None, "steps": ()})
    assert "Inconclusive No target was built." in Page(html_from_report(empty)).text


@pytest.fixture(scope="module")
def browse(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run Chromium with a fresh profile and return what it prints."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium here to render the page with")

    def run(*words: str) -> str:
        profile = tmp_path_factory.mktemp("profile")
        command = [program, *FLAGS, f"--user-data-dir={profile}", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout

    return run


def test_chromium_renders_the_page(golden: Report, browse: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(html_from_report(golden), encoding="utf-8")
    shot = tmp_path / "page.png"
    rendered = Page(browse("--dump-dom", file.as_uri()).removeprefix("<!DOCTYPE html>"))
    for words in (
        "Fail",
        "1 of 3 targets misses the budget",
        "2.18 points",
        "92.60 \u2192 92.48",
        "conv1 and fc in float",
    ):
        assert words in rendered.text
    browse(f"--screenshot={shot}", "--window-size=1100,2400", file.as_uri())
    assert shot.read_bytes().startswith(b"\x89PNG")


def test_a_phone_need_not_scroll_sideways(golden: Report, browse: Callable[..., str], tmp_path: Path) -> None:
    # The page itself has no script, so a frame of a phone's width around it measures from outside.
    (tmp_path / "report.html").write_text(html_from_report(golden), encoding="utf-8")
    probe = tmp_path / "probe.html"
    probe.write_text(
        "<iframe src=report.html width=380 height=800 id=f></iframe><p id=said></p><script>f.onload = () => {"
        "let root = f.contentDocument.documentElement; said.textContent = `${root.scrollWidth} of ${root.clientWidth}`}"
        "</script>"
    )
    dom = browse("--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom", probe.as_uri())
    found = re.search(r'id="said">(\d+) of (\d+)<', dom)
    assert found, dom
    assert int(found[1]) <= int(found[2])
