"""Measurements: `python -m benchmarks.eager` and its neighbors, run from the project's root."""
