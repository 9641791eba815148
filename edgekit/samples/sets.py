"""SampleSet: a card's picks as model feeds, one at a time or stacked, the same bytes every time.

>>> samples = open_samples(card, session.inputs)        # doctest: +SKIP
>>> len(samples.evaluation), samples.dropped            # doctest: +SKIP
(5000, 0)
>>> session.infer(samples.evaluation[0])                # doctest: +SKIP

Rules: opening reads heads, tables and digests and prepares the first sample of each pick, so that most mistakes are
told before any work; after that a sample is read when it is asked for, and nothing is kept, so memory is flat. A
calibration sample that equals an evaluation sample (all inputs together, as stored) is dropped and counted.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.card import ArraysSource, AudioSource, DataCard, ImagesSource, Pick, PythonSource, TextSource
from edgekit.errors import InputError, RecipeError
from edgekit.reading import closest
from edgekit.runner.preprocess import finish, preprocessing_from_json
from edgekit.runner.runtimes.base import Port
from edgekit.samples import arrays, files, python, text
from edgekit.samples.labels import check_labels
from edgekit.samples.picks import CALIBRATION_DEFAULT, allot, allot_one
from edgekit.samples.pool import Array, Labels, Pool, Wanted

_DTYPES = frozenset(
    ("bool", "float16", "float32", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
)


class SampleSet:
    """Picked samples of a pool, as feeds of a model.

    Attributes:
        labels: one array for each label; first axis one entry for ``per_label`` units.
        per_label: units that one label entry stands for: 2 for pairs of texts (2k and 2k + 1 are pair k), else 1.
        sha256: over the stored samples, their labels and preprocessing; equal sets feed equal bytes to one model.
        stacks: whether samples can be stacked along the first axis.
    """

    def __init__(self, pool: Pool, indices: Sequence[int], wanted: Wanted, labels: Labels, sha256: str) -> None:
        self._pool = pool
        self._indices = indices
        self._wanted = wanted
        self.labels = labels
        self.per_label = pool.parts
        self.sha256 = sha256
        first = pool.read(indices[0], 0)
        self._fit(0, first)
        self.stacks = all(
            port.shape[:1] == (None,) and _prepared(first[port.name], port, wanted).ndim < len(port.shape)
            for port in wanted.ports.values()
        )

    def __len__(self) -> int:
        return len(self._indices) * self.per_label

    def __getitem__(self, unit: int) -> dict[str, Array]:
        """Read, prepare and check one unit: full rank and dtype of the ports.

        Raises:
            IndexError: there is no such unit.
            InputError: the sample is damaged or does not fit the model.
        """
        if not 0 <= unit < len(self):
            raise IndexError(unit)
        position, part = divmod(unit, self.per_label)
        return self._fit(position, self._pool.read(self._indices[position], part))

    def __iter__(self) -> Iterator[dict[str, Array]]:
        return (self[unit] for unit in range(len(self)))

    def batches(self, size: int) -> Iterator[dict[str, Array]]:
        """Yield all units in order: up to ``size`` of one shape stacked along axis 0, or one by one."""
        waiting: list[dict[str, Array]] = []
        for feeds in self:
            if waiting and (len(waiting) == size or not self.stacks or _shapes(feeds) != _shapes(waiting[0])):
                yield _stacked(waiting)
                waiting = []
            waiting.append(feeds)
        if waiting:
            yield _stacked(waiting)

    def name(self, unit: int) -> str:
        """Say which sample a unit is, for messages."""
        return self._pool.name(self._indices[unit // self.per_label])

    def _fit(self, position: int, raw: dict[str, Array]) -> dict[str, Array]:
        """Prepare raw arrays for the ports; every way in which they do not fit is told with the sample's name."""
        feeds, mistakes = {}, []
        for name, port in self._wanted.ports.items():
            try:
                feeds[name] = _fit_port(raw[name], port, self._wanted)
            except InputError as error:
                mistakes += [f"input {name!r}: {mistake}" for mistake in error.mistakes]
        if mistakes:
            sample = self._pool.name(self._indices[position])
            hint = "make the data fit the model's inputs: layout, resize, crop in [preprocess.<input>] of the card"
            raise InputError([f"{sample}: {mistake}" for mistake in mistakes], hint=hint)
        return feeds


@dataclass(frozen=True)
class Samples:
    """Two sets without a common sample, and how many calibration samples were dropped to make it so."""

    calibration: SampleSet
    evaluation: SampleSet
    dropped: int


