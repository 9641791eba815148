"""The step: the best method wins, layers are put back to float until the result holds, options are checked."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from tiny_models import model_from_text, numbers, residual_net

from edgekit.artifact import Artifact
from edgekit.catalog import load_target
from edgekit.errors import RecipeError, StepError
from edgekit.quantize.calibrated import Calibrated, calibrate, fidelity
from edgekit.quantize.damage import hold, rank_layers, weighted_nodes
from edgekit.quantize.static import CANDIDATES, StaticQuantization
from edgekit.recipe import Given
from edgekit.runner.runtimes.base import open_session
from edgekit.samples.sets import open_samples

Stored = Callable[[ir.Model], Artifact]


def calibrated(model: Artifact, given: Given) -> Calibrated:
    session = open_session("onnxruntime", model.path)
    samples = open_samples(given.card, session.inputs).calibration
    return calibrate(ir.load(model.path), given.target.scheme, samples, folder=given.folder)


def outlier_net() -> ir.Model:
    """Two branches; the second multiplies tiny numbers by a weight with one enormous entry: int8 ruins it."""
    wild = numbers(8, 8, 1, 1, scale=0.01, seed=3)
    wild[0, 0] = 500.0
    return model_from_text(
        """net (float[N,3,8,8] x) => (float[N,8,8,8] y, float[N,8,8,8] z) {
            a = Conv (x, w0)
            b = Relu (a)
            y = Conv (b, w1)
            c = Conv (b, w2)
            z = Conv (c, w3)
        }""",
        w0=numbers(8, 3, 1, 1, scale=0.3, seed=0),
        w1=numbers(8, 8, 1, 1, scale=0.3, seed=1),
        w2=wild,
        w3=numbers(8, 8, 1, 1, scale=0.3, seed=4) * np.array([1e-5] + [1.0] * 7, np.float32)[None, :, None, None],
    )


def test_the_best_range_method_wins(stored: Stored, given: Given) -> None:
    outcome = StaticQuantization()(stored(residual_net()), given)
    tried = outcome.facts["sqnr_db_by_ranges"]
    assert set(tried) == set(CANDIDATES)
    assert tried[outcome.facts["ranges"]] == max(tried.values())
    assert outcome.facts["sqnr_db"] > 25
    assert outcome.facts["int8_layers"] == 3
    assert outcome.facts["cosine"] > 0.999


def test_the_result_is_near_float_on_samples_that_were_not_calibrated_on(stored: Stored, given: Given) -> None:
    model = stored(residual_net())
    outcome = StaticQuantization()(model, given)
    x = numbers(16, 3, 8, 8, seed=99)
    before, after = (
        onnxruntime.InferenceSession(str(each.path)).run(None, {"x": x})[0] for each in (model, outcome.model)
    )
    signal, noise = (before**2).sum(), ((before - after) ** 2).sum()
    assert 10 * np.log10(signal / noise) > 25


def test_the_result_knows_its_parent_and_is_smaller(stored: Stored, given: Given) -> None:
    model = stored(residual_net())
    outcome = StaticQuantization(ranges="min-max")(model, given)
    assert outcome.changed
    assert outcome.model.parent == model.sha256
    assert [path.name for path in given.folder.iterdir()] == ["quantized.onnx"]


def test_two_runs_give_the_same_bytes(stored: Stored, given: Given, tmp_path: Path) -> None:
    model = stored(residual_net())
    (tmp_path / "again").mkdir()
    one = StaticQuantization()(model, given)
    other = StaticQuantization()(model, replace(given, folder=tmp_path / "again"))
    assert one.model.sha256 == other.model.sha256


def test_nothing_to_quantize_keeps_float_and_says_why(stored: Stored, given: Given) -> None:
    model = stored(model_from_text("g (float[N,3,8,8] x) => (float[N,3,8,8] y) { y = Exp (x) }"))
    outcome = StaticQuantization()(model, given)
    assert not outcome.changed
    assert outcome.model is model
    assert "Exp" in outcome.facts["why_float"]


def test_the_harmful_layer_is_found_and_left_in_float(stored: Stored, given: Given) -> None:
    model = stored(outlier_net())
    spoilt = StaticQuantization(ranges="min-max")(model, given)
    assert spoilt.facts["cosine"] < 0.97
    held = StaticQuantization(ranges="min-max", hold_cosine=0.99)(model, given)
    assert held.facts["cosine"] >= 0.99
    assert 1 <= len(held.facts["layers_left_float"]) < 4
    assert held.facts["int8_layers"] >= 1


def test_layers_are_ranked_by_the_noise_that_they_bring_alone(stored: Stored, given: Given) -> None:
    ranked = rank_layers(calibrated(stored(outlier_net()), given), "min-max")
    assert sorted(each.node for each in ranked) == ["Conv_0", "Conv_2", "Conv_3", "Conv_4"]
    assert [each.sqnr_db for each in ranked] == sorted(each.sqnr_db for each in ranked)
    assert ranked[0].node in ("Conv_3", "Conv_4")


def test_worst_in_float_takes_that_many(stored: Stored, given: Given) -> None:
    outcome = StaticQuantization(ranges="mse", worst_in_float=1)(stored(residual_net()), given)
    assert len(outcome.facts["layers_left_float"]) == 1
    assert outcome.facts["int8_layers"] == 2


def test_a_floor_that_nothing_reaches_leaves_the_float_model(stored: Stored, given: Given) -> None:
    outcome = StaticQuantization(hold_cosine=0.9999999999)(stored(residual_net()), given)
    assert not outcome.changed
    assert "no layer holds" in outcome.facts["why_float"]


def test_named_nodes_stay_in_float(stored: Stored, given: Given) -> None:
    outcome = StaticQuantization(ranges="mse", float_nodes=["Gemm_7"])(stored(residual_net()), given)
    kinds = [node.op_type for node in onnx.load(outcome.model.path).graph.node]
    assert outcome.facts["int8_layers"] == 2
    gemm = next(node for node in onnx.load(outcome.model.path).graph.node if node.op_type == "Gemm")
    assert gemm.input[1] == "w2"
    assert kinds.count("QuantizeLinear") > 0


def test_a_concat_of_things_far_apart_stays_in_float(stored: Stored, given: Given) -> None:
    text = """g (float[N,3,8,8] x) => (float[N,8,8,8] y) {
        a = Conv (x, big)
        b = Conv (x, small)
        y = Concat <axis=1> (a, b)
    }"""
    net = model_from_text(text, big=numbers(4, 3, 1, 1, scale=300), small=numbers(4, 3, 1, 1, scale=0.1, seed=1))
    ready = calibrated(stored(net), given)
    assert ready.never == {"Concat_2"}
    assert weighted_nodes(ready) == ["Conv_0", "Conv_1"]


def test_values_that_are_broken_keep_their_nodes_in_float(stored: Stored, given: Given) -> None:
    text = "g (float[N,3,8,8] x) => (float[N,4,8,8] y) { a = Log (x) \n y = Conv (a, w) }"
    outcome = StaticQuantization()(stored(model_from_text(text, w=numbers(4, 3, 1, 1))), given)
    assert not outcome.changed
    assert "not finite" in outcome.facts["why_float"]


def test_methods_are_judged_on_samples_that_their_ranges_did_not_see(stored: Stored, given: Given) -> None:
    ready = calibrated(stored(residual_net()), given)
    half, whole = ready.half["b"], ready.seen["b"]
    assert 0 < int(half.counts.sum()) < int(whole.counts.sum())
    judged = {array.tobytes() for feeds in ready.judged for array in feeds.values()}
    session = open_session("onnxruntime", stored(residual_net()).path)
    samples = open_samples(given.card, session.inputs).calibration
    even = {samples[index]["x"].tobytes() for index in range(0, len(samples), 2)}
    assert len(judged) == len(samples) // 2
    assert not judged & even


def test_hold_gives_back_what_it_was_given_when_that_holds_already(stored: Stored, given: Given) -> None:
    ready = calibrated(stored(residual_net()), given)
    truth = ready.outputs(ready.model)
    left, reached = hold(ready, "mse", ("Gemm_7",), 0.5, truth)
    assert left == ("Gemm_7",)
    assert reached.cosine > 0.99


def test_fidelity_of_broken_outputs_is_none() -> None:
    good = {"y": np.array([1.0, 2.0], np.float32)}
    assert fidelity(good, good).cosine == 1.0
    assert fidelity(good, {"y": np.array([1.0, np.nan], np.float32)}).cosine == 0.0
    assert fidelity({"y": np.array([np.inf, 2.0])}, {"y": np.array([np.inf, 2.0])}).sqnr_db == np.inf
    assert fidelity({"n": np.array([1, 2])}, {"n": np.array([3, 4])}).cosine == 1.0


def test_fidelity_counts_the_worst_output() -> None:
    truth = {"a": np.ones(4), "b": np.array([1.0, -1.0, 1.0, -1.0])}
    got = {"a": np.ones(4) * 1.1, "b": np.array([1.0, 1.0, 1.0, -1.0])}
    reached = fidelity(truth, got)
    assert reached.cosine == pytest.approx(0.5)
    assert reached.sqnr_db == pytest.approx(0.0)
    assert reached.cosines["a"] == pytest.approx(1.0)


def test_every_wrong_option_is_told_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        StaticQuantization(ranges="minmax", hold_cosine=2, worst_in_float=-1)
    assert len(caught.value.mistakes) == 3
    for wrong in ("percentile:101", "percentile:x", "mse:5"):
        with pytest.raises(RecipeError):
            StaticQuantization(ranges=wrong)


def test_a_float_target_is_refused(stored: Stored, given: Given) -> None:
    floats = replace(given, target=load_target("onnxruntime-x86-fp32", Path()))
    with pytest.raises(StepError, match="integer target"):
        StaticQuantization()(stored(residual_net()), floats)
