"""The lane: one process, one core, one hot function that polls, decides and sends.

Owns the shared-memory state of its venues, books, orders and positions; everything in it runs in the lane's main thread.
`loop` is hot and never blocks; `cold` is what the loop returns to Python for; `memory` and `spec` are read by the daemon too.
"""
