"""Benchmark programs; `python -m bench` runs them all."""
