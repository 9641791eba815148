"""Texts of one column, or of two.

Two columns are one sequence (a pair for the tokenizer), except for text-embedding: there each sample stands for two
model calls, first text and second text, whose vectors are compared.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from edgekit.card import DataCard, Pick, TextSource
from edgekit.errors import InputError, RecipeError
from edgekit.reading import closest
from edgekit.runner.runtimes.base import Port
from edgekit.runner.tokens import INPUTS, Tokens
from edgekit.samples.labels import labels_from_column
from edgekit.samples.pool import Array, Labels, Wanted
from edgekit.samples.tables import read_table


class TextPool:
    """Texts that are tokenized when read; see :class:`edgekit.samples.pool.Pool`."""

    def __init__(
        self,
        path: Path,
        texts: Sequence[tuple[str, ...]],
        tokens: Tokens,
        ports: Sequence[Port],
        *,
        apart: bool,
        labels: Labels,
        units: Sequence[str] | None,
    ) -> None:
        self._path = path
        self._texts = texts
        self._tokens = tokens
        self._names = tuple(port.name for port in ports)
        self._length = _fixed_length(ports)
        self._apart = apart
        self.parts = len(texts[0]) if apart else 1
        self.labels = labels
        self.units = units
        self.identity: tuple[str, ...] = (str(path.resolve()),)

    def __len__(self) -> int:
        return len(self._texts)

    def name(self, index: int) -> str:
        """Name the file and the row below the heading."""
        return f"{self._path}, row {index + 1}"

    def digest(self, index: int) -> bytes:
        """Digest the texts."""
        return hashlib.sha256("\0".join(self._texts[index]).encode()).digest()

    def read(self, index: int, part: int) -> dict[str, Array]:
        """Tokenize one text, or one pair."""
        texts = (self._texts[index][part],) if self._apart else self._texts[index]
        try:
            encoded = self._tokens.encode(texts[0], pair=texts[1] if len(texts) > 1 else None, length=self._length)
        except InputError as error:
            raise InputError([f"{self.name(index)}: {told}" for told in error.mistakes], hint=error.hint) from error
        return {name: encoded[name] for name in self._names}


def open_pool(source: TextSource, pick: Pick, wanted: Wanted) -> TextPool:
    """Read the table and the tokenizer of a pick.

    Raises:
        RecipeError: the model has an input that no tokenizer gives, or the card names a column that is not there.
        InputError: a file is missing or damaged.
    """
    unknown = [name for name in wanted.ports if name not in INPUTS]
    if unknown:
        told = [
            f"a tokenizer gives no {name!r}; it gives {', '.join(INPUTS)};{closest(name, INPUTS)}" for name in unknown
        ]
        raise RecipeError(
            [each.rstrip(";") for each in told], hint="feed this model from a source of kind python or arrays"
        )
    folder = wanted.card.folder
    table = read_table(folder / (pick.path or source.path))
    columns = [table.column(column, "source.text") for column in source.columns]
    where = f"{table.path}, column {source.label!r}"
    labels: Labels = {}
    if source.label:
        labels["target"] = labels_from_column(table.column(source.label, "source.label"), source.classes, where)
    units = table.column(source.unit, "source.unit") if source.unit else None
    fixed = _fixed_length(list(wanted.ports.values()))
    tokens = Tokens(folder / source.tokenizer, min(source.max_length, fixed or source.max_length))
    return TextPool(
        table.path,
        list(zip(*columns, strict=True)),
        tokens,
        list(wanted.ports.values()),
        apart=wanted.card.task == "text-embedding",
        labels=labels,
        units=units,
    )


def _fixed_length(ports: Sequence[Port]) -> int | None:
    """Return the number of tokens that the model takes, or None where it takes any."""
    lengths = {port.shape[-1] for port in ports if port.shape and port.shape[-1] is not None}
    return max((length for length in lengths if length is not None), default=None)


def pooling_of(card: DataCard) -> str:
    """Say how token states become one vector: the card's word, else sentence-transformers' file, else ``mean``.

    Returns:
        ``mean``, ``cls`` or ``none``.

    Raises:
        InputError: 1_Pooling/config.json beside the tokenizer cannot be read, or names another way.
    """
    if not isinstance(card.source, TextSource):
        return "none"
    if card.source.pooling is not None:
        return card.source.pooling
    path = (card.folder / card.source.tokenizer).parent / "1_Pooling" / "config.json"
    if not path.is_file():
        return "mean"
    try:
        chosen = {key for key, value in json.loads(path.read_text("utf-8")).items() if value is True}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: cannot be read: {error}", hint="name source.pooling in the card") from error
    for word, key in (("cls", "pooling_mode_cls_token"), ("mean", "pooling_mode_mean_tokens")):
        if key in chosen:
            return word
    raise InputError(f"{path}: names no pooling that is known", hint="source.pooling = mean | cls | none in the card")
