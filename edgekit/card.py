"""DataCard: what a model is measured on: task, source, licence, preprocessing, and two picks that share no sample.

A card is trusted like a Makefile: it may name Python beside it. Paths in it are relative to its folder.
docs/design.md section 2 shows whole cards; ``edgekit.samples`` turns one into batches of arrays.

>>> read_card(Path("calibration/digits.toml")).task  # doctest: +SKIP
'image-classification'
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, model_validator

from edgekit.preprocessing import Preprocess
from edgekit.profiles import Frozen
from edgekit.reading import read_toml

Task = Literal[
    "image-classification",
    "classification",
    "object-detection",
    "segmentation",
    "text-classification",
    "text-embedding",
    "language-modelling",
    "translation",
    "regression",
    "agreement",
]
PythonName = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
NotEmpty = Annotated[str, Field(min_length=1)]


class ArraysSource(Frozen):
    """NumPy arrays whose first axis counts samples."""

    kind: Literal["arrays"]
    path: NotEmpty = Field(description="an .npz, an .npy (its array is called by the stem) or a folder of .npy files")
    inputs: dict[str, str] = Field(min_length=1, description="model input name = array name")
    labels: dict[str, str] = Field(default_factory=dict, description="label name (target) = array name")
    unit: str = Field("", description="array of what is independent (a speaker, a patient), for a pick's share")


class BoxLabels(Frozen):
    """Boxes of pictures, one a row."""

    path: NotEmpty = Field(description="table (.csv, .tsv; .gz of either) with one row a box")
    file: str = Field("file", description="column with the picture's path")
    columns: tuple[str, ...] = Field(
        ("class_id", "x1", "y1", "x2", "y2"), min_length=1, description="columns that make a box, all numbers"
    )


class FilesSource(Frozen):
    """What pictures and clips share: files in class folders, or a table that lists them."""

    path: NotEmpty = Field(
        description="folder of class folders (classes take turns), or the folder that the table's paths are in"
    )
    input: str = Field("", description="model input that gets the sample; the only one by default")
    labels: str = Field("", description="table (.csv, .tsv; .gz of either) with one row a sample")
    file: str = Field("file", description="the table's column with the path")
    label: str = Field("label", description="the table's column with the label: a number, or a name out of classes")
    unit: str = Field("", description="the table's column of what is independent (a speaker), for a pick's share")
    classes: tuple[str, ...] = Field((), description="class names in order; sorted folder names by default")


class ImagesSource(FilesSource):
    """Pictures: JPEG, PNG, WebP, BMP, GIF (first frame), TIFF or PPM, as stored (an EXIF turn is not applied)."""

    kind: Literal["images"]
    boxes: BoxLabels | None = Field(None, description="boxes for object-detection: label 'boxes'")


class AudioSource(FilesSource):
    """Clips: WAV or FLAC with one channel."""

    kind: Literal["audio"]


class TextSource(Frozen):
    """Sentences, or pairs of sentences, in a table."""

    kind: Literal["text"]
    path: NotEmpty = Field(description=".tsv or .csv with a heading line, .jsonl, or .gz of these")
    text: NotEmpty | Annotated[tuple[str, ...], Field(min_length=1, max_length=2)] = Field(
        description="one column or two"
    )
    label: str = Field("", description="column of the label: a number, or a name (classes)")
    unit: str = Field("", description="column of what is independent, for a pick's share")
    classes: tuple[str, ...] = Field((), description="class names in order; sorted label names by default")
    tokenizer: NotEmpty = Field(description="tokenizer.json of Hugging Face tokenizers")
    max_length: int = Field(128, ge=1, le=1 << 20, description="tokens that a text is cut to")
    pooling: Literal["mean", "cls", "none"] | None = Field(
        None, description="token states to one vector; default: 1_Pooling/config.json beside the tokenizer, else mean"
    )
    normalize: bool = Field(True, description="vectors are scaled to length 1 after pooling")

    @property
    def columns(self) -> tuple[str, ...]:
        """The one or two columns with text."""
        return (self.text,) if isinstance(self.text, str) else self.text


class PythonSource(Frozen):
    """A function beside the card: it gives (inputs, labels), or something to index that gives such pairs."""

    kind: Literal["python"]
    python: PythonName = Field(description="module:function, found in the card's folder first")


Source = Annotated[ArraysSource | ImagesSource | AudioSource | TextSource | PythonSource, Field(discriminator="kind")]


class Pick(Frozen):
    """Which samples: a pool (the source's own, or another of the same form), a share of it, and a draw from that."""

    count: int | None = Field(None, ge=1, description="how many; default: all that are left (calibration: up to 512)")
    seed: int | None = Field(None, ge=0, description="draw without replacement; default: the first ones, in order")
    path: str = Field("", description="another file or folder of the source's form")
    from_: dict[str, str] = Field(default_factory=dict, alias="from", description="other arrays: input name = array")
    from_labels: dict[str, str] = Field(default_factory=dict, description="other arrays: label name = array")
    labels: str = Field("", description="another table of pictures or clips")
    python: PythonName | None = Field(None, description="another function")
    share: Annotated[tuple[float, ...], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="[from, to] in 0..1: this part of the pool in its order; with a unit in the source, this part of "
        "the units in order of first appearance, each with all its samples",
    )

    @model_validator(mode="after")
    def _share_in_order(self) -> "Pick":
        if self.share is not None and not 0 <= self.share[0] < self.share[1] <= 1:
            raise ValueError(f"share takes [from, to] with 0 <= from < to <= 1, got {list(self.share)}")
        return self

    @property
    def elsewhere(self) -> bool:
        """Whether the pick has a pool of its own."""
        return bool(self.path or self.from_ or self.labels or self.python)


class Metric(Frozen):
    """How outputs are judged, where the task's own metric does not do."""

    python: PythonName | None = Field(None, description="module:function(outputs, labels) beside the card")
    better: Literal["higher", "lower"] = Field("higher", description="which way is good")
    output: str = Field("", description="the model output that is judged; the first by default")
    label: str = Field("target", description="the label that it is judged against")


class LatencyShape(Frozen):
    """The shapes that latency is measured at; those of the evaluation samples by default."""

    batch: int | None = Field(None, ge=1, le=4096, description="samples in a call")
    length: int | None = Field(None, ge=1, le=1 << 20, description="tokens of a text")


class DataCard(Frozen):
    """The data of a model: where it lies, how it becomes inputs, and which samples are for what."""

    name: NotEmpty
    task: Task = Field(description="picks metric, post-processing and checks")
    licence: NotEmpty = Field(description="of the data, in words or as SPDX")
    source: Source
    preprocess: dict[str, Preprocess] = Field(default_factory=dict, description="by model input")
    calibration: Pick = Pick()
    evaluation: Pick = Pick()
    metric: Metric = Metric()
    latency: LatencyShape = LatencyShape()
    golden: Literal["synthetic", "samples"] = Field("synthetic", description="a bundle's golden inputs")
    _folder: Path = PrivateAttr(default=Path())

    @property
    def folder(self) -> Path:
        """The folder that the card was read from; its paths are relative to it."""
        return self._folder

    def within(self, folder: Path) -> "DataCard":
        """Return the same card, read as if it lay in ``folder``."""
        card = self.model_copy()
        card._folder = folder  # noqa: SLF001 - a copy of our own
        return card

    @model_validator(mode="after")
    def _picks_fit_the_source(self) -> "DataCard":
        allowed = {
            "arrays": {"path", "from_", "from_labels"},
            "images": {"path", "labels"},
            "audio": {"path", "labels"},
            "text": {"path"},
            "python": {"python"},
        }[self.source.kind]
        mistakes = []
        for name, pick in (("calibration", self.calibration), ("evaluation", self.evaluation)):
            set_here = {key for key in ("path", "from_", "from_labels", "labels", "python") if getattr(pick, key)}
            mistakes += [
                f"{name}.{key.strip('_')} does not go with a source of kind {self.source.kind!r}; "
                f"allowed: {', '.join(sorted(each.strip('_') for each in allowed))}"
                for key in sorted(set_here - allowed)
            ]
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self


def read_card(path: Path) -> DataCard:
    """Read a data card.

    Raises:
        RecipeError: the card cannot be read or holds mistakes; all are named.
    """
    return read_toml(path, DataCard, what="data card").within(path.parent)
