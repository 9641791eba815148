from xml.etree import ElementTree as ET

from edgekit.present.junit import junit_from_report
from edgekit.report import Failure, Report


def parsed(report: Report) -> ET.Element:
    return ET.fromstring(junit_from_report(report))  # noqa: S314 - our own text


def case(root: ET.Element, target: str, quantity: str) -> ET.Element:
    (found,) = (
        each for each in root.iter("testcase") if (each.get("classname"), each.get("name")) == (target, quantity)
    )
    return found


def test_there_is_one_case_for_each_budgeted_quantity_of_each_target(golden: Report) -> None:
    root = parsed(golden)
    assert len(root.findall("testsuite")) == 3
    assert len(list(root.iter("testcase"))) == sum(len(each.checks) for each in golden.targets)


def test_every_verdict_has_its_own_element(golden: Report) -> None:
    root = parsed(golden)
    assert list(case(root, "onnxruntime-x86", "accuracy")) == []
    assert [each.tag for each in case(root, "openvino-cpu", "accuracy")] == ["failure"]
    assert [each.tag for each in case(root, "openvino-cpu", "latency")] == ["skipped"]
    assert [each.tag for each in case(root, "onnxruntime-arm", "latency")] == ["error"]


def test_a_failure_says_what_was_asked_and_found(golden: Report) -> None:
    failure = case(parsed(golden), "openvino-cpu", "accuracy").find("failure")
    assert failure is not None
    assert failure.get("message") == "accuracy drop (upper 95 % bound): 2.18 points, budget < 1.00 points"
    assert failure.text == "at least 1.24"


def test_the_totals_are_the_sums_of_the_suites(golden: Report) -> None:
    root = parsed(golden)
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "9",
        "failures": "1",
        "errors": "1",
        "skipped": "2",
    }


def test_a_target_without_an_artifact_is_an_error_and_not_an_empty_suite(golden: Report) -> None:
    failure = Failure(exit_code=6, error="the compiler said <no>", hint="see log.txt")
    broken = golden.targets[0].model_copy(update={"failure": failure, "checks": ()})
    root = parsed(golden.model_copy(update={"targets": (broken,)}))
    error = case(root, "onnxruntime-x86", "artifact").find("error")
    assert error is not None
    assert (error.get("message"), error.text) == ("the compiler said <no>", "see log.txt")
    assert (root.get("tests"), root.get("errors")) == ("1", "1")


def test_what_xml_cannot_hold_is_replaced(golden: Report) -> None:
    strange = golden.targets[0].model_copy(update={"name": "a\x00b\x1b\ufffe"})
    assert (
        parsed(golden.model_copy(update={"targets": (strange,)})).find("testsuite[@name='a\ufffdb\ufffd\ufffd']")
        is not None
    )


def test_the_figures_stand_in_the_properties(golden: Report) -> None:
    suite = parsed(golden).find("testsuite")
    assert suite is not None
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert properties["accuracy.drop_upper_95"] == "0.43"
    assert properties["latency.speedup"] == "2.2"
    assert properties["size_bytes"] == "301120"
