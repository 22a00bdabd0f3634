"""Drop copies against a lane's fills: what only one side has halts its symbol, is shown, keeps the venue from being armed, outlives the daemon."""

import time

import pytest
import trio
from control import desk

from core import layout as at
from core.codes import Command, Halt, Session
from noderrd.control import gate
from noderrd.control.dropcopy import GRACE_NS, Comparison
from noderrd.control.dropline import Line
from noderrd.control.server import Refused

NOW = 10**18
LATER = NOW + 2 * GRACE_NS
AAPL, MSFT = 1, 2  # at EDGE; indexes of positions of the first strategy, too


def executed(match, qty=100, px=1_900_000, ref=1, user=b"TEST"):
    body = b"E" + bytes(8) + ref.to_bytes(4, "big") + qty.to_bytes(4, "big") + px.to_bytes(8, "big") + b"A" + match.to_bytes(8, "big") + bytes(2)
    return user.ljust(6) + body


def broken(match):
    return b"TEST  B" + bytes(8) + bytes(4) + match.to_bytes(8, "big") + b"E" + bytes(14)


def fill(node, match, qty=100, px=1_900_000, index=AAPL, venue=1):
    shared = node.lane.shared
    head = int(shared.control[0]["fill_head"])
    row = shared.fills[head % at.FILL_SLOTS]
    row["match"], row["px"], row["qty"], row["index"], row["venue"], row["busted"] = match, px, qty, index, venue, 0
    shared.control[0]["fill_head"] = head + 1


@pytest.fixture
def compared(node):
    """EDGE's comparison, both sessions up for a while."""
    node.lane.shared.venues[1]["session_state"] = Session.UP
    node.lane.shared.control[0]["heartbeat_ns"] = LATER + 10 * GRACE_NS
    it = Comparison(node.lane, 1, node.folder, node.log)
    it.up("DAY1", 1, NOW - 2 * GRACE_NS)
    return it


def halted(node):
    return [int(word) for word in node.lane.shared.halt_symbol]


@pytest.mark.parametrize("first", ["drop", "lane"])
def test_what_both_sides_have_is_no_difference_whoever_is_first(node, compared, first):
    for match in (7, 8):
        if first == "drop":
            compared.take(executed(match), NOW)
        else:
            fill(node, match)
            compared.step(NOW)
        compared.step(NOW + 1)
        if first == "drop":
            fill(node, match)
        else:
            compared.take(executed(match), NOW)
    fill(node, -3)  # on paper: no venue knows of it
    fill(node, 11, venue=0, index=0)  # another venue's
    compared.take(executed(12, user=b"OTHER"), NOW)  # another user of the account
    compared.step(LATER)
    compared.step(LATER + GRACE_NS)
    assert compared.differences == []
    assert halted(node) == [0, 0, 0]


def plant_missing_here(node, it):
    row = node.lane.shared.orders[5]
    row["venue"], row["user_ref"], row["inst"], row["strat"] = 1, 9, MSFT, 0
    node.lane.shared.ref_slots[1][9] = 5
    it.take(executed(7, ref=9), NOW)


def plant_missing_there(node, it):
    fill(node, 7, index=MSFT)


def plant_other_quantity(node, it):
    fill(node, 7, index=MSFT)
    it.take(executed(7, qty=99), NOW)


def plant_other_price(node, it):
    it.take(executed(7, px=1), NOW)
    fill(node, 7, index=MSFT)


def plant_bust(node, it):
    fill(node, 7, index=MSFT)
    it.take(executed(7), NOW)
    it.take(broken(7), NOW)


PLANTS = [plant_missing_here, plant_missing_there, plant_other_quantity, plant_other_price, plant_bust]


@pytest.mark.parametrize("plant", PLANTS)
def test_a_difference_halts_its_symbol_once_and_stays_over_the_daemon_s_death(node, compared, plant):
    plant(node, compared)
    compared.step(NOW)
    compared.step(LATER)
    compared.step(LATER + GRACE_NS)
    (one,) = compared.differences
    assert (one.match, one.symbol) == (7, "MSFT")
    assert halted(node) == [0, 0, Halt.RECONCILE]
    assert [line for line in gate.drop_copy(compared) if "MSFT" in line]
    again = Comparison(node.lane, 1, node.folder, node.log)
    assert again.differences == compared.differences
    assert (again.session, again.seq) == ("DAY1", compared.seq)
    assert again.accept("MSFT") == 1
    assert Comparison(node.lane, 1, node.folder, node.log).differences == []


