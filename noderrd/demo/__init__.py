"""The demonstration: three simulated exchanges and a node on one machine, compared at the end.

Runs in the process of `scripts/demo`, which may block; what it shows runs in processes of its own.
"""
