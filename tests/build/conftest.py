"""A tiny project, and a build at work in it whose clock is made up."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_project import Clock, recipe_for, write_project

from edgekit.artifact import Artifact
from edgekit.build.job import Job
from edgekit.build.run import open_recipe_inputs, prepare_model
from edgekit.recipe import silent
from edgekit.store import open_store


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_project(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("edgekit.build.target.measure_rounds", made)
    monkeypatch.setattr("edgekit.build.pricing.measure_rounds", made)
    return made


@pytest.fixture
def job(project: Path, tmp_path: Path) -> Iterator[Job]:
    recipe = recipe_for(project, "onnxruntime-x86")
    with open_recipe_inputs(recipe) as inputs, open_store(tmp_path / "out") as store:
        yield Job(inputs, store, 1, 0, silent)


@pytest.fixture
def prepared(job: Job) -> Artifact:
    return prepare_model(job)
