"""Data cards become batches of numpy arrays, the same bytes every time."""
