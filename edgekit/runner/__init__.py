"""The ground floor: runs a model with the standard library, numpy and one runtime."""
