import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError, RecipeError
from edgekit.samples.tables import read_table


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    data = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") and not isinstance(text, bytes) else data)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'text,label\n"one, two",1\nthree,2\n'),
        ("a.csv", '\ufefftext,label\r\n"one, two",1\r\n\r\nthree,2\r\n'),
        ("a.tsv", "text\tlabel\none, two\t1\nthree\t2"),
        ("a.jsonl", '{"text": "one, two", "label": 1}\n\n{"label": 2, "text": "three"}\n'),
        ("a.csv.gz", 'text,label\n"one, two",1\nthree,2\n'),
        ("a.tsv.gz", "text\tlabel\none, two\t1\nthree\t2\n"),
        ("a.JSONL", '{"text": "one, two", "label": 1}\n{"text": "three", "label": 2}\n'),
    ],
)
def test_every_form_gives_the_same_columns(tmp_path: Path, name: str, text: str) -> None:
    table = read_table(write(tmp_path, name, text))
    assert table.columns == {"text": ["one, two", "three"], "label": ["1", "2"]}
    assert len(table) == 2


def test_quotes_in_tsv_are_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.tsv", 'text\n"half a quote\n'))
    assert table.columns["text"] == ['"half a quote']


def test_numbers_of_jsonl_are_kept_as_written(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.jsonl", '{"score": 2.5, "ok": true}\n'))
    assert table.columns == {"score": ["2.5"], "ok": ["true"]}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_any_text_survives_jsonl(tmp_path: Path, texts: list[str]) -> None:
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    assert read_table(write(tmp_path, "a.jsonl", lines)).columns["text"] == texts


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "text\n", "not a table"),
        ("a.gz", "text\n", "not a table"),
        ("a.csv", "", "no rows below the heading line"),
        ("a.csv", "text,label\n", "no rows below the heading line"),
        ("a.csv", "text,label\none\n", r"line 2: 1 entries, 2 columns"),
        ("a.csv", "text,text\none,two\n", "a column name occurs twice"),
        ("a.csv", 'text\n"never closed\n', r"line 2: unexpected end of data"),
        ("a.csv", b"text\n\xff\xfe\n", "not UTF-8: invalid start byte at byte 5"),
        ("a.csv.gz", b"no gzip", "cannot be read"),
        ("a.csv.gz", gzip.compress(b"text\n" * 1000, mtime=0)[:-20], "cannot be read"),
        ("a.jsonl", "", "no rows"),
        ("a.jsonl", "[1, 2]\n", "line 1: not a JSON object"),
        ("a.jsonl", "{}\n", "no rows"),
        ("a.jsonl", '{"a": 1}\n{"b": 1}\n', "line 2: keys b differ from the first line's a"),
        ("a.jsonl", '{"a": 1}\n{"a": \n', "line 2: no JSON"),
        ("a.jsonl", "[" * 100_000, "line 1: no JSON"),
        ("a.csv", "text\n" + "x" * 200_000 + "\n", "field larger than field limit"),
    ],
)
def test_damage_is_named_with_its_line(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(InputError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.csv: no such file"):
        read_table(tmp_path / "a.csv")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(InputError, match=r"b\.csv: no such file"):
        read_table(tmp_path / "b.csv")


def test_an_archive_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekit.samples.tables._LIMIT_BYTES", 1000)
    with pytest.raises(InputError, match="more than 256 MiB of text"):
        read_table(write(tmp_path, "a.csv.gz", "text\n" * 1000))


def test_a_column_that_is_not_there_is_told_with_its_neighbours(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.csv", "text,label\none,1\n"))
    assert table.column("label", "source.label") == ["1"]
    with pytest.raises(RecipeError, match=r"source\.label: no column 'labels' .*text, label; did you mean 'label'\?"):
        table.column("labels", "source.label")
