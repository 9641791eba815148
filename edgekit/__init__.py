"""EdgeKit: from a trained model to a small, fast artifact that is proven good enough on its target."""

__all__ = ["__version__"]
__version__ = "0.1.0"