def test_a_bust_that_both_know_is_none(node, compared):
    fill(node, 7)
    compared.take(executed(7), NOW)
    compared.step(NOW)
    compared.take(broken(7), NOW)
    node.lane.shared.fills[0]["busted"] = 1
    compared.step(LATER)
    assert compared.differences == []


def test_an_execution_of_an_order_that_nobody_knows_halts_the_venue(node, compared):
    compared.take(executed(7, ref=77), NOW)
    compared.step(LATER)
    assert node.lane.shared.control[0]["halt_venue"][1] == Halt.RECONCILE
    assert compared.differences[0].symbol == ""


def test_nothing_is_concluded_while_one_side_is_away(node, compared):
    fill(node, 7)
    compared.take(executed(8), NOW)
    compared.step(NOW)
    compared.down()
    compared.step(LATER)
    compared.up("DAY1", compared.seq, LATER)
    node.lane.shared.venues[1]["session_state"] = Session.REPLAYING
    compared.step(LATER + 2 * GRACE_NS)
    assert compared.differences == []
    assert "not logged in" not in " ".join(gate.drop_copy(compared))
    compared.down()
    assert list(gate.drop_copy(compared)) == ["drop copy: not logged in"]


def test_a_new_daemon_goes_on_before_what_still_waits(node, compared):
    compared.take(executed(7), NOW)
    fill(node, 7)
    compared.take(executed(8), NOW)
    compared.step(NOW)
    compared.take(executed(9), NOW)
    fill(node, 9)
    compared.step(NOW + 2 * 10**9)
    again = Comparison(node.lane, 1, node.folder, node.log)
    assert again.seq == 2, "the second message was not settled"
    again.up("DAY1", 2, NOW)
    again.take(executed(8), NOW)
    again.take(executed(9), NOW)
    fill(node, 8)
    again.step(LATER + GRACE_NS)
    assert again.differences == []


async def test_a_person_accepts_a_symbol_s_differences(node, compared):
    plant_missing_there(node, compared)
    compared.step(NOW)
    compared.step(LATER)
    node.comparisons.append(compared)
    lane = desk.Obeying(node)
    node.lane.shared.own()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.run)
        verbs = desk.verbs(node)
        shown = (await verbs.handle("reconcile", {}, desk.PEER))["differences"]
        assert any(row["symbol"] == "MSFT" and "nothing in the drop copy" in row["what"] for row in shown)
        with pytest.raises(Refused, match="nothing about AAPL is in doubt"):
            await verbs.handle("accept", {"what": "AAPL", "reason": "so"}, desk.PEER)
        await verbs.handle("accept", {"what": "MSFT", "reason": "the broker says so"}, desk.PEER)
        nursery.cancel_scope.cancel()
    assert compared.differences == []
    assert lane.seen[-1][0] == Command.ACCEPT


class Port:
    """A drop copy port that says what it is told to."""

    def __init__(self, messages, session="DAY1"):
        self.messages, self.session, self.logins = messages, session, []

    async def serve(self, stream):
        def packet(content):
            return len(content).to_bytes(2, "big") + content

        async with stream:
            held = b""
            while len(held) < 49:
                held += await stream.receive_some(100)
            session, seq = held[19:29].decode().strip(), int(held[29:49])
            self.logins.append((session, seq))
            if session not in {"", self.session}:
                await stream.send_all(packet(b"JS"))
                return
            await stream.send_all(packet(b"A" + self.session.encode().rjust(10) + str(seq).encode().rjust(20)))
            for message in self.messages[seq - 1 :]:
                await stream.send_all(packet(b"S" + message) + packet(b"H"))
            while await stream.receive_some(100):
                pass


async def test_a_session_is_logged_in_where_it_was_left_and_a_new_one_from_its_first_message(node, compared):
    port = Port([executed(n) for n in range(1, 6)])
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, port.serve, [listener])
        address = f"127.0.0.1:{listener.socket.getsockname()[1]}"
        for n in range(1, 6):
            fill(node, n)
        compared.down()
        compared.session, compared.seq = "DAY0", 9
        with trio.move_on_after(30):
            nursery.start_soon(Line(compared, address, "DROP", "copy", node.log).run)
            while (compared.session, compared.seq) != ("DAY1", 6):  # noqa: ASYNC110 - another task's work
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    assert port.logins == [("DAY0", 9), ("", 1)]
    assert (compared.session, compared.seq) == ("DAY1", 6)
    compared.step(time.time_ns())
    assert compared.differences == []
