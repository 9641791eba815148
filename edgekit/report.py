"""Report: what was built for each target, what was measured, and whether it may ship.

The rules:

* The verdict is a function of budget and measurements: each budgeted quantity of each target has one :class:`Check`,
  the target's verdict is the worst of its checks, the report's verdict is that of the worst target.
* ``base``, ``value``, ``drop`` and its bounds are in points (100 x a metric in 0..1); a positive drop is worse.
* A number that could not be measured is null, and ``missing`` says why under its dotted name (``latency.p90_ms``).
* JSON round-trips: ``Report.from_json(report.to_json()) == report``. Relative paths are relative to the report.

>>> Check(quantity="size", budget=1.0, value=0.3, unit="MiB", verdict="pass").verdict
'pass'
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from edgekit.artifact import Artifact
from edgekit.errors import RecipeError

SCHEMA: Literal["edgekit.report/1"] = "edgekit.report/1"
DEFAULT_DROP_POINTS = 1.0

Verdict = Literal["pass", "fail", "inconclusive"]
CheckVerdict = Literal["pass", "fail", "inconclusive", "missing"]
Quantity = Literal["accuracy", "latency", "size", "memory"]

# Many checks: the first of these that occurs (DESIGN section 3). Trust before surroundings before tools before numbers.
EXIT_ORDER = (5, 4, 6, 1, 3, 0)
_EXIT_OF_VERDICT: Mapping[str, int] = {"pass": 0, "fail": 1, "inconclusive": 3, "missing": 4}
_WORST_FIRST: tuple[Verdict, ...] = ("fail", "inconclusive", "pass")


class Record(BaseModel):
    """A part of the report: unknown keys are mistakes, values never change, NaN and infinity do not exist."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Budget(Record):
    """What the artifact may cost. None: no budget; the accuracy always has one."""

    drop_points: float = Field(DEFAULT_DROP_POINTS, ge=0, description="largest drop of the card's metric, in points")
    drop_is_default: bool = Field(True, description="nobody asked for this drop; filled in by EdgeKit")
    p90_ms: float | None = Field(None, gt=0, description="largest 90th percentile of the latency")
    size_mib: float | None = Field(None, gt=0, description="largest sum of the artifact's files")
    rss_mib: float | None = Field(None, gt=0, description="largest peak of resident memory in a fresh process")


class Accuracy(Record):
    """The card's metric of the float model and of the artifact, on the same samples."""

    metric: str
    better: Literal["higher", "lower"]
    base: float
    value: float
    drop: float
    drop_lower_95: float | None
    drop_upper_95: float | None
    samples: int
    churn: float | None = Field(None, description="share of samples whose answer changed")
    measured_with: str = Field(description="runtime, version and place, such as 'onnxruntime 1.23.0 on this host'")
    samples_needed: int | None = Field(None, description="how many samples could tell, where these could not")
    facts: dict[str, JsonValue] = Field(default_factory=dict, description="cosine, sqnr_db per output, and the like")


class P(Record):
    """Quantiles of a latency; None where the number of samples does not support one (p90 needs 64)."""

    p50_ms: float
    p90_ms: float | None = None
    p90_lower_99_ms: float | None = Field(None, description="99 % lower bound of the p90; above a budget: missed")
    p90_upper_99_ms: float | None = Field(None, description="99 % upper bound of the p90; within a budget: held")
    samples: int | None = None


class Latency(Record):
    """Interleaved rounds of the prepared float model (base) and the artifact (value), each in fresh processes."""

    threads: int
    base: P
    value: P
    speedup: float | None = Field(description="exp(mean over rounds of ln(base p50 / value p50)); > 1 is faster")
    speedup_ci95: tuple[float, float] | None = None
    speedup_vs_onnxruntime_float: float | None = None
    prepare_speedup: float | None = Field(None, description="what cleaning the float graph alone brings")
    rounds: int


class Memory(Record):
    """Peaks of resident memory in a fresh process."""

    peak_rss_mib: float
    base_peak_rss_mib: float | None = None


class FileEntry(Record):
    """One file of an artifact."""

    path: str
    sha256: str
    size_bytes: int


class ArtifactRecord(Record):
    """What was built; ``path`` is the file that the runtime opens."""

    built_on: Literal["host", "device"] = "host"
    path: str
    files: tuple[FileEntry, ...]
    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, artifact: Artifact, folder: str) -> Self:
        """Record an artifact whose files lie in ``folder`` (relative to the report, "/" between the parts)."""
        place = folder.rstrip("/") + "/" if folder else ""
        files = tuple(
            FileEntry(path=place + each.path, sha256=each.sha256, size_bytes=each.size_bytes) for each in artifact.files
        )
        return cls(path=place + artifact.path.name, files=files, sha256=artifact.sha256, size_bytes=artifact.size_bytes)


class Remedy(Record):
    """One thing that was tried because the budget was missed."""

    use: str = Field(description="the step's name, such as 'quantize.static'")
    note: str = Field(description="what was changed, in words: 'ranges by entropy', 'conv1 left in float'")
    drop: float | None = None
    drop_upper_95: float | None = None
    size_bytes: int | None = None
    seconds: float | None = None
    kept: bool = False


