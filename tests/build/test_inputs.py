from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.build.inputs import Inputs, check_judging, open_inputs, open_user_model
from edgekit.card import DataCard, read_card
from edgekit.errors import InputError, ModelError, RecipeError


def opened(project: Path, **changes: object) -> Inputs:
    card = read_card(project / "card.toml")
    words = {**card.model_dump(by_alias=True), **changes}
    return open_inputs(project / "model.onnx", DataCard.model_validate(words).within(project))


def test_a_model_and_a_card_that_fit(project: Path) -> None:
    inputs = opened(project)
    check_judging(inputs)
    assert inputs.model.path == project / "model.onnx"
    assert (len(inputs.samples.calibration), len(inputs.samples.evaluation)) == (24, 200)


def test_the_largest_label_is_the_one_that_is_checked(project: Path) -> None:
    inputs = opened(project)
    labels = inputs.samples.evaluation.labels["target"].copy()
    labels[131] = 5
    inputs.samples.evaluation.labels = {"target": labels}
    with pytest.raises(InputError, match="label 5 is beyond the 5 classes"):
        check_judging(inputs)
    labels[131] = 4
    check_judging(inputs)


def test_agreement_needs_no_labels(project: Path) -> None:
    inputs = opened(project, task="agreement")
    inputs.samples.evaluation.labels = {}
    check_judging(inputs)


def test_a_task_without_a_metric_says_so(project: Path) -> None:
    with pytest.raises(RecipeError, match="task 'object-detection' has no metric of its own"):
        check_judging(opened(project, task="object-detection"))


def test_a_metric_of_the_users_own_is_imported_and_not_called(project: Path) -> None:
    (project / "mine.py").write_text("def score(outputs, labels):\n    raise SystemExit\n")
    check_judging(opened(project, metric={"python": "mine:score"}))
    with pytest.raises(RecipeError, match="mine has no function 'sore'"):
        check_judging(opened(project, metric={"python": "mine:sore"}))


def test_weights_beside_the_model_belong_to_it(project: Path) -> None:
    proto = onnx.load(project / "model.onnx")
    onnx.save(proto, project / "apart.onnx", save_as_external_data=True, location="apart.data", size_threshold=0)
    model = open_user_model(project / "apart.onnx")
    assert [each.path for each in model.files] == ["apart.data", "apart.onnx"]
    (project / "apart.data").write_bytes(bytes(8))
    with pytest.raises(ModelError):
        open_inputs(project / "apart.onnx", read_card(project / "card.toml"))


def test_a_model_that_the_runtime_refuses_is_the_users_to_mend(project: Path) -> None:
    proto = onnx.load(project / "model.onnx")
    proto.graph.node[0].op_type = "Convolute"
    onnx.save(proto, project / "model.onnx")
    with pytest.raises(ModelError):
        opened(project)


def test_samples_that_do_not_fit_are_named(project: Path) -> None:
    with np.load(project / "tiny.npz") as old:
        kept = dict(old)
    np.savez(project / "tiny.npz", **{**kept, "judged": kept["judged"][:, :2]})
    with pytest.raises(InputError, match="judged"):
        opened(project)
