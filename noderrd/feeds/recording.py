"""A recording of a feed, whatever it lies in: BinaryFILE or a packet capture with MoldUDP64, plain or gzip. Told by content."""

from pathlib import Path

from noderrd.feeds import binaryfile
from noderrd.feeds.binaryfile import Recording


def read(path: Path) -> Recording:
    """Read a recording. Raises OSError."""
    content, whole = binaryfile.unpack(path)
    return binaryfile.frames(content, whole=whole)
