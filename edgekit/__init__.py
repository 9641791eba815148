"""EdgeKit: from a trained model to a small, fast artifact that is proven good enough on its target.

The words are the command line's (``edgekit --help``); inside Python import the module that holds a noun, such as
``edgekit.report``. This facade stays empty so that ``import edgekit`` costs nothing.
"""

__all__ = ["__version__"]
__version__ = "0.1.0"


def __dir__() -> list[str]:
    return sorted(__all__)
