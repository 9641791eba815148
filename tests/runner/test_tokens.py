import json
import sys
from pathlib import Path

import pytest

from edgekit.runner.faults import InputError, MissingExtra
from edgekit.runner.tokens import Tokens

WORDS = {"[PAD]": 3, "[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 4, "cat": 5, "sat": 6}


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A word tokenizer in BERT's form: [CLS] text [SEP] pair [SEP]."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(WORDS, "[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    return path


def test_a_text_becomes_ids_mask_and_types(tokenizer: Path) -> None:
    encoded = Tokens(tokenizer, 8).encode("a cat dog")
    assert {name: array.tolist() for name, array in encoded.items()} == {
        "input_ids": [1, 4, 5, 0, 2],
        "attention_mask": [1, 1, 1, 1, 1],
        "token_type_ids": [0, 0, 0, 0, 0],
    }
    assert {array.dtype.name for array in encoded.values()} == {"int64"}


def test_a_pair_is_one_sequence_of_two_types(tokenizer: Path) -> None:
    encoded = Tokens(tokenizer, 8).encode("a", pair="cat sat")
    assert encoded["input_ids"].tolist() == [1, 4, 2, 5, 6, 2]
    assert encoded["token_type_ids"].tolist() == [0, 0, 0, 1, 1, 1]


def test_a_long_text_is_cut_with_its_special_tokens_kept(tokenizer: Path) -> None:
    assert Tokens(tokenizer, 4).encode("a cat sat a cat sat")["input_ids"].tolist() == [1, 4, 5, 2]


def test_padding_comes_on_request_with_the_tokenizers_own_pad(tokenizer: Path) -> None:
    encoded = Tokens(tokenizer, 8).encode("a", length=6)
    assert encoded["input_ids"].tolist() == [1, 4, 2, 3, 3, 3]
    assert encoded["attention_mask"].tolist() == [1, 1, 1, 0, 0, 0]


def test_padding_that_the_file_asks_for_is_not_applied(tokenizer: Path) -> None:
    data = json.loads(tokenizer.read_text())
    data["padding"] = {
        "strategy": {"Fixed": 16},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 6,
        "pad_type_id": 0,
        "pad_token": "sat",
    }
    tokenizer.write_text(json.dumps(data))
    tokens = Tokens(tokenizer, 8)
    assert tokens.encode("a")["input_ids"].tolist() == [1, 4, 2]
    assert tokens.encode("a", length=4)["input_ids"].tolist() == [1, 4, 2, 6]


def test_a_text_longer_than_the_model_takes_is_refused(tokenizer: Path) -> None:
    with pytest.raises(InputError, match="5 tokens, the model takes 4") as caught:
        Tokens(tokenizer, 8).encode("a cat sat", length=4)
    assert caught.value.hint == "max_length = 4"


def test_a_length_without_room_for_special_tokens_is_refused(tokenizer: Path) -> None:
    with pytest.raises(InputError, match="max_length 1 leaves no room beside the special tokens"):
        Tokens(tokenizer, 1).encode("a cat")
    with pytest.raises(InputError, match="max_length 2 leaves no room"):
        Tokens(tokenizer, 2).encode("a", pair="cat")


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe", b'{"model": {"type": "Nothing"}}'])
def test_other_files_are_no_tokenizer(tmp_path: Path, data: bytes) -> None:
    pytest.importorskip("tokenizers")
    path = tmp_path / "tokenizer.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"{path}: no tokenizer"):
        Tokens(path, 8)


def test_missing_and_huge_files_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    with pytest.raises(InputError, match="no such file"):
        Tokens(tmp_path / "tokenizer.json", 8)
    with (tmp_path / "huge.json").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(InputError, match="larger than 256 MiB"):
        Tokens(tmp_path / "huge.json", 8)


def test_without_its_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtra) as caught:
        Tokens(tmp_path / "tokenizer.json", 8)
    assert caught.value.hint == 'pip install "edgekit[text]"'


def test_a_text_without_tokens_is_refused(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(WORDS, "[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "bare.json"))
    with pytest.raises(InputError, match="no tokens in '  '"):
        Tokens(tmp_path / "bare.json", 8).encode("  ")
