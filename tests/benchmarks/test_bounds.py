"""Bounds: each promise beside the peers, kept and missed by a hair."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Loader = Callable[[str], ModuleType]
Results = dict[str, Any]


def entry(
    metric: float,
    sqnr_db: float | None,
    size: int,
    *,
    seconds: float = 4.0,
    mib: float = 150.0,
    runtime: str = "onnxruntime",
) -> dict[str, Any]:
    """An artifact's record; the float model stands at 90 points."""
    run = {"metric": metric, "drop": 90.0 - metric, "sqnr_db": sqnr_db}
    run["against_best_peer"] = {"peer": "onnxruntime-minmax-tensor", "drop_lower_95": -0.2}
    costs = [[{"seconds": seconds, "peak_rss_mib": mib}]]
    return {"size_bytes": size, "costs": costs, "runs": {runtime: run}, "artifact": {}, "error": ""}


def latency(ratio: float) -> dict[str, Any]:
    return {
        "best_peer": "onnxruntime-minmax-tensor",
        "ratio_to_best_peer": {"edgekit-onnxruntime": {"value": ratio, "lower": ratio, "upper": ratio}},
        "speedup_vs_float": {
            "edgekit-onnxruntime": {"value": 2.0, "lower": 1.9, "upper": 2.1},
            "onnxruntime-minmax-tensor": {"value": 1.9, "lower": 1.8, "upper": 2.0},
        },
    }


@pytest.fixture
def results() -> Results:
    """One model on ONNX Runtime; every bound is kept with room."""
    artifacts = {
        "edgekit-onnx": entry(90.0, 30.0, 100, seconds=2.0, mib=120.0),
        "edgekit-onnxruntime": entry(90.0, 30.0, 100),
        "onnxruntime-minmax-tensor": entry(89.9, 30.0, 100),
        "nncf-mixed-onnx": entry(89.0, 25.0, 110, seconds=3.0, mib=140.0),
    }
    model = {
        "artifacts": artifacts,
        "evaluation_samples": 5000,
        "float": {"metric": 90.0},
        "latency": {"onnxruntime": latency(1.0)},
    }
    return {
        "models": {"resnet20": model},
        "versions": {"peers": {"onnxruntime": "1.32.0", "nncf": "3.4.0"}},
        "machine": {"processor": "A processor"},
        "date": "2026-11-25T07:00:00+00:00",
        "commit": "0123456789abcdef",
    }


def holds(bounds: ModuleType, results: Results) -> dict[str, bool]:
    return {each.bound: each.holds for each in bounds.checks(results)}


def ours(results: Results) -> dict[str, Any]:
    found: dict[str, Any] = results["models"]["resnet20"]["artifacts"]["edgekit-onnxruntime"]
    return found


@pytest.fixture
def bounds(script: Loader) -> ModuleType:
    return script("peers/bounds")


def test_every_bound_is_checked_and_kept(bounds: ModuleType, results: Results) -> None:
    expected = dict.fromkeys(("drop", "sqnr", "size", "latency", "time", "memory"), True)
    assert holds(bounds, results) == expected


@pytest.mark.parametrize(("drop", "kept"), [(0.2, True), (0.21, False)])
def test_the_drop_may_be_a_tenth_of_a_point_above_the_best_peers(
    bounds: ModuleType, results: Results, drop: float, kept: bool
) -> None:
    ours(results)["runs"]["onnxruntime"]["drop"] = drop
    assert holds(bounds, results)["drop"] is kept


@pytest.mark.parametrize(("drop", "kept"), [(0.1, True), (0.11, False)])
def test_a_peer_better_than_float_asks_for_no_more_than_float(
    bounds: ModuleType, results: Results, drop: float, kept: bool
) -> None:
    results["models"]["resnet20"]["artifacts"]["onnxruntime-minmax-tensor"]["runs"]["onnxruntime"]["drop"] = -0.5
    ours(results)["runs"]["onnxruntime"]["drop"] = drop
    assert holds(bounds, results)["drop"] is kept


