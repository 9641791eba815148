"""Job: one build at work: where its steps run, what they did, and what was predicted so far.

Rules: every step and every measurement leaves one StepRecord with its seconds; a step's result may come from the
store, a prediction never outlives the build (measurements are not reused), but within the build a float base that
others are compared with is run once.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgekit.artifact import Artifact
from edgekit.build.inputs import Inputs
from edgekit.build.surroundings import package_versions, tool_digest
from edgekit.recipe import Outcome, Progress
from edgekit.report import StepRecord
from edgekit.runner.runtimes.base import Array
from edgekit.store import Done, Store
from edgekit.validate.predict import predict


@dataclass
class Job:
    """One build at work."""

    inputs: Inputs
    store: Store
    threads: int
    seed: int
    progress: Progress
    steps: list[StepRecord] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    _predictions: dict[tuple[object, ...], dict[str, Array]] = field(default_factory=dict)

    def say(self, line: str) -> None:
        """Add a line to the log."""
        self.log.append(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}")

    def run(
        self,
        use: str,
        model: Artifact,
        work: Callable[[Path], Outcome],
        *,
        options: Mapping[str, Any],
        inputs: Mapping[str, str] | None = None,
        target: str | None = None,
    ) -> Done:
        """Run a step in the store, or take its result from there, and record it."""
        self.progress(f"{use} for {target}" if target else use, 0, 0)
        done = self.store.run(
            use, model, work, options=options, inputs=inputs or {}, seed=self.seed, tool=tool_digest()
        )
        self.record(use, done.seconds, done.outcome.facts, target=target, reused=done.reused)
        return done

    @contextmanager
    def timed(self, use: str, target: str | None = None) -> Iterator[dict[str, Any]]:
        """Record what the block did: it fills the facts that it is given."""
        self.progress(f"{use} for {target}" if target else use, 0, 0)
        facts: dict[str, Any] = {}
        started = time.perf_counter()
        yield facts
        self.record(use, round(time.perf_counter() - started, 3), facts, target=target, reused=False)

    def record(self, use: str, seconds: float, facts: Mapping[str, Any], *, target: str | None, reused: bool) -> None:
        """Keep one step for the report and the log."""
        self.steps.append(StepRecord(use=use, seconds=seconds, facts=dict(facts), target=target, reused=reused))
        where = f" for {target}" if target else ""
        self.say(f"{use}{where}: {'taken from the store' if reused else f'{seconds:.2f} s'} {dict(facts)}")

    def predictions(self, artifact: Artifact) -> dict[str, Array]:
        """Outputs of a float base over all evaluation samples, run once in a build and kept: others are told by it."""
        key = (artifact.kind, artifact.sha256, tuple(sorted(artifact.options.items())))
        if key not in self._predictions:
            self._predictions[key] = self.predict(artifact)
        return self._predictions[key]

    def predict(self, artifact: Artifact) -> dict[str, Array]:
        """Outputs of an artifact over all evaluation samples."""
        samples, card = self.inputs.samples.evaluation, self.inputs.card
        return predict(artifact, samples, threads=self.threads, progress=self.progress, card=card)

    def runtime_version(self, runtime: str) -> str:
        """Version of a runtime's package here."""
        return package_versions().get(runtime, "")
