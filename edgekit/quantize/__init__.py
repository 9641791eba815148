"""Fewer bits: schemes, ranges, calibration, remedies."""