@pytest.mark.parametrize(("lower", "kept"), [(0.0, True), (0.01, False)])
def test_with_few_samples_only_a_significant_loss_counts(
    bounds: ModuleType, results: Results, lower: float, kept: bool
) -> None:
    results["models"]["resnet20"]["evaluation_samples"] = 200
    run = ours(results)["runs"]["onnxruntime"]
    run["drop"], run["against_best_peer"]["drop_lower_95"] = 5.0, lower
    assert holds(bounds, results)["drop"] is kept


@pytest.mark.parametrize(("sqnr", "kept"), [(29.5, True), (29.49, False), (None, True)])
def test_the_noise_may_be_half_a_decibel_above_the_best_peers(
    bounds: ModuleType, results: Results, sqnr: float | None, kept: bool
) -> None:
    ours(results)["runs"]["onnxruntime"]["sqnr_db"] = sqnr
    assert holds(bounds, results)["sqnr"] is kept


@pytest.mark.parametrize(("size", "kept"), [(105, True), (106, False)])
def test_the_size_may_be_a_twentieth_above_the_smallest_peers(
    bounds: ModuleType, results: Results, size: int, kept: bool
) -> None:
    ours(results)["size_bytes"] = size
    assert holds(bounds, results)["size"] is kept


@pytest.mark.parametrize(("ratio", "kept"), [(0.97, True), (0.969, False)])
def test_the_speed_is_at_least_0_97_of_the_fastest_peers(
    bounds: ModuleType, results: Results, ratio: float, kept: bool
) -> None:
    results["models"]["resnet20"]["latency"]["onnxruntime"] = latency(ratio)
    assert holds(bounds, results)["latency"] is kept


def test_time_and_memory_are_judged_beside_nncf_alone(bounds: ModuleType, results: Results) -> None:
    artifacts = results["models"]["resnet20"]["artifacts"]
    artifacts["onnxruntime-minmax-tensor"]["costs"] = [[{"seconds": 0.1, "peak_rss_mib": 10.0}]]
    assert holds(bounds, results)["time"]
    artifacts["edgekit-onnx"]["costs"] = [[{"seconds": 3.1, "peak_rss_mib": 141.0}]]
    found = holds(bounds, results)
    assert (found["time"], found["memory"]) == (False, False)


def test_the_commands_of_a_run_add_up_in_time_and_not_in_memory(bounds: ModuleType) -> None:
    one, other = {"seconds": 1.0, "peak_rss_mib": 90.0}, {"seconds": 2.0, "peak_rss_mib": 60.0}
    assert bounds.seconds([[one, other]]) == 3.0
    assert bounds.peak_rss_mib([[one, other]]) == 90.0


def test_of_several_runs_the_median_counts(bounds: ModuleType) -> None:
    runs = [[{"seconds": each, "peak_rss_mib": each}] for each in (9.0, 1.0, 2.0)]
    assert (bounds.seconds(runs), bounds.peak_rss_mib(runs)) == (2.0, 2.0)


def test_a_peer_that_does_not_load_sets_no_bound(bounds: ModuleType, results: Results) -> None:
    broken = entry(90.0, 99.0, 1)
    broken["runs"]["onnxruntime"] = {"error": "it does not load"}
    results["models"]["resnet20"]["artifacts"]["onnxruntime-minmax-channel"] = broken
    assert all(holds(bounds, results).values())


def test_an_ir_is_held_against_irs(bounds: ModuleType, results: Results) -> None:
    artifacts = results["models"]["resnet20"]["artifacts"]
    artifacts["edgekit-openvino"] = entry(90.0, 30.0, 200, runtime="openvino")
    artifacts["nncf-mixed-openvino"] = entry(90.0, 30.0, 200, runtime="openvino")
    artifacts["onnxruntime-minmax-tensor"]["runs"]["openvino"] = {"metric": 90.0, "drop": 0.0, "sqnr_db": 31.0}
    found = {each.bound: each for each in bounds.checks(results) if each.runtime == "openvino"}
    assert (found["size"].peer, found["size"].holds) == ("nncf-mixed-openvino", True)
    assert (found["sqnr"].peer, found["sqnr"].holds) == ("onnxruntime-minmax-tensor", False)


