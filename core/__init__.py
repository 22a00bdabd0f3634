"""The arithmetic of the hot path: numba kernels over numpy records. No clock, log, file or socket; time is an int64 of nanoseconds."""
