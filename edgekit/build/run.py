"""The main job: a recipe in, a report out; the only place that knows the order of the steps.

    check the inputs -> prepare -> prove it equal -> for each target: quantize, compile, prove, repair, choose -> report

Nothing is written before the inputs are known to be good. A target that fails leaves its reason in the report and
does not stop the others.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import edgekit
from edgekit.artifact import Artifact, digest_file
from edgekit.build.exported import export_recipe_module
from edgekit.build.feeds import check_latency_shape
from edgekit.build.inputs import Inputs, check_judging, open_inputs
from edgekit.build.job import Job
from edgekit.build.preparing import prepared_from
from edgekit.build.records import failed_target
from edgekit.build.surroundings import describe_surroundings
from edgekit.build.target import build_target
from edgekit.errors import MissingExtra, RuntimeFault, StepError
from edgekit.present.html import html_from_report
from edgekit.present.junit import junit_from_report
from edgekit.present.markdown import markdown_from_report
from edgekit.profiles import Target
from edgekit.recipe import Outcome, Progress, Recipe, silent, toml_from_recipe
from edgekit.report import Inputs as InputsRecord
from edgekit.report import ModelRecord, ProfileRecord, Report, TargetReport
from edgekit.store import open_store

_WRITTEN = ("report.json", "report.md", "report.html", "report.junit.xml", "recipe.resolved.toml", "log.txt")
_EQUAL_ON = 64


def run(recipe: Recipe, out: Path, *, resume: bool = False, fresh: bool = False, progress: Progress = silent) -> Report:
    """Build a recipe into the folder ``out`` and return the report that was written there.

    Args:
        recipe: resolved.
        out: made where absent; finished steps in it are taken where they match.
        resume: a build that was killed goes on at the step that it was in; steps are small, so that is all there is.
        fresh: run every step again.
        progress: told what is being done.

    Raises:
        EdgeKitError: the inputs are wrong, or OUT cannot be used; failures of single targets stand in the report.
    """
    with open_recipe_inputs(recipe) as inputs, open_store(out, fresh=fresh and not resume) as store:
        store.withdraw(*_WRITTEN)
        job = Job(inputs, store, recipe.threads, recipe.seed, progress)
        prepared = prepare_model(job)
        built = [_target(job, recipe, target, prepared) for target in recipe.targets]
        report = _report(recipe, job, [each for each, _ in built])

        def fill(folder: Path) -> None:
            for each, artifact in built:
                if artifact is not None:
                    (folder / each.name).mkdir()
                    _copy_artifact(artifact, folder / each.name)

        store.publish("artifacts", fill)
        store.write("recipe.resolved.toml", toml_from_recipe(recipe))
        store.write("log.txt", "\n".join(job.log) + "\n")
        store.write("report.md", markdown_from_report(report))
        store.write("report.junit.xml", junit_from_report(report))
        store.write("report.html", html_from_report(report))
        store.write("report.json", report.to_json())
    return report


def plan(recipe: Recipe) -> list[str]:
    """Say what a build would do, one line a step; nothing is run."""
    lines = [] if isinstance(recipe.model, Path) else [f"export {recipe.model}"]
    lines.append("prepare, and prove it equal to the model")
    for target in recipe.targets:
        steps = ([use for use, _ in recipe.steps] or ["quantize"]) if target.scheme else []
        lines += [f"{use} for {target.name}" for use in steps]
        lines += [f"compile.{target.runtime} for {target.name}", f"accuracy, latency, memory, size for {target.name}"]
    return [*lines, "report"]


@contextmanager
def open_recipe_inputs(recipe: Recipe) -> Iterator[Inputs]:
    """Check the model and the card of a recipe against each other; a torch module is exported for as long as it takes.

    Raises:
        EdgeKitError: see :func:`open_inputs`, and :mod:`edgekit.export.torch_module`.
    """
    with TemporaryDirectory(prefix="edgekit-export-") as scratch:
        path = recipe.model if isinstance(recipe.model, Path) else export_recipe_module(recipe, Path(scratch))
        inputs = open_inputs(path, recipe.card)
        _check(recipe, inputs)
        yield inputs


def _check(recipe: Recipe, inputs: Inputs) -> None:
    check_judging(inputs)
    check_latency_shape(recipe.card, inputs.samples.evaluation)


def prepare_model(job: Job) -> Artifact:
    """Prepare the user's model, and prove on calibration samples that it computes the same.

    Raises:
        StepError: an output differs by more than rounding explains.
    """
    samples = job.inputs.samples.calibration

    def work(folder: Path) -> Outcome:
        made, facts = prepared_from(job.inputs.model, samples, folder, _EQUAL_ON)
        return Outcome(made, changed=True, facts=facts)

    done = job.run("prepare", job.inputs.model, work, options={}, inputs={"calibration": samples.sha256})
    return done.outcome.model


def _target(job: Job, recipe: Recipe, target: Target, prepared: Artifact) -> tuple[TargetReport, Artifact | None]:
    try:
        return build_target(job, recipe, target, job.inputs.model, prepared)
    except (MissingExtra, StepError, RuntimeFault) as error:
        return failed_target(target, error), None


def _copy_artifact(artifact: Artifact, folder: Path) -> None:
    """Copy an artifact's files into an empty folder."""
    for record in artifact.files:
        place = folder / record.path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artifact.path.parent / record.path, place)


def _report(recipe: Recipe, job: Job, targets: list[TargetReport]) -> Report:
    samples, model = job.inputs.samples, job.inputs.model
    return Report.of(
        tool=f"edgekit {edgekit.__version__}",
        budget=recipe.budget,
        model=ModelRecord(path=str(recipe.model), sha256=model.sha256, size_bytes=model.size_bytes),
        targets=targets,
        steps=job.steps,
        surroundings=describe_surroundings(),
        inputs=InputsRecord(
            card=job.inputs.card.name,
            calibration_sha256=samples.calibration.sha256,
            evaluation_sha256=samples.evaluation.sha256,
            calibration_samples=len(samples.calibration),
            evaluation_samples=len(samples.evaluation),
            dropped_samples=samples.dropped,
            seed=recipe.seed,
            profiles={
                name: ProfileRecord(path=str(path), sha256=digest_file(path)) for name, path in recipe.profiles.items()
            },
        ),
    )