def test_what_build_ships_may_be_float_and_as_large(bounds: ModuleType, results: Results) -> None:
    results["models"]["resnet20"]["artifacts"]["edgekit-build-onnxruntime"] = entry(90.0, None, 400)
    found = {each.bound: each.holds for each in bounds.checks(results) if each.artifact == "edgekit-build-onnxruntime"}
    assert found == {"drop": True, "sqnr": True}


def test_the_exit_code_tells_a_missed_bound(
    bounds: ModuleType, results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(results))
    assert bounds.main([str(file)]) == 0
    ours(results)["size_bytes"] = 1000
    file.write_text(json.dumps(results))
    assert bounds.main([str(file)]) == 1
    assert "MISSED" in capsys.readouterr().out
    assert bounds.main([]) == 2


def test_the_table_has_a_row_for_each_model_and_runtime(script: Loader, results: Results) -> None:
    row = script("peers/table").table(results).splitlines()[-1]
    cells = [each.strip() for each in row.strip("|").split("|")]
    assert cells[:5] == ["resnet20, 5,000", "ONNX Runtime", "90.00", "0.00 / +0.10", "30.0 / 30.0"]
    assert cells[5:] == ["0 / 0", "2.00 / 1.90", "2.0 / 3.0", "120 / 140", ""]


def test_the_table_tells_what_build_ships(script: Loader, results: Results) -> None:
    model = results["models"]["resnet20"]
    targets = [{"runtime": "openvino"}, {"runtime": "onnxruntime", "precision": "mixed", "verdict": "pass"}]
    model["build"] = {"report": {"targets": targets}}
    table = script("peers/table")
    assert table.table(results).splitlines()[-1].endswith("| mixed, pass |")
    shipped = {"value": 2.5, "lower": 2.4, "upper": 2.6}
    model["latency"]["onnxruntime"]["speedup_vs_float"]["edgekit-build-onnxruntime"] = shipped
    assert table.table(results).splitlines()[-1].endswith("| mixed 2.50, pass |")


def test_the_zoo_is_told_in_one_sentence(script: Loader) -> None:
    good, bad = {"wrong": ""}, {"wrong": "not refused"}
    zoo = {"date": "2026-11-25T07:00:00", "endings": {"EdgeKit": [good, good], "a peer": [good, bad]}}
    line = script("peers/table").zoo_line(zoo)
    assert line.startswith("Of 2 small awkward models")
    assert line.endswith("EdgeKit 2, a peer 1.\n")


def test_the_table_is_written_between_its_marks(script: Loader, results: Results, tmp_path: Path) -> None:
    table = script("peers/table")
    page, file = tmp_path / "README.md", tmp_path / "results.json"
    file.write_text(json.dumps(results))
    page.write_text("before\n<!-- results: begin (by a script) -->\nold\n<!-- results: end -->\nafter\n")
    assert table.main([str(file), "--write", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("before\n<!-- results: begin (by a script) -->\nEdgeKit")
    assert text.endswith("|\n<!-- results: end -->\nafter\n")
    assert "old" not in text


def test_a_page_without_marks_is_left_alone(
    script: Loader, results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, file = tmp_path / "README.md", tmp_path / "results.json"
    file.write_text(json.dumps(results))
    page.write_text("no marks\n")
    assert script("peers/table").main([str(file), "--write", str(page)]) == 2
    assert page.read_text() == "no marks\n"
    assert "error:" in capsys.readouterr().err


def test_a_figure_that_was_not_measured_leaves_its_cell_empty(script: Loader, results: Results) -> None:
    del results["models"]["resnet20"]["latency"]
    results["models"]["resnet20"]["artifacts"]["edgekit-onnx"]["costs"] = []
    ours(results)["runs"]["onnxruntime"]["sqnr_db"] = None
    row = script("peers/table").table(results).splitlines()[-1]
    assert row.endswith("| exact / 30.0 | 0 / 0 |  |  |  |  |")
