"""A recording of a feed, whatever it lies in: BinaryFILE or a packet capture with MoldUDP64, plain or gzip. Told by content."""

from pathlib import Path

from noderrd.feeds import binaryfile, moldudp64, pcap
from noderrd.feeds.binaryfile import Recording

AHEAD_MOST = 1 << 20  # messages from beyond a gap that wait for it


def read(path: Path) -> Recording:
    """Read a recording. Raises OSError; ValueError for a capture in which the feed has a gap that nothing in it fills."""
    content, whole = binaryfile.unpack(path)
    return captured(content, whole=whole) if pcap.is_capture(content) else binaryfile.frames(content, whole=whole)


def captured(content: bytes, *, whole: bool = True) -> Recording:
    """Put the messages of a capture in sequence: the first copy of each counts, of whichever line. The session is that of the first datagram.

    `damaged_at` is the file's offset; `whole` is False for content whose packing was cut short. Raises ValueError when messages are missing, and says
    which.
    """
    ahead, session, first, following, blocks, damaged = dict[int, bytes](), None, None, 0, list[bytes](), None
    try:
        for packet in pcap.packets(content):
            segment = pcap.segment(packet)
            datagram = moldudp64.read(segment.payload) if segment is not None and segment.protocol == pcap.UDP else None
            if datagram is None or (session is not None and datagram.session != session):
                continue
            session = datagram.session
            if first is None:
                first = following = datagram.seq
            for k, message in enumerate(datagram.messages):
                if datagram.seq + k >= following and len(ahead) < AHEAD_MOST:
                    ahead.setdefault(datagram.seq + k, message)
            while following in ahead:
                message = ahead.pop(following)
                blocks.append(len(message).to_bytes(2, "big") + message)
                following += 1
    except pcap.Damaged as error:
        damaged = error.offset
    if ahead:
        missing = f"the capture lacks messages {following} to {min(ahead) - 1} of session {(session or b'').decode('ascii', 'replace').strip()}"
        raise ValueError(missing)
    found = binaryfile.frames(b"".join(blocks))
    return Recording(found.data, found.offsets, damaged if damaged is not None or whole else len(content))
