"""The network seen from this host.

`noderrctl net bench` measures round trips against `noderrd echo`, `net probe` how far the venues are.

`echo` runs as a process of its own on the other host, threads that block or spin; the rest runs in the caller's process and blocks.
"""
