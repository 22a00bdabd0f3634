"""A venue's channel in the lane's own state, without sockets, process or clock: datagrams in, books out. Time is a number."""

import random
import socket

import numpy as np
from naive_book import NaiveBook

from core import itch
from core.codes import BookState, Counter
from core.jit import entry
from core.layout import RX_DATAGRAM
from noderrd.bench.traffic import Traffic
from noderrd.feeds import moldudp64
from noderrd.lane import feed, held, prepare
from noderrd.lane.memory import Shared
from noderrd.lane.spec import InstrumentSpec, LaneSpec, VenueSpec
from noderrd.lane.work import make

SESSION = b"SEED000001"
SYMBOLS = ("AAA", "BBB", "CCC")
MILLISECOND = 1_000_000
MOLD_ANSWER = 20  # messages that an answer of the retransmission server holds
REQUEST = 2


@entry
def take(
    lane: np.ndarray, work: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, table: np.ndarray,
    locates: np.ndarray, products: np.ndarray, v: int, line: int, size: int, now_ns: int,
) -> int:  # fmt: skip
    due = feed.datagram(lane, work, insts, px, qty, cnt, table, locates, products, v, line, 0, size, now_ns)
    feed.settle(work, insts)
    for k in range(work[0]["n_touched"]):
        insts[work[0]["touched"][k]]["touched"] = 0
    work[0]["n_touched"] = 0
    return due


@entry
def watch(lane: np.ndarray, work: np.ndarray, insts: np.ndarray, v: int, now_ns: int) -> int:
    due = feed.watch(lane, work, insts, v, now_ns)
    feed.settle(work, insts)
    for k in range(work[0]["n_touched"]):
        insts[work[0]["touched"][k]]["touched"] = 0
    work[0]["n_touched"] = 0
    return due


def head(kind, locate):
    return kind + locate.to_bytes(2, "big") + bytes(2) + (34_200 * 10**9).to_bytes(6, "big")


def opening():
    """What opens three symbols for trading."""
    said = [head(b"S", 0) + b"O"]
    for k, name in enumerate(SYMBOLS):
        stock = name.encode().ljust(8)
        said += [
            head(b"R", k + 1) + stock + b"QN" + (1).to_bytes(4, "big") + b"NCZ PNN1N" + bytes(4) + b"N",
            head(b"H", k + 1) + stock + b"T    "[:6],
        ]
    return [one + b" " * (itch.LENGTHS[chr(one[0])] - len(one)) for one in said] + [head(b"S", 0) + b"Q"]


def flow(seed, n, live=60):
    """An opening and n messages about orders of three symbols."""
    data, offsets = Traffic(seed, len(SYMBOLS), live, 20).messages(n)
    whole = bytes(data)
    return opening() + [whole[at : at + int.from_bytes(whole[at - 2 : at], "big")] for at in offsets.tolist()]


def naive(messages):
    """The books after messages: by locate code."""
    books, msg = {k: NaiveBook() for k in range(1, len(SYMBOLS) + 1)}, np.zeros(1, prepare.at.MESSAGE)
    for message in messages:
        decode(np.frombuffer(message, np.uint8), len(message), msg)
        if msg[0]["locate"]:
            books[int(msg[0]["locate"])].apply(msg[0])
    return books


@entry
def decode(buf: np.ndarray, size: int, msg: np.ndarray) -> int:
    return itch.decode(buf, 0, size, msg)


@entry
def hours(lane: np.ndarray, work: np.ndarray, insts: np.ndarray, v: int, now_ns: int) -> bool:
    short = feed.hours(lane, work, insts, v, now_ns)
    feed.settle(work, insts)
    work[0]["n_touched"] = 0
    return short


@entry
def held_one(lane: np.ndarray, work: np.ndarray, v: int) -> int:
    return held.receive(lane, work[0]["held"], v, work[0]["headers"], work[0]["data"].ctypes.data, RX_DATAGRAM, 1)


