from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_project import recipe_for

from edgekit.artifact import Artifact
from edgekit.build import job as module
from edgekit.build.job import Job
from edgekit.recipe import Outcome


def test_a_step_is_recorded_with_its_facts_and_taken_the_second_time(job: Job) -> None:
    def work(folder: Path) -> Outcome:
        (folder / "model.onnx").write_bytes(b"made")
        return Outcome(Artifact.of(folder / "model.onnx", kind="onnx"), True, {"layers": 3})

    for _ in range(2):
        done = job.run("halve", job.inputs.model, work, options={"by": 2}, target="t")
        assert done.outcome.model.path.read_bytes() == b"made"
    first, second = job.steps
    assert (first.use, first.target, first.facts) == ("halve", "t", {"layers": 3})
    assert (first.reused, second.reused) == (False, False)  # one build made it and may use it again
    assert len(job.log) == 2
    assert "halve for t: " in job.log[0]


def test_what_is_timed_leaves_its_facts_and_seconds(job: Job) -> None:
    with job.timed("weigh") as facts:
        facts["grams"] = 5
    assert (job.steps[0].use, job.steps[0].facts, job.steps[0].reused) == ("weigh", {"grams": 5}, False)
    assert job.steps[0].seconds >= 0
    assert "weigh: " in job.log[0]


def test_what_fails_leaves_no_record(job: Job) -> None:
    with pytest.raises(ValueError, match="broken"), job.timed("weigh"):
        raise ValueError("broken")
    assert job.steps == []


def test_a_base_is_run_once_and_other_artifacts_are_not_kept(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[dict[str, str]] = []

    def predict(artifact: Artifact, *_: Any, **__: Any) -> dict[str, Any]:
        ran.append(dict(artifact.options))
        return {"y": np.zeros(1)}

    monkeypatch.setattr(module, "predict", predict)
    model = job.inputs.model
    assert job.predictions(model) is job.predictions(model)
    assert len(ran) == 1
    other = Artifact(model.path, model.kind, model.files, options={"a.b": "1"})
    job.predictions(other)
    job.predict(model)
    assert ran == [{}, {"a.b": "1"}, {}]


def test_versions_of_runtimes_are_known(job: Job, project: Path) -> None:
    assert job.runtime_version("onnxruntime").count(".") >= 2
    assert job.runtime_version("abacus") == ""
    assert recipe_for(project, "onnxruntime-x86").threads == job.threads
