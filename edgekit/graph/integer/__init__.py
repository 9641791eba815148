"""Integers as the kernels see them: grids, rounding, packing."""
