"""Benchmarks: the product timed from outside, beside a floor written in C.

They run in the process of `scripts/bench`, which may block on anything.
"""