def open_samples(card: DataCard, ports: Sequence[Port]) -> Samples:
    """Open a card's samples for a model's inputs.

    Raises:
        RecipeError: the card does not fit the model, or its picks ask for what is not there.
        InputError: a file is missing or damaged, a sample is not finite or does not fit, a label cannot be right.
        MissingExtra: FLAC or text without the package that reads it.
    """
    how = {name: preprocessing_from_json(each.model_dump()) for name, each in card.preprocess.items()}
    wanted = Wanted(card, {port.name: port for port in ports}, how)
    _check_names(card, ports)
    judged_pool = _open_pool(card.evaluation, wanted)
    seen_pool = (
        judged_pool
        if not card.calibration.elsewhere and not card.evaluation.elsewhere
        else _open_pool(card.calibration, wanted)
    )
    if seen_pool.identity == judged_pool.identity:
        seen, judged = allot(len(judged_pool), card.calibration, card.evaluation, units=judged_pool.units)
    else:
        seen = allot_one(len(seen_pool), card.calibration, "calibration", seen_pool.units, CALIBRATION_DEFAULT)
        judged = allot_one(len(judged_pool), card.evaluation, "evaluation", judged_pool.units)
    judged_digests = [judged_pool.digest(index) for index in judged]
    known = set(judged_digests)
    seen_digests = {index: seen_pool.digest(index) for index in seen}
    kept = [index for index in seen if seen_digests[index] not in known]
    if not kept:
        told = f"calibration: all {len(seen)} samples are evaluation samples too"
        raise RecipeError(told, hint="calibrate on other samples than those that are judged")
    judged_labels = check_labels(card, _labels_at(judged_pool, judged), len(judged))
    calibration = _make_set(seen_pool, kept, wanted, _labels_at(seen_pool, kept), [seen_digests[each] for each in kept])
    evaluation = _make_set(judged_pool, judged, wanted, judged_labels, judged_digests)
    return Samples(calibration, evaluation, len(seen) - len(kept))


def _check_names(card: DataCard, ports: Sequence[Port]) -> None:
    """Every name that the card gives to a model input must be one, and every input must get something."""
    inputs = [port.name for port in ports]
    mistakes = [
        f"model input {port.name!r} takes {port.dtype}; samples are integers, floats or bool"
        for port in ports
        if port.dtype not in _DTYPES
    ]
    named = {"preprocess": list(card.preprocess)}
    if isinstance(card.source, ArraysSource):
        named["source.inputs"] = list(card.source.inputs)
        mistakes += [
            f"model input {name!r} is not in source.inputs" for name in inputs if name not in card.source.inputs
        ]
    elif isinstance(card.source, ImagesSource | AudioSource) and card.source.input:
        named["source.input"] = [card.source.input]
        mistakes += [f"model input {name!r} gets no samples" for name in inputs if name != card.source.input]
    for key, names in named.items():
        for name in names:
            if name not in inputs:
                guess = closest(name, inputs)
                told = f"{key}.{name}: the model has no such input; inputs: {', '.join(inputs)}"
                mistakes.append(told + (f";{guess}" if guess else ""))
    if mistakes:
        raise RecipeError(mistakes, hint=f"correct the data card {card.name!r}")


def _open_pool(pick: Pick, wanted: Wanted) -> Pool:
    """Open the pool of a pick with the file of its kind."""
    source = wanted.card.source
    if isinstance(source, ArraysSource):
        return arrays.open_pool(source, pick, wanted)
    if isinstance(source, TextSource):
        return text.open_pool(source, pick, wanted)
    if isinstance(source, PythonSource):
        pool = python.open_pool(source, pick, wanted)
        _check_given(pool, list(wanted.ports))
        return pool
    return files.open_pool(source, pick, wanted)


def _check_given(pool: python.PythonPool, inputs: Sequence[str]) -> None:
    given = list(pool.read(0, 0))
    if sorted(given) != sorted(inputs):
        told = f"{pool.name(0)}: gives {', '.join(given) or 'nothing'}; the model's inputs are {', '.join(inputs)}"
        raise RecipeError(told, hint="name the function's inputs as the model does")


def _fit_port(raw: Array, port: Port, wanted: Wanted) -> Array:
    """Prepare one raw array: a row of one rank less than the port is a batch of one."""
    array = _prepared(raw, port, wanted)
    if array.ndim == len(port.shape) - 1:
        array = array[None]
    fits = len(array.shape) == len(port.shape) and all(
        want is None or want == got for want, got in zip(port.shape, array.shape, strict=True)
    )
    if not fits:
        shape = [each or "any" for each in port.shape]
        raise InputError(f"shape {list(array.shape)} does not fit the model's {shape}")
    return array


def _prepared(raw: Array, port: Port, wanted: Wanted) -> Array:
    return finish(raw, wanted.preparation(port.name), port.dtype)


def _labels_at(pool: Pool, indices: Sequence[int]) -> Labels:
    return {name: array[np.asarray(indices)] for name, array in pool.labels.items()}


def _make_set(
    pool: Pool, indices: Sequence[int], wanted: Wanted, labels: Labels, digests: Sequence[bytes]
) -> SampleSet:
    """Make a set and its digest."""
    digest = hashlib.sha256()
    how = {name: each.model_dump(mode="json") for name, each in sorted(wanted.card.preprocess.items())}
    source = wanted.card.source.model_dump(mode="json") if isinstance(wanted.card.source, TextSource) else {}
    digest.update(json.dumps([how, source], sort_keys=True).encode())
    for each in digests:
        digest.update(each)
    for name, array in sorted(labels.items()):
        digest.update(f"{name}\0{array.dtype}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return SampleSet(pool, indices, wanted, labels, digest.hexdigest())


def _shapes(feeds: dict[str, Array]) -> list[tuple[int, ...]]:
    return [array.shape for array in feeds.values()]


def _stacked(waiting: Sequence[dict[str, Array]]) -> dict[str, Array]:
    if len(waiting) == 1:
        return waiting[0]
    return {name: np.concatenate([feeds[name] for feeds in waiting]) for name in waiting[0]}
