"""JUnit XML of a report: one suite for each target, one case for each budgeted quantity.

    pass           the case alone
    fail           <failure>: what was asked, what was found
    inconclusive   <skipped>: how many samples could tell
    missing        <error>: why it could not be measured

A target that has no artifact gives one case ``artifact`` with an <error>, so that a suite is never empty.
"""

from xml.etree import ElementTree as ET

from edgekit.present.figures import amount, limit, result_name
from edgekit.report import Check, Report, TargetReport

_ELEMENT_OF = {"fail": "failure", "inconclusive": "skipped", "missing": "error"}


def junit_from_report(report: Report) -> str:
    """Return the document as text."""
    root = ET.Element("testsuites", name="edgekit")
    for target in report.targets:
        root.append(_suite(report, target))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(report: Report, target: TargetReport) -> ET.Element:
    suite = ET.Element("testsuite", name=_legal(target.name))
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(report, target).items():
        ET.SubElement(properties, "property", name=name, value=_legal(value))
    if target.failure:
        case = ET.SubElement(suite, "testcase", classname=_legal(target.name), name="artifact", time="0")
        ET.SubElement(case, "error", message=_legal(target.failure.error)).text = _legal(target.failure.hint)
    for check in target.checks:
        suite.append(_case(target, check))
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for key, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(sum(case.find(element) is not None for case in cases)))
    return suite


def _case(target: TargetReport, check: Check) -> ET.Element:
    case = ET.Element("testcase", classname=_legal(target.name), name=check.quantity, time="0")
    if check.verdict in _ELEMENT_OF:
        found = f"{result_name(check)}: {amount(check, check.value)}, budget {limit(check)}"
        element = ET.SubElement(case, _ELEMENT_OF[check.verdict], message=_legal(found))
        element.text = _legal(check.reason)
    return case


def _properties(report: Report, target: TargetReport) -> dict[str, str]:
    """The figures behind the cases, as plain text."""
    found = {
        "runtime": f"{target.runtime} {target.runtime_version or ''}".strip(),
        "precision": target.precision,
        "measured_on": target.measured_on,
        "model": report.model.path,
        "model_sha256": report.model.sha256,
        "verdict": target.verdict,
    }
    if target.artifact:
        found |= {"artifact_sha256": target.artifact.sha256, "size_bytes": str(target.artifact.size_bytes)}
    if target.accuracy:
        parts = ("metric", "base", "value", "drop", "drop_lower_95", "drop_upper_95", "samples")
        found |= {f"accuracy.{part}": str(getattr(target.accuracy, part)) for part in parts}
    if target.latency:
        found |= {"latency.p50_ms": str(target.latency.value.p50_ms), "latency.speedup": str(target.latency.speedup)}
    return found


def _legal(text: str) -> str:
    """Replace what XML 1.0 cannot hold: most control characters, surrogates, two non-characters."""
    return "".join(each if _may_stand(ord(each)) else "\N{REPLACEMENT CHARACTER}" for each in text)


def _may_stand(code: int) -> bool:
    return code in {0x9, 0xA, 0xD} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
