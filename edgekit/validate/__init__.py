"""Accuracy, speed, memory and the verdict: compared with what was promised."""
