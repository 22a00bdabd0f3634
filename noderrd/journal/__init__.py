"""The journal: every decision and every message of an order session, from a lane's ring to segment files, and what can be read out of them.

The writer is a process of its own, one a lane, off the hot core: it may block on the disk, and the lane never waits for it. Everything else here
reads segment files and works without a daemon.
"""
