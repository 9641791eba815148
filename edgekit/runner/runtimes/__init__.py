"""One adapter per runtime: load, infer, and say what really ran."""
