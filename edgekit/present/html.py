"""report.html: one self-contained file for people, made from the report alone.

Rules: no script, no network (a content security policy says so to the browser), light and dark, readable on a phone.
The order is what a person wants to know: may it ship, what binds, budget against result for each target, what else
was tried, how long it took, where it was measured. A null quantity shows its reason, never a dash alone.
"""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from pydantic import JsonValue

from edgekit.present.charts import bar
from edgekit.present.figures import headline, size, what_binds
from edgekit.present.target_html import target_section
from edgekit.report import Report

GLYPHS = {"pass": "\N{CHECK MARK}", "fail": "\N{MULTIPLICATION X}", "inconclusive": "?"}
_FACTS_CHARACTERS = 300
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html_from_report(report: Report) -> str:
    """Return the page as text."""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    name = escape(Path(report.model.path).name or report.model.path)
    sections = "\n".join(target_section(report, each) for each in report.targets)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{report.verdict.upper()}: {name}</title>
<style>
{style}</style>
</head>
<body>
<main>
{_hero(report)}
<h2>Budget against result</h2>
{sections}
<h2>Steps</h2>
{_steps(report)}
<h2>Inputs</h2>
{_facts(dict(_inputs(report)))}
<h2>Surroundings</h2>
{_facts({name.replace("_", " "): text for name, text in _flat(report.surroundings)})}
<footer>Made by {escape(report.tool)} from <code>report.json</code> ({escape(report.format)}).</footer>
</main>
</body>
</html>
"""


def _hero(report: Report) -> str:
    """The verdict in big words, and what it is about."""
    inputs, binds = report.inputs, what_binds(report)
    facts = {
        "model": f"{report.model.path}, {size(report.model.size_bytes)}",
        "data": inputs.card,
        "evaluated on": _samples(inputs.evaluation_samples),
        "calibrated on": _samples(inputs.calibration_samples),
    }
    shown = "".join(
        f'<div><span class="soft small">{key}</span><b>{escape(text)}</b></div>' for key, text in facts.items()
    )
    return (
        f'<section class="hero {report.verdict}">'
        f'<h1 class="word">{GLYPHS[report.verdict]} {report.verdict.capitalize()}</h1>'
        f'<p class="says">{escape(headline(report))}</p>'
        + (f'<p class="binds">{escape(binds)}</p>' if binds else "")
        + f'<div class="facts">{shown}</div></section>'
    )


def _samples(count: int | None) -> str:
    return "not recorded" if count is None else f"{count:,} samples"


def _steps(report: Report) -> str:
    """What was done, how long it took, and what came of it."""
    longest = max((each.seconds for each in report.steps), default=0.0) or 1.0
    rows = [
        f"<tr><td>{escape(each.use)}</td><td>{escape(each.target or 'all targets')}</td>"
        f'<td class="number">{each.seconds:.2f} s</td>'
        f'<td class="bar">{bar(each.seconds / longest, "value", f"{each.seconds:.2f} of {longest:.2f} s")}</td>'
        f'<td class="says small soft">{escape(_step_facts(each.facts, reused=each.reused))}</td></tr>'
        for each in report.steps
    ]
    total = sum(each.seconds for each in report.steps)
    heads = '<tr><th>step</th><th>for</th><th class="number">seconds</th><th></th><th>what it says</th></tr>'
    foot = f'<tr><td>together</td><td></td><td class="number"><b>{total:.2f} s</b></td><td></td><td></td></tr>'
    return f'<div class="card"><div class="scroll"><table>{heads}{"".join(rows)}{foot}</table></div></div>'


def _step_facts(facts: dict[str, JsonValue], *, reused: bool) -> str:
    said = [f"{name.replace('_', ' ')} {value}" for name, value in _flat(facts)]
    text = "; ".join([*(["taken from an earlier build"] if reused else []), *said])
    return text if len(text) <= _FACTS_CHARACTERS else text[:_FACTS_CHARACTERS] + "... (the whole is in report.json)"


def _inputs(report: Report) -> Iterator[tuple[str, str]]:
    inputs = report.inputs
    yield "model sha256", report.model.sha256
    yield "calibration sha256", inputs.calibration_sha256 or "not recorded"
    yield "evaluation sha256", inputs.evaluation_sha256 or "not recorded"
    yield "left out", f"{inputs.dropped_samples} calibration samples equal to an evaluation sample"
    yield "seed", str(inputs.seed)
    for name, profile in inputs.profiles.items():
        yield name, f"{profile.path}, sha256 {profile.sha256}"


def _facts(facts: dict[str, str]) -> str:
    shown = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return f'<div class="card"><dl>{shown}</dl></div>'


def _flat(data: dict[str, JsonValue]) -> Iterator[tuple[str, str]]:
    """Name and value of every plain value, nested names joined; what is null was not told by the machine."""
    for name, value in data.items():
        if isinstance(value, dict):
            yield from ((f"{name} {inner}", text) for inner, text in _flat(value))
        elif isinstance(value, list):
            yield name, ", ".join(map(str, value)) or "none"
        elif isinstance(value, float):
            yield name, f"{value:.6g}"
        else:
            yield name, "not told" if value is None else str(value)
