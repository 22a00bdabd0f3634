"""What happens when an alert fires: state from the rules' own machine, and the messages that reach somebody.

Runs in the daemon's trio thread. Blocks on nothing: deliveries lie on disk until they were taken, and wait there while their target is away.
"""
