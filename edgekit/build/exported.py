"""A recipe's torch module, exported for the card's samples: the module says the names, the samples the shapes."""

from pathlib import Path

from edgekit.card import DataCard
from edgekit.errors import EdgeKitError
from edgekit.recipe import Recipe
from edgekit.runner.runtimes.base import Array, Port
from edgekit.samples.sets import open_samples

_RANKS = (5, 4, 3, 2, 1)
_DTYPES = ("float32", "int64")


def export_recipe_module(recipe: Recipe, folder: Path) -> Path:
    """Export the recipe's module into ``folder`` and return the ONNX file.

    Raises:
        MissingExtra: torch is not installed.
        ModelError: the module or its weights cannot be had.
        StepError: the export fails or gives other numbers.
    """
    from edgekit.export.torch_module import export_module, input_names, load_module  # noqa: PLC0415 - needs torch

    module = load_module(str(recipe.model), recipe.weights, recipe.folder)
    return export_module(module, _first_feeds(recipe.card, input_names(module)), folder).path


def _first_feeds(card: DataCard, names: list[str]) -> dict[str, Array]:
    """Read the first calibration sample as a batch of one.

    The module does not say its inputs' ranks: the largest that the samples fit is the one in which they can be stacked.
    """
    refusal: EdgeKitError | None = None
    for dtype in _DTYPES:
        for rank in _RANKS:
            ports = [Port(name, dtype, (None,) * rank) for name in names]
            try:
                feeds = open_samples(card, ports).calibration[0]
            except EdgeKitError as error:
                refusal = refusal or error
                continue
            return {name: feeds[name] for name in names}
    raise refusal or EdgeKitError("the module takes no input", hint="forward must take at least one array")
