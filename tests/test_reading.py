import os
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, field_validator

from edgekit.errors import RecipeError
from edgekit.profiles import Frozen
from edgekit.reading import closest, noun_from_data, read_toml


class Square(Frozen):
    """One branch of a union."""

    kind: Literal["square"]
    side: float


class Circle(Frozen):
    """The other branch."""

    kind: Literal["circle"]
    radius: float = Field(gt=0)
    centre: tuple[float, ...] = ()


class Drawing(Frozen):
    """A noun with one field of every form that cards and recipes use."""

    name: str
    count: int = 1
    colour: Literal["red", "green", "blue"] = "red"
    shape: Annotated[Square | Circle, Field(discriminator="kind")] | None = None
    width: float | tuple[float, ...] = 1.0
    from_: str = Field("", alias="from")
    labels: dict[str, str] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _no_slash(cls, name: str) -> str:
        if "/" in name:
            raise ValueError(f"a name holds no slash: {name!r}")
        return name


def mistakes_of(folder: Path, text: str | bytes) -> list[str]:
    path = folder / "drawing.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecipeError) as caught:
        read_toml(path, Drawing, what="drawing")
    assert all(mistake.startswith(f"{path}: ") for mistake in caught.value.mistakes)
    assert caught.value.hint
    return [mistake.removeprefix(f"{path}: ") for mistake in caught.value.mistakes]


def test_a_good_file_becomes_the_noun(tmp_path: Path) -> None:
    path = tmp_path / "drawing.toml"
    path.write_text('name = "a"\ncount = 3\nwidth = [1, 2.5]\nfrom = "b"\n[shape]\nkind = "circle"\nradius = 2\n')
    drawing = read_toml(path, Drawing, what="drawing")
    assert drawing == Drawing.model_validate(
        {"name": "a", "count": 3, "width": (1, 2.5), "from": "b", "shape": {"kind": "circle", "radius": 2}}
    )


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    path = tmp_path / "drawing.toml"
    path.write_bytes(b'\xef\xbb\xbfname = "a"\n')
    assert read_toml(path, Drawing, what="drawing").name == "a"


def test_numbers_that_are_not_finite_reach_the_noun(tmp_path: Path) -> None:
    path = tmp_path / "drawing.toml"
    path.write_text('name = "a"\nwidth = inf\n')
    assert read_toml(path, Drawing, what="drawing").width == float("inf")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = 'nmae = "a"\ncount = "3"\ncolour = "gren"\nform = "b"\n[shape]\nkind = "circle"\nradus = 1\n'
    told = mistakes_of(tmp_path, text)
    allowed = "colour, count, from, labels, name, shape, width"
    assert sorted(told) == sorted(
        [
            "name: this key is missing",
            'count: should be a valid integer, got "3"',
            "colour: \"gren\"; allowed: red, green, blue; did you mean 'green'?",
            "shape.radius: this key is missing",
            "shape.radus: unknown key; allowed: centre, kind, radius; did you mean 'radius'?",
            f"nmae: unknown key; allowed: {allowed}; did you mean 'name'?",
            f"form: unknown key; allowed: {allowed}; did you mean 'from'?",
        ]
    )


def test_a_wrong_kind_names_the_kinds(tmp_path: Path) -> None:
    told = mistakes_of(tmp_path, 'name = "a"\n[shape]\nkind = "circel"\n')
    assert told == ["shape.kind: 'circel'; allowed: square, circle; did you mean 'circle'?"]


def test_a_missing_kind_is_named(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, 'name = "a"\n[shape]\nside = 1\n') == ["shape.kind: this key is missing"]


def test_truth_values_and_strings_are_no_numbers(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, 'name = "a"\ncount = true\n') == ["count: should be a valid integer, got true"]


def test_branches_of_a_union_are_told_in_one_sentence(tmp_path: Path) -> None:
    told = mistakes_of(tmp_path, 'name = "a"\nwidth = "wide"\n')
    assert told == ['width: should be a valid number, got "wide" or should be a valid array, got "wide"']


def test_entries_of_arrays_and_odd_keys_are_located(tmp_path: Path) -> None:
    told = mistakes_of(
        tmp_path, 'name = "a"\n[labels]\n"a key" = 1\n[shape]\nkind="circle"\nradius=0\ncentre=[1,"x"]\n'
    )
    assert told == [
        "shape.radius: should be greater than 0, got 0",
        'shape.centre[1]: should be a valid number, got "x"',
        'labels."a key": should be a valid string, got 1',
    ]


def test_a_validators_own_sentence_is_kept(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, 'name = "a/b"\n') == ["name: a name holds no slash: 'a/b'"]


def test_a_long_value_is_shown_in_a_few_characters(tmp_path: Path) -> None:
    (told,) = mistakes_of(tmp_path, f'name = "a"\ncount = "{"x" * 5000}"\n')
    assert len(told) < 150


def test_text_that_is_no_toml_says_where(tmp_path: Path) -> None:
    (told,) = mistakes_of(tmp_path, 'name = "a"\ncount = = 3\n')
    assert told.startswith("this drawing is not TOML: ")
    assert "line 2" in told


@pytest.mark.parametrize("content", [b"name = '\xff'\n", b"\x80\x05\x95", b"\x00"])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, content: bytes) -> None:
    (told,) = mistakes_of(tmp_path, content)
    assert told.startswith(("this drawing is not UTF-8 text", "this drawing is not TOML"))


@pytest.mark.parametrize("text", ["a = " + "[" * 20000, "a = " + "9" * 10000], ids=["nested", "long number"])
def test_text_made_to_break_the_parser_is_refused(tmp_path: Path, text: str) -> None:
    (told,) = mistakes_of(tmp_path, text)
    assert "this drawing is" in told


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.toml"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(RecipeError, match="larger than 1 MiB"):
        read_toml(path, Drawing, what="drawing")


def test_a_missing_file_is_named_with_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "drawing.toml").write_text("")
    with pytest.raises(RecipeError, match=r"drawnig\.toml: no such file; did you mean 'drawing\.toml'\?"):
        read_toml(tmp_path / "drawnig.toml", Drawing, what="drawing")
    with pytest.raises(RecipeError, match=r"no such file$"):
        read_toml(tmp_path / "nowhere" / "x.toml", Drawing, what="drawing")


def test_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="a folder, not a drawing"):
        read_toml(tmp_path, Drawing, what="drawing")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecipeError, match="not a regular file"):
        read_toml(tmp_path / "pipe", Drawing, what="drawing")


def test_names_that_no_system_takes_are_refused() -> None:
    for name in ("a\0b", "x" * 5000):
        with pytest.raises(RecipeError, match=r"cannot be read|no such file"):
            read_toml(Path(name), Drawing, what="drawing")


def test_plain_data_is_checked_like_a_file() -> None:
    with pytest.raises(RecipeError, match=r"--set: count: should be a valid integer"):
        noun_from_data({"name": "a", "count": 1.5}, Drawing, source="--set", what="drawing")


def test_the_nearest_word_is_offered_only_when_near() -> None:
    assert closest("Openvino", ["openvino", "onnxruntime"]) == " did you mean 'openvino'?"
    assert closest("tensorflow", ["openvino", "onnxruntime"]) == ""
