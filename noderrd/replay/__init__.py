"""Recordings through the lane's own kernels: books, exports, a message's fields, a strategy's fills. No daemon, no clock; one process, one thread."""
