"""What bad data gets, and a card that is wrong: error and hint lines, exit code 2, nothing half-written."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

BUILD = ("build", "recipe.toml", "-o", "out")


def misspelt(project: Any) -> None:
    project.swap("card.toml", "licence", "licens")
    project.swap("card.toml", "share = [0.0, 0.5]", "cuont = 4")


def not_a_number(images: np.ndarray) -> np.ndarray:
    images[30, 0, 0, 0] = np.nan
    return images


def ninth_class(labels: np.ndarray) -> np.ndarray:
    labels[-1] = 9
    return labels


CARD: dict[str, tuple[Callable[[Any], object], tuple[str, ...], tuple[str, ...]]] = {
    "none": (lambda _: None, ("no data card is given",), ("build", "model.onnx", "-o", "out")),
    "no such file": (lambda p: p.remove("card.toml"), ("card.toml: no such file",), BUILD),
    "an unknown name": (lambda _: None, ("unknown data card 'digitz'",), (*BUILD, "-d", "digitz")),
    "a folder": (
        lambda p: (p.folder / "d.toml").mkdir(),
        ("this is a folder, not a data card",),
        (*BUILD, "-d", "d.toml"),
    ),
    "no TOML": (lambda p: p.write("card.toml", "name = "), ("this data card is not TOML",), BUILD),
    "not text": (lambda p: p.write("card.toml", b"\xff\xfe\x00"), ("is not UTF-8 text",), BUILD),
    "misspelt keys, all at once": (
        misspelt,
        (
            "licens: unknown key",
            "did you mean 'licence'?",
            "licence: this key is missing",
            "calibration.cuont",
            "did you mean 'count'?",
        ),
        BUILD,
    ),
    "an unknown task": (
        lambda p: p.swap("card.toml", "image-class", "imagee-class"),
        ("task: ", "did you mean 'image-classification'?"),
        BUILD,
    ),
    "an array that is not there": (
        lambda p: p.swap("card.toml", '"images"', '"imagez"'),
        ("'imagez'", "did you mean 'images'?"),
        BUILD,
    ),
    "an input that the model has not": (
        lambda p: p.swap("card.toml", 'image = "images"', 'picture = "images"'),
        ("source.inputs.picture: the model has no such input", "model input 'image'"),
        BUILD,
    ),
    "no labels where the task needs them": (
        lambda p: p.swap("card.toml", '[source.labels]\ntarget = "labels"\n', ""),
        ("needs labels",),
        BUILD,
    ),
    "a metric that is not there": (
        lambda p: p.add("card.toml", '[metric]\npython = "metrics:ap50"\n'),
        ("metrics",),
        BUILD,
    ),
}
DATA: dict[str, tuple[Callable[[Any], object], tuple[str, ...]]] = {
    "missing": (lambda p: p.remove("squares.npz"), ("squares.npz",)),
    "damaged": (lambda p: p.write("squares.npz", b"PK\x03\x04 and no more"), ("squares.npz",)),
    "a pickle": (lambda p: p.arrays(images=np.array([{}, []], dtype=object)), ("images",)),
    "text": (lambda p: p.arrays(images=np.array(["a"] * 40)), ("image",)),
    "complex numbers": (lambda p: p.arrays(images=lambda old: old * 1j), ("image",)),
    "a rank that does not fit": (lambda p: p.arrays(images=lambda old: old.reshape(40, 8, 4, 2, 1, 1)), ("image",)),
    "a size that does not fit": (lambda p: p.arrays(images=lambda old: old[..., :7]), ("image",)),
    "no samples": (lambda p: p.arrays(images=lambda old: old[:0], labels=lambda old: old[:0]), ("sample",)),
    "one sample": (lambda p: p.arrays(images=lambda old: old[:1], labels=lambda old: old[:1]), ("sample",)),
    "NaN": (lambda p: p.arrays(images=not_a_number), ("NaN",)),
    "a label that no class has": (lambda p: p.arrays(labels=ninth_class), ("9",)),
    "a negative label": (lambda p: p.arrays(labels=lambda old: old - 3), ("label 'target' of sample",)),
    "labels of another count": (lambda p: p.arrays(labels=lambda old: old[:30]), ("labels",)),
    "the same sample again and again": (
        lambda p: p.arrays(images=lambda old: np.repeat(old[:1], len(old), axis=0)),
        ("calibration",),
    ),
}


@pytest.mark.parametrize("case", CARD)
def test_a_bad_card_is_named_and_leaves_nothing_behind(case: str, refused: Callable[..., None]) -> None:
    refused(*CARD[case])


@pytest.mark.parametrize("case", DATA)
def test_bad_data_is_named_and_leaves_nothing_behind(case: str, refused: Callable[..., None]) -> None:
    refused(*DATA[case])
