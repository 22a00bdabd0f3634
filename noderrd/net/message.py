"""A message of the network benchmark: five int64, little endian, and padding. Sequence number; when due, sent, received there, sent back.

Times are wall-clock nanoseconds of the host that stamps them.
"""

SEQ, DUE, SENT, THERE, BACK = range(5)
LEAST = 40
MOST = 65_000
CONTROL_BYTES = 4096  # of a line of the control connection