class Channel:
    """One venue, three symbols, two lines, and servers that retransmit what was said."""

    def __init__(self, folder, messages, *, servers=1, glimpse="", table=1 << 10, levels=64):
        venue = VenueSpec("SEED", "", "", "127.0.0.1", "", "", "user", "secret", glimpse=glimpse)
        self.spec = LaneSpec(
            "seed", str(folder / "lane"), str(folder / "stop"), [venue], [InstrumentSpec(s, 0, s, 100, 1) for s in SYMBOLS], list(SYMBOLS),
            [], [], [], [], levels=levels, table=table,
        )  # fmt: skip
        self.shared, self.work = Shared(folder / "lane", self.spec.sizes(), create=True), make()
        self._exposure = prepare.share_exposure(self.spec, self.shared)
        prepare.take_up(self.spec, self.shared)
        prepare.fill_venues(self.spec, self.shared)
        self.said, self.session, self.now, self.asked, self.answers = messages, SESSION, 10**18, [], []
        self.pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(servers)]
        for ours, theirs in self.pairs:
            theirs.setblocking(False)
            ours.setblocking(False)
        row = self.row
        for k, (ours, _) in enumerate(self.pairs):
            row["servers"][k] = ours.fileno()
        row["n_servers"], row["fd_request"] = servers, row["servers"][0]

    def close(self):
        """Close what stands for the servers."""
        for pair in self.pairs:
            for end in pair:
                end.close()

    @property
    def row(self):
        return self.shared.venues[0]

    def arrive(self, line, datagram):
        """Let the lane take one datagram."""
        self.work[0]["data"][: len(datagram)] = np.frombuffer(datagram, np.uint8)
        it = self.shared
        take(it.lane, self.work, it.insts, it.px, it.qty, it.cnt, it.table, it.locates, it.products, 0, line, len(datagram), self.now)

    def take_held(self):
        """Take what was kept while the books were rebuilt, as the loop does; gives how many datagrams."""
        it, n = self.shared, 0
        while self.row["held"] and held_one(it.lane, self.work, 0):
            size, n = int(self.work[0]["headers"][0]["len"]), n + 1
            take(it.lane, self.work, it.insts, it.px, it.qty, it.cnt, it.table, it.locates, it.products, 0, feed.LINE_HELD, size, self.now)
        return n

    def schedule(self):
        """Look at the calendar; True when its hours run out."""
        it = self.shared
        return bool(hours(it.lane, self.work, it.insts, 0, self.now))

    def tick(self, ns):
        """Let time pass, a millisecond's housekeeping at a time."""
        end = self.now + ns
        while self.now < end:
            self.now = min(self.now + MILLISECOND, end)
            watch(self.shared.lane, self.work, self.shared.insts, 0, self.now)

    def requests(self):
        """Take what the lane asked for: (server, first, count)."""
        found = []
        for k, (_, theirs) in enumerate(self.pairs):
            while True:
                try:
                    packet = theirs.recv(64)
                except BlockingIOError:
                    break
                assert packet[:10] == self.session
                found.append((k, int.from_bytes(packet[10:18], "big"), int.from_bytes(packet[18:20], "big")))
        self.asked += found
        return found

    def answer(self, first, count):
        """Give the datagram that a retransmission server answers with."""
        return moldudp64.write(self.session, first, tuple(self.said[first - 1 : first - 1 + min(count, MOLD_ANSWER)]))

    def serve(self):
        """Answer every request at once."""
        for _, first, count in self.requests():
            self.arrive(REQUEST, self.answer(first, count))

    def recover(self, most=20_000):
        """Heartbeats and answers until nothing is missing."""
        for _ in range(most):
            self.arrive(0, moldudp64.write(self.session, len(self.said) + 1))
            self.serve()
            if self.row["next_seq"] == len(self.said) + 1 and not self.row["state"] & BookState.GAP:
                return
            self.tick(MILLISECOND)
        raise AssertionError(f"message {self.row['next_seq']} of {len(self.said)} is still missing")

    def levels(self, inst, side):
        n = self.shared.insts[inst]["n"][side]
        return list(zip(*(block[inst, side, :n][::-1].tolist() for block in (self.shared.px, self.shared.qty, self.shared.cnt)), strict=True))

    def equals(self, books):
        """Assert that every level is that of the naive books."""
        for locate, book in books.items():
            for side in (0, 1):
                assert self.levels(locate - 1, side) == book.levels(side), (locate, side)

    def count(self, counter: Counter):
        return int(self.shared.control[0]["counters"][counter])


def packets(messages, seed, most=8):
    """Cut messages into datagrams of 1 to `most`."""
    draw, at, found = random.Random(seed), 0, []
    while at < len(messages):
        n = draw.randrange(1, most + 1)
        found.append(moldudp64.write(SESSION, at + 1, tuple(messages[at : at + n])))
        at += n
    return found


__all__ = ["Channel", "flow", "naive", "packets"]
