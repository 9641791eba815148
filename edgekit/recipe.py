"""Recipe: a model, steps, targets, data and a budget; and what a step is given and gives back.

A step is a frozen dataclass whose fields are its options; calling it with a model and a :class:`Given`
returns an :class:`Outcome`. What lies above a step is handed to it, never imported by it.

A recipe is said in words (:class:`RecipeWords`: a TOML file, or the command line), which
:mod:`edgekit.resolving` turns into a :class:`Recipe`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import ConfigDict, Field

from edgekit.artifact import Artifact
from edgekit.card import DataCard
from edgekit.profiles import Frozen, Target
from edgekit.report import Budget

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is."""


def silent(_what: str, _done: int, _total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Given:
    """What a step is handed: the surroundings of the work, and a folder to write in.

    Attributes:
        card: the data, or None where a model alone is worked on.
        target: what the result is for.
        folder: an empty folder of this step alone.
        threads: how many threads the target's runtime gets.
        seed: of every draw.
        score: gives the card's metric in points for a model; None outside a build.
        price: exports, compiles and measures milliseconds on the target; None outside a build.
    """

    card: DataCard | None
    target: Target
    folder: Path
    threads: int = 1
    seed: int = 0
    progress: Progress = silent
    score: Callable[[Artifact], float] | None = None
    price: Callable[[Artifact], float] | None = None


@dataclass(frozen=True)
class Outcome:
    """What a step did: the model, whether it changed, and plain numbers with a unit in the name."""

    model: Artifact
    changed: bool
    facts: Mapping[str, object] = field(default_factory=dict)


class Step(Protocol):
    """A frozen dataclass of options that turns one model into another."""

    def __call__(self, model: Artifact, given: Given) -> Outcome:
        """Work on ``model`` inside ``given.folder``."""
        ...


class StepWords(Frozen):
    """One ``[[step]]``: the name of the step, and its options, which the step itself checks."""

    model_config = ConfigDict(extra="allow", frozen=True)

    use: str = Field(description="name of a step, as 'edgekit list steps' shows it")


class BudgetWords(Frozen):
    """What the result may cost; what is not said has no limit, except the accuracy."""

    drop_points: float | None = Field(None, ge=0, description="largest drop in points; 1.0 when not said")
    p90_ms: float | None = Field(None, gt=0, description="largest 90th percentile of the latency")
    size_mib: float | None = Field(None, gt=0, description="largest sum of the artifact's files")
    rss_mib: float | None = Field(None, gt=0, description="largest peak of resident memory")

    def budget(self) -> Budget:
        """The budget of the build, with the default drop marked as such."""
        said = self.model_dump(exclude_none=True)
        return Budget(**said, drop_is_default="drop_points" not in said)


class RecipeWords(Frozen):
    """A recipe as its file says it; paths are relative to the file."""

    model: str = Field(description="an ONNX file, or 'module:factory' of a torch module")
    weights: str | None = Field(None, description="a safetensors file with the weights of a torch module")
    targets: tuple[str, ...] = Field(min_length=1, description="names or paths of targets")
    data: str = Field(description="name or path of a data card")
    device: Literal["this-machine"] = Field("this-machine", description="where the budget is judged")
    threads: int = Field(1, ge=1, le=1024, description="threads that the runtime gets; budgets are judged there")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of every draw")
    step: tuple[StepWords, ...] = Field((), description="steps in their order; none: quantize as the target says")
    budget: BudgetWords = Field(BudgetWords(), description="what the result may cost")


@dataclass(frozen=True)
class Recipe:
    """A recipe whose every name is resolved.

    Attributes:
        model: the ONNX file, or ``module:factory`` where ``weights`` belong to a torch module.
        steps: name and step, in order; none means: quantize as each target says.
        profiles: ``targets/NAME`` or ``calibration/NAME`` -> the file that the word was resolved to.
        folder: the recipe's folder, else the working directory: where names are looked for first.
        words: what the recipe was resolved from, after the command line had its say.
    """

    model: Path | str
    weights: Path | None
    targets: tuple[Target, ...]
    card: DataCard
    steps: tuple[tuple[str, Step], ...]
    budget: Budget
    threads: int
    seed: int
    device: str
    folder: Path
    profiles: Mapping[str, Path]
    words: RecipeWords

    @property
    def name(self) -> str:
        """What the build is called: the stem of the model's file, or the factory's name."""
        return self.model.stem if isinstance(self.model, Path) else self.model.partition(":")[2]


def toml_from_recipe(recipe: Recipe) -> str:
    """Write a resolved recipe as TOML that builds the same from any folder: files by their absolute paths.

    A default drop stays unsaid, so that it is a default again.
    """
    words = recipe.words
    targets = [recipe.profiles[f"targets/{word}"] for word in dict.fromkeys(words.targets)]
    lines = [
        f"model = {_toml(str(recipe.model.absolute()) if isinstance(recipe.model, Path) else recipe.model)}",
        *([f"weights = {_toml(str(recipe.weights.absolute()))}"] if recipe.weights else []),
        f"targets = {_toml([str(path.absolute()) for path in targets])}",
        f"data = {_toml(str(recipe.profiles[f'calibration/{words.data}'].absolute()))}",
        *(f"{key} = {_toml(getattr(recipe, key))}" for key in ("device", "threads", "seed")),
    ]
    for step in words.step:
        lines += ["", "[[step]]", *(f"{_toml_key(key)} = {_toml(value)}" for key, value in step.model_dump().items())]
    budget = words.budget.model_dump(exclude_none=True)
    lines += ["", "[budget]", *(f"{key} = {_toml(value)}" for key, value in budget.items())]
    return "\n".join(lines) + "\n"


def _toml_key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _toml(key)


def _toml(value: Any) -> str:
    """Write a value that came from TOML as TOML; JSON's strings, numbers and booleans are written alike."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_toml_key(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, default=str, ensure_ascii=False).replace("\x7f", "\\u007F")
