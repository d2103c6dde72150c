"""Benchmarks: each figure is a ratio to a named peer that did the same in the same run."""
