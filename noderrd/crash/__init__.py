"""The crash test: a whole node under load against the simulated exchanges, killed at random, and a judge who does not take the node's word.

What happened is in the exchanges' own records; what the node says happened is in its journal, and at the end in its answers. Runs in the caller's
process; may block.
"""