class Alternative(Record):
    """Another precision of the same target, measured beside the one that was chosen."""

    precision: str
    drop: float | None
    speedup: float | None
    size_bytes: int | None
    note: str = ""


class Check(Record):
    """One budgeted quantity of one target: what was asked, what was found, and whether it holds."""

    quantity: Quantity
    budget: float
    value: float | None
    unit: str
    verdict: CheckVerdict
    reason: str = ""


class Failure(Record):
    """Why a target has no artifact or no figures: a missing runtime (4) or a failed step (6)."""

    exit_code: Literal[4, 5, 6]
    error: str
    hint: str = ""


class TargetReport(Record):
    """Everything about one target."""

    name: str
    runtime: str
    runtime_version: str | None
    precision: str
    measured_on: str = Field(pattern=r"^(host|emulated|device:.+)$")
    artifact: ArtifactRecord | None
    accuracy: Accuracy | None
    latency: Latency | None
    memory: Memory | None
    load_ms: float | None
    int8_ops_share: float | None = Field(description="multiply-accumulates run in int8 / those of Conv, Gemm, MatMul")
    remedies: tuple[Remedy, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    checks: tuple[Check, ...] = ()
    verdict: Verdict
    binding: Quantity | None
    reasons: tuple[str, ...] = ()
    missing: dict[str, str] = Field(default_factory=dict, description="dotted name of a null quantity -> why")
    failure: Failure | None = None


class StepRecord(Record):
    """One step that ran, or was taken from an earlier build."""

    use: str
    seconds: float
    facts: dict[str, JsonValue] = Field(default_factory=dict)
    target: str | None = Field(None, description="the target it ran for; None: for all")
    reused: bool = False


class ModelRecord(Record):
    """The user's model."""

    path: str
    sha256: str
    size_bytes: int


class ProfileRecord(Record):
    """A profile that a name was resolved to."""

    path: str
    sha256: str


class Inputs(Record):
    """What the numbers rest on, besides the model."""

    card: str
    calibration_sha256: str | None
    evaluation_sha256: str | None = None
    calibration_samples: int | None = None
    evaluation_samples: int | None = None
    dropped_samples: int = Field(0, description="calibration samples equal to an evaluation sample, left out")
    seed: int = 0
    profiles: dict[str, ProfileRecord] = Field(default_factory=dict, description="'targets/NAME' -> file and digest")


class Report(Record):
    """A build, said with numbers."""

    format: Literal["edgekit.report/1"] = Field(SCHEMA, alias="schema")
    tool: str
    verdict: Verdict
    binding: Quantity | None
    budget: Budget
    model: ModelRecord
    targets: tuple[TargetReport, ...]
    steps: tuple[StepRecord, ...]
    surroundings: dict[str, JsonValue]
    inputs: Inputs

    @model_validator(mode="after")
    def _verdict_is_that_of_the_worst_target(self) -> Self:
        if (self.verdict, self.binding) != worst(self.targets):
            msg = f"verdict {self.verdict!r}, binding {self.binding!r} is not that of the worst target"
            raise ValueError(msg)
        return self

    @classmethod
    def of(
        cls,
        *,
        tool: str,
        budget: Budget,
        model: ModelRecord,
        targets: Iterable[TargetReport],
        steps: Iterable[StepRecord],
        surroundings: Mapping[str, JsonValue],
        inputs: Inputs,
    ) -> Self:
        """Make the report; verdict and binding constraint are those of the worst target."""
        made = tuple(targets)
        verdict, binding = worst(made)
        return cls(
            schema=SCHEMA,
            tool=tool,
            verdict=verdict,
            binding=binding,
            budget=budget,
            model=model,
            targets=made,
            steps=tuple(steps),
            surroundings=dict(surroundings),
            inputs=inputs,
        )

    def to_json(self) -> str:
        """One JSON document, indented, keys in the order of the fields, a newline at the end."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            RecipeError: the text is no report of this schema.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            mistakes = [f"{'.'.join(map(str, each['loc'])) or 'report'}: {each['msg']}" for each in error.errors()]
            raise RecipeError(mistakes, hint=f"give a report.json of schema {SCHEMA}") from error


def worst(targets: Iterable[TargetReport]) -> tuple[Verdict, Quantity | None]:
    """Verdict and binding constraint of the worst target (the first of them); of none: inconclusive."""
    ranked = sorted(targets, key=lambda each: _WORST_FIRST.index(each.verdict))
    return (ranked[0].verdict, ranked[0].binding) if ranked else ("inconclusive", None)


def exit_code(report: Report) -> int:
    """The exit code that says how the build went: the first of 5, 4, 6, 1, 3, 0 that occurs; no target at all is 4."""
    found: set[int] = set()
    for target in report.targets:
        found.add(_EXIT_OF_VERDICT[target.verdict])
        found.update(_EXIT_OF_VERDICT[check.verdict] for check in target.checks)
        if target.failure:
            found.add(target.failure.exit_code)
    return next(code for code in EXIT_ORDER if code in found) if found else _EXIT_OF_VERDICT["missing"]


def report_schema() -> dict[str, Any]:
    """The JSON Schema of report.json."""
    return Report.model_json_schema(by_alias=True, mode="serialization")
