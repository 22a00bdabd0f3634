"""What the node measured, for machines and people: metrics, health, windows of latency, the day report.

Runs in the daemon's trio thread (the report: in the user's shell) and reads the lanes' shared memory; a lane never notices. Blocks on nothing
but loopback sockets.
"""
