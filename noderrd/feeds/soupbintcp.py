"""SoupBinTCP 3.00 out of captured TCP segments: streams put in order, packets cut out of them. Bounded; a stream that is none is let go."""

import dataclasses
from collections.abc import Iterator

from noderrd.feeds.pcap import Segment

TYPES = frozenset(b"+AJSHZLURO")
HELD_MOST = 64  # segments of one direction that wait for an earlier one
SYN = 2


@dataclasses.dataclass
class _Stream:
    """One direction of a connection: the next sequence number, bytes not yet cut, segments from the future."""

    next_seq: int
    tail: bytes = b""
    held: dict[int, bytes] = dataclasses.field(default_factory=dict)
    lost: bool = False


class Streams:
    """Feed it TCP segments as captured; it gives the packets (type byte first) that they complete.

    A capture that begins within a connection is read from its first segment on, which then has to begin with a packet.
    """

    def __init__(self) -> None:
        self._streams: dict[tuple[tuple[bytes, int], tuple[bytes, int]], _Stream] = {}
        self.broken = 0  # streams in which something else was found, or bytes are missing

    def add(self, segment: Segment) -> Iterator[bytes]:
        """Take one segment."""
        key = (segment.source, segment.target)
        if segment.flags & SYN:
            self._streams[key] = _Stream(segment.seq + 1 & 0xFFFFFFFF)
            return
        if not segment.payload:
            return
        stream = self._streams.setdefault(key, _Stream(segment.seq))
        if stream.lost:
            return
        stream.held[segment.seq] = segment.payload
        if len(stream.held) > HELD_MOST:
            self._lose(stream)
            return
        yield from self._cut(stream)

    def _cut(self, stream: _Stream) -> Iterator[bytes]:
        while True:
            early = [seq for seq in stream.held if (seq - stream.next_seq & 0xFFFFFFFF) > 0x7FFFFFFF or seq == stream.next_seq]
            if not early:
                return
            for seq in early:
                payload = stream.held.pop(seq)
                known = stream.next_seq - seq & 0xFFFFFFFF
                if known < len(payload):
                    stream.tail += payload[known:]
                    stream.next_seq = seq + len(payload) & 0xFFFFFFFF
            at = 0
            while len(stream.tail) - at >= 2:
                size = int.from_bytes(stream.tail[at : at + 2], "big")
                if size == 0 or (len(stream.tail) - at > 2 and stream.tail[at + 2] not in TYPES):
                    self._lose(stream)
                    return
                if len(stream.tail) - at < 2 + size:
                    break
                yield stream.tail[at + 2 : at + 2 + size]
                at += 2 + size
            stream.tail = stream.tail[at:]

    def _lose(self, stream: _Stream) -> None:
        """Give a stream up."""
        stream.lost, stream.tail = True, b""
        stream.held.clear()
        self.broken += 1
