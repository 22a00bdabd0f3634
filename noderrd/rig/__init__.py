"""The product's processes, started and watched from outside as a user would: for the demo, benchmarks and tests that need a whole node.

Runs in the caller's process; may block.
"""
