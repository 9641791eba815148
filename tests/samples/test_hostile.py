"""Damaged files of every kind: whatever bytes they hold, they are read or refused in words, never with a traceback."""

import io
import json
import wave
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from edgekit.card import read_card
from edgekit.errors import InputError, RecipeError
from edgekit.runner.clips import clip_from_file
from edgekit.runner.pictures import picture_from_bytes
from edgekit.runner.preprocess import Preprocessing, Resize
from edgekit.runner.tokens import Tokens
from edgekit.samples.rows import open_arrays
from edgekit.samples.tables import read_table

hostile = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """Cut the bytes, change some, and put some in."""
    places = st.integers(0, len(data))
    changes = st.lists(st.tuples(places, st.binary(max_size=8), st.integers(0, 8)), min_size=1, max_size=4)

    def apply(changes: list[tuple[int, bytes, int]], end: int) -> bytes:
        result = data
        for place, new, dropped in changes:
            result = result[:place] + new + result[place + dropped :]
        return result[:end]

    return st.builds(apply, changes, places | st.just(len(data) + 32))


def read_or_refused(read: Callable[[], Any]) -> None:
    """Call; only the house's own refusals may leave."""
    with suppress(InputError, RecipeError):
        read()


def picture(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_pictures(kind: str) -> None:
    @hostile
    @given(damaged(picture(kind)))
    def check(data: bytes) -> None:
        read_or_refused(lambda: picture_from_bytes(data, Preprocessing(resize=Resize(4, 4))))

    check()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "compressed"])
def test_archives(tmp_path: Path, save: Callable[..., None]) -> None:
    whole = tmp_path / "whole.npz"
    save(whole, x=PIXELS, y=np.arange(9.0))

    @hostile
    @given(damaged(whole.read_bytes()))
    def check(data: bytes) -> None:
        path = tmp_path / "a.npz"
        path.write_bytes(data)
        read_or_refused(lambda: [rows.whole() for rows in open_arrays(path).values()])

    check()


def test_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.asfortranarray(PIXELS))

    @hostile
    @given(damaged((tmp_path / "whole.npy").read_bytes()))
    def check(data: bytes) -> None:
        path = tmp_path / "a.npy"
        path.write_bytes(data)
        read_or_refused(lambda: [rows.whole() for rows in open_arrays(path).values()])

    check()


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_sounds(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole.{suffix}"
    if suffix == "wav":
        with wave.open(str(whole), "wb") as stream:
            stream.setparams((1, 2, 8000, 0, "NONE", ""))
            stream.writeframes(PIXELS.tobytes()[:200])
    else:
        pytest.importorskip("soundfile").write(whole, PIXELS.ravel().astype(np.int16), 8000)

    @hostile
    @given(damaged(whole.read_bytes()))
    def check(data: bytes) -> None:
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(data)
        read_or_refused(lambda: clip_from_file(path, Preprocessing(sample_rate=8000, seconds=0.1)))

    check()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'text,label\n"one, two",1\nthree,2\n'),
        ("a.tsv", "text\tlabel\none\t1\n"),
        ("a.jsonl", '{"text": "one", "label": 1}\n{"text": "two", "label": 2}\n'),
    ],
)
def test_tables(tmp_path: Path, name: str, text: str) -> None:
    @hostile
    @given(damaged(text.encode()))
    def check(data: bytes) -> None:
        path = tmp_path / name
        path.write_bytes(data)
        read_or_refused(lambda: read_table(path))

    check()


def test_tokenizers(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "[UNK]": 1}, "[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()

    @hostile
    @given(damaged(json.dumps(json.loads(made.to_str())).encode()))
    def check(data: bytes) -> None:
        path = tmp_path / "tokenizer.json"
        path.write_bytes(data)
        read_or_refused(lambda: Tokens(path, 8).encode("a b"))

    check()


def test_cards(root: Path, tmp_path: Path) -> None:
    text = (root / "calibration" / "digits.toml").read_bytes().partition(b"[source]")
    whole = b'name = "digits"\ntask = "image-classification"\nlicence = "CC-BY-4.0"\n' + b"".join(text[1:])

    @hostile
    @given(damaged(whole))
    def check(data: bytes) -> None:
        path = tmp_path / "card.toml"
        path.write_bytes(data)
        read_or_refused(lambda: read_card(path))

    check()
