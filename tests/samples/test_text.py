import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgekit.card import DataCard
from edgekit.errors import InputError, RecipeError
from edgekit.runner.runtimes.base import Port
from edgekit.samples.sets import Samples
from edgekit.samples.text import pooling_of

Open = Callable[..., Samples]
IDS = Port("input_ids", "int64", (None, None))
MASK = Port("attention_mask", "int64", (None, None))
TYPES = Port("token_type_ids", "int64", (None, None))
SINGLE = {"kind": "text", "path": "a.tsv", "text": "text", "label": "label", "tokenizer": "tokenizer.json"}
PAIRS = {**SINGLE, "path": "pairs.tsv.gz", "text": ["first", "second"], "label": "score"}
WORDS = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "good": 4, "bad": 5, "film": 6}


@pytest.fixture(autouse=True)
def texts(tmp_path: Path) -> None:
    """A word tokenizer, four labelled texts, and three scored pairs."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(WORDS, "[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "a.tsv").write_text("text\tlabel\ngood\t1\nbad film\t0\ngood film\t1\nbad\t0\n")
    pairs = "first\tsecond\tscore\ngood\tgood film\t4.5\nbad\tgood\t1\nfilm\tfilm\t5\n"
    (tmp_path / "pairs.tsv.gz").write_bytes(gzip.compress(pairs.encode()))


def test_texts_feed_the_inputs_that_the_model_has(open_card: Open) -> None:
    samples = open_card(SINGLE, IDS, MASK, task="text-classification", calibration={"count": 1})
    assert {name: array.tolist() for name, array in samples.evaluation[0].items()} == {
        "input_ids": [[2, 5, 6, 3]],
        "attention_mask": [[1, 1, 1, 1]],
    }
    assert samples.evaluation.labels["target"].tolist() == [0, 1, 0]
    assert samples.evaluation.per_label == 1
    assert samples.evaluation.name(0).endswith("a.tsv, row 2")


def test_batches_stack_texts_of_one_length_only(open_card: Open) -> None:
    samples = open_card(SINGLE, IDS, calibration={"count": 1})
    assert [feeds["input_ids"].shape for feeds in samples.evaluation.batches(8)] == [(2, 4), (1, 3)]


def test_a_model_of_fixed_length_gets_padded_and_cut_texts(open_card: Open) -> None:
    port = Port("input_ids", "int32", (1, 3))
    samples = open_card(SINGLE, port, calibration={"count": 1})
    assert [feeds["input_ids"].tolist() for feeds in samples.evaluation] == [[[2, 5, 3]], [[2, 4, 3]], [[2, 5, 3]]]
    longer = open_card(SINGLE, Port("input_ids", "int64", (1, 6)), calibration={"count": 1})
    assert longer.evaluation[2]["input_ids"].tolist() == [[2, 5, 3, 0, 0, 0]]


def test_pairs_to_compare_are_two_units_a_sample(open_card: Open) -> None:
    samples = open_card(PAIRS, IDS, task="text-embedding", calibration={"count": 1})
    evaluation = samples.evaluation
    assert evaluation.per_label == 2
    assert len(evaluation) == 4
    assert [feeds["input_ids"][0, 1:-1].tolist() for feeds in evaluation] == [[5], [4], [6], [6]]
    assert evaluation.labels["target"].tolist() == [1.0, 5.0]


def test_pairs_of_other_tasks_are_one_sequence(open_card: Open) -> None:
    samples = open_card(PAIRS, IDS, TYPES, task="regression", calibration={"count": 1})
    assert len(samples.evaluation) == 2
    assert samples.evaluation[0]["input_ids"].tolist() == [[2, 5, 3, 4, 3]]
    assert samples.evaluation[0]["token_type_ids"].tolist() == [[0, 0, 0, 1, 1]]


def test_class_names_become_numbers(open_card: Open, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text\tlabel\ngood\tplus\nbad\tminus\nfilm\tplus\n")
    samples = open_card(SINGLE, IDS, task="text-classification", calibration={"count": 1})
    assert samples.evaluation.labels["target"].tolist() == [0, 1]
    named = open_card({**SINGLE, "classes": ["plus", "minus"]}, IDS, calibration={"count": 1})
    assert named.evaluation.labels["target"].tolist() == [1, 0]


def test_equal_texts_are_dropped_from_calibration(open_card: Open, tmp_path: Path) -> None:
    (tmp_path / "b.tsv").write_text("text\tlabel\ngood\t1\nfilm\t0\n")
    samples = open_card(SINGLE, IDS, calibration={"path": "b.tsv"})
    assert samples.dropped == 1
    assert len(samples.calibration) == 1


def test_inputs_that_no_tokenizer_gives_are_told(open_card: Open) -> None:
    with pytest.raises(RecipeError, match="a tokenizer gives no 'position_ids'") as caught:
        open_card(SINGLE, IDS, Port("position_ids", "int64", (None, None)), Port("input_idz", "int64", (None, None)))
    assert caught.value.mistakes[1].endswith("did you mean 'input_ids'?")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({**SINGLE, "path": "no.tsv"}, r"no\.tsv: no such file"),
        ({**SINGLE, "text": "texts"}, r"source\.text: no column 'texts' .* did you mean 'text'\?"),
        ({**SINGLE, "label": "lable"}, r"source\.label: no column 'lable'"),
        ({**SINGLE, "tokenizer": "no.json"}, r"no\.json: no such file"),
        ({**SINGLE, "max_length": 1}, r"a\.tsv, row 1: max_length 1 leaves no room"),
    ],
)
def test_what_the_card_names_must_be_there(open_card: Open, source: dict[str, Any], message: str) -> None:
    with pytest.raises((InputError, RecipeError), match=message):
        open_card(source, IDS)


def card(tmp_path: Path, **words: Any) -> DataCard:
    data = {"name": "a", "task": "text-embedding", "licence": "CC0", "source": {**PAIRS, **words}}
    return DataCard.model_validate(data).within(tmp_path)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "cls"),
    ],
)
def test_pooling_is_read_beside_the_tokenizer(tmp_path: Path, config: dict[str, bool], expected: str) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(config))
    assert pooling_of(card(tmp_path)) == expected
    assert pooling_of(card(tmp_path, pooling="none")) == "none"


def test_pooling_is_the_mean_where_nothing_says_otherwise(tmp_path: Path) -> None:
    assert pooling_of(card(tmp_path)) == "mean"


@pytest.mark.parametrize("text", ["not JSON", "[1]", '{"pooling_mode_max_tokens": true}'])
def test_a_pooling_file_that_says_nothing_known_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json: (cannot be read|names no pooling)"):
        pooling_of(card(tmp_path))
