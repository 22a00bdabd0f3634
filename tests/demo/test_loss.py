"""`--break`: a lost message changes our word in the one place where it should, and in no other."""

import dataclasses
import socket
import struct
import threading

import pytest

from noderrd.demo import loss
from noderrd.demo.compare import Book, OpenOrder, Snapshot

KEY = ("NSDQ", "AAPL")
NODE = Snapshot(
    books={KEY: Book((("10.0000", 300, 2), ("9.9900", 300, 2)), (("10.0100", 50, 1),)), ("EDGE", "AAPL"): Book((), ())},
    positions={KEY: 40},
    orders={("NSDQ", 7): OpenOrder("AAPL", "buy", "9.9900", 100), ("NSDQ", 9): OpenOrder("AAPL", "sell", "10.0100", 50)},
)


def head(kind):
    return kind + bytes(10)


def add(ref, side, shares, px):
    return head(b"A") + struct.pack(">QcI8sI", ref, side, shares, b"AAPL    ", px)


def accepted(ref, side=b"B", kind=b"A"):
    old = struct.pack(">I", 1) if kind == b"U" else b""
    return loss.Received("NSDQ", kind + bytes(8) + old + struct.pack(">IcI8sQ", ref, side, 100, b"AAPL    ", 100_000))


def executed(ref, shares):
    return loss.Received("NSDQ", b"E" + bytes(8) + struct.pack(">IIQ", ref, shares, 100_000))


@pytest.fixture
def server():
    """A retransmission server that sends at most four messages a packet."""
    messages: list[bytes] = []
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind(("127.0.0.1", 0))

    def serve():
        while len(packet := (asked := line.recvfrom(64))[0]) == 20:
            session, first, n = struct.unpack(">10sQH", packet)
            part = messages[first - 1 : first - 1 + min(n, 4)]
            body = b"".join(len(m).to_bytes(2, "big") + m for m in part)
            line.sendto(session + struct.pack(">QH", first, len(part)) + body, asked[1])

    thread = threading.Thread(target=serve)
    thread.start()
    host, port = line.getsockname()
    yield messages, f"{host}:{port}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
        stop.sendto(b"", (host, port))
    thread.join()
    line.close()


def test_backwards_gives_every_message_once(server):
    messages, address = server
    messages += [head(b"S") + bytes([k]) for k in range(77)]
    assert list(loss.backwards(address, "S1", 77)) == messages[::-1]


@pytest.mark.parametrize(
    ("side", "shares", "px", "book"),
    [
        (b"B", 100, 100_000, Book((("10.0000", 200, 1), ("9.9900", 300, 2)), (("10.0100", 50, 1),))),
        (b"S", 50, 100_100, Book((("10.0000", 300, 2), ("9.9900", 300, 2)), ())),
    ],
)
def test_a_lost_add_order_is_missing_from_its_level(server, side, shares, px, book):
    messages, address = server
    messages += [add(1, b"B", 5, 1), add(2, side, shares, px), add(3, b"B", 9, 99_900), head(b"D") + struct.pack(">Q", 3)]
    lost = loss.lose_book(NODE, "NSDQ", address, "S1", len(messages))
    assert lost == dataclasses.replace(NODE, books={**NODE.books, KEY: book})


def test_a_feed_without_standing_orders_has_nothing_to_lose(server):
    messages, address = server
    messages += [add(1, b"B", 5, 1), head(b"X") + struct.pack(">QI", 1, 2)]
    with pytest.raises(loss.NothingToLose):
        loss.lose_book(NODE, "NSDQ", address, "S1", 2)


@pytest.mark.parametrize("kind", [b"A", b"U"])
def test_a_lost_acceptance_is_an_order_that_we_do_not_have(kind):
    said = [accepted(7), accepted(9, b"S", kind), executed(9, 50), accepted(11)]
    lost = loss.lose_order(NODE, said)
    assert lost == dataclasses.replace(NODE, orders={("NSDQ", 7): NODE.orders["NSDQ", 7]})


@pytest.mark.parametrize(("side", "left"), [(b"B", {KEY: 15}), (b"S", {KEY: 65})])
def test_a_lost_execution_is_missing_from_its_position(side, left):
    lost = loss.lose_position(NODE, [accepted(7), accepted(8, side), executed(7, 5), executed(8, 25)])
    assert lost == dataclasses.replace(NODE, positions=left)


def test_a_position_that_was_one_execution_is_none_without_it():
    assert loss.lose_position(NODE, [accepted(7), executed(7, 40)]).positions == {}


def test_without_fills_or_orders_there_is_nothing_to_lose():
    with pytest.raises(loss.NothingToLose):
        loss.lose_position(NODE, [accepted(7)])
    with pytest.raises(loss.NothingToLose):
        loss.lose_order(NODE, [accepted(3)])
