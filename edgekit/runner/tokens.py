"""Text becomes token arrays: the tokenizer.json of Hugging Face tokenizers, cut to a length, padded only on request."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.runner.faults import InputError, missing
from edgekit.runner.preprocess import Array

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_PADS = ("[PAD]", "<pad>", "<|pad|>", "<|endoftext|>")
_TOKENIZER_LIMIT_BYTES = 256 << 20


class Tokens:
    """A tokenizer that gives what a text model takes.

    Args:
        path: tokenizer.json.
        max_length: tokens that a text is cut to, special ones included.

    Raises:
        InputError: the file is missing, too large or no tokenizer.
        MissingExtra: the tokenizers package is not installed.
    """

    def __init__(self, path: Path, max_length: int) -> None:
        self._tokenizer = _load(path)
        self._max_length = max_length
        self._tokenizer.enable_truncation(max_length)
        padding = self._tokenizer.padding or {}
        known = (self._tokenizer.token_to_id(each) for each in _PADS)
        self._pad = int(padding.get("pad_id", next((each for each in known if each is not None), 0)))
        self._tokenizer.no_padding()

    def encode(self, text: str, *, pair: str | None = None, length: int | None = None) -> dict[str, Array]:
        """Encode one text, or two as one sequence.

        Args:
            text: the text.
            pair: a second text of the same sequence.
            length: pad to this many tokens; texts are never cut to it.

        Returns:
            int64 (tokens,) for input_ids, attention_mask and token_type_ids.

        Raises:
            InputError: the text has more than ``length`` tokens, or none.
        """
        try:
            encoded = self._tokenizer.encode(text, pair)
        except Exception as error:  # tokenizers raises plain Exception for a tokenizer.json that contradicts itself
            raise InputError(f"the tokenizer cannot read {text[:60]!r}: {error}") from error
        count = len(encoded.ids)
        if count == 0:
            raise InputError(f"no tokens in {text[:60]!r}")
        if length is not None and count > length:
            raise InputError(f"{count} tokens, the model takes {length}", hint=f"max_length = {length}")
        if count > self._max_length:  # tokenizers does not cut where there is no room beside the special ones
            raise InputError(f"max_length {self._max_length} leaves no room beside the special tokens")
        rest = (length or count) - count
        columns: tuple[tuple[Sequence[int], int], ...] = (
            (encoded.ids, self._pad),
            (encoded.attention_mask, 0),
            (encoded.type_ids, 0),
        )
        return {
            name: np.pad(np.asarray(values, np.int64), (0, rest), constant_values=fill)
            for name, (values, fill) in zip(INPUTS, columns, strict=True)
        }


def _load(path: Path) -> Any:
    """Read tokenizer.json."""
    try:
        import tokenizers  # noqa: PLC0415 - an extra, needed for text alone
    except ImportError as error:
        raise missing("tokenizers", "text") from error
    if not path.is_file():
        raise InputError(f"{path}: no such file", hint="name a tokenizer.json")
    if path.stat().st_size > _TOKENIZER_LIMIT_BYTES:
        raise InputError(f"{path}: larger than 256 MiB, so it is no tokenizer.json")
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exception for every mistake in the file
        raise InputError(f"{path}: no tokenizer: {error}", hint="name a tokenizer.json") from error
