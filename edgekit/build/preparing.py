"""Preparing: the user's float model becomes the one that everything downstream works on, proven to compute the same."""

from pathlib import Path

from edgekit.artifact import Artifact
from edgekit.build.equality import differences
from edgekit.errors import StepError
from edgekit.graph.load import load_model
from edgekit.graph.prepare import prepare
from edgekit.graph.save import save_model
from edgekit.samples.sets import SampleSet
from edgekit.validate.predict import predict


def prepared_from(
    original: Artifact, samples: SampleSet, folder: Path, equal_on: int, *, ir_max: int | None = None
) -> tuple[Artifact, dict[str, float]]:
    """Write the prepared model into ``folder``, and compare it with the original on the first samples.

    Args:
        original: the user's model.
        samples: what both are run on.
        folder: where prepared.onnx is written.
        equal_on: how many samples, at the most.
        ir_max: newest IR version that may be written.

    Raises:
        StepError: an output differs by more than rounding explains.
    """
    prepared = prepare(load_model(original.path))
    prepared.model.ir_version = min(prepared.model.ir_version, ir_max or prepared.model.ir_version)
    path = folder / "prepared.onnx"
    save_model(prepared.model, path)
    beside = [each for each in (folder / f"{path.name}.data",) if each.exists()]
    made = Artifact.of(path, kind="onnx", beside=beside, made_by="prepare", parent=original.sha256)
    feeds = [samples[index] for index in range(min(equal_on, len(samples)))]
    found = differences(predict(original, feeds), predict(made, feeds))
    wrong = [f"prepare: output {each.output!r} differs by {each.error:.2g}" for each in found if not each.holds]
    if wrong:
        raise StepError(wrong, hint="please report this model; inspect it with: edgekit inspect MODEL")
    facts: dict[str, float] = {name: count for name, count in prepared.facts.items() if count}
    largest = max((each.error for each in found), default=0.0)
    return made, {**facts, "equal_on_samples": len(feeds), "largest_difference": largest}
