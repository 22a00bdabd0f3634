"""The judge finds each kind of loss, by itself: an exchange's record and a journal as they should be, then spoilt in one place."""

import json

import numpy as np
import pytest
from journal import ring

from core import layout as at
from core.codes import JournalKind
from noderrd.crash import exchange, judge
from noderrd.venue.record import Cause, Effects, Kind, Record

SPEC = {"venues": [{"name": "NSDQ"}], "instruments": [], "strategies": [], "products": [], "rules": [], "models": []}


def be(value, size):
    return value.to_bytes(size, "big")


def enter(ref, side=b"B", qty=100):
    return b"O" + be(ref, 4) + side + be(qty, 4) + b"AAPL    " + be(1_900_000, 8) + b"0YPNN" + b"%014X" % ref + bytes(2)


def accepted(ref, side=b"B", qty=100, state=b"L"):
    return (
        b"A" + bytes(8) + be(ref, 4) + side + be(qty, 4) + b"AAPL    " + be(1_900_000, 8) + b"0Y" + be(ref, 8) + b"PNN" + state + bytes(14) + bytes(2)
    )


def replaced(old, ref, qty):
    return b"U" + bytes(8) + be(old, 4) + accepted(ref, qty=qty)[9:]


def executed(ref, qty):
    return b"E" + bytes(8) + be(ref, 4) + be(qty, 4) + be(1_900_000, 8) + b"A" + be(1, 8) + bytes(2)


def canceled(ref, qty):
    return b"C" + bytes(8) + be(ref, 4) + be(qty, 4) + b"U"


# What a client asked and was told: order 1 is half filled and stands, 2 is sold and gone, 3 was replaced by 4 and canceled.
DAY = [
    (enter(1), [accepted(1), executed(1, 50)]),
    (enter(2, b"S", 30), [accepted(2, b"S", 30), executed(2, 30)]),
    (enter(3), [accepted(3)]),
    (b"U" + be(3, 4) + be(4, 4) + bytes(40), [replaced(3, 4, 80)]),
    (b"X" + be(4, 4) + be(0, 4), [canceled(4, 80)]),
]


@pytest.fixture
def told(tmp_path):
    record = Record(tmp_path / "NSDQ.record")
    for request, answers in DAY:
        private = b"".join(be(0, 2) + be(len(a), 2) + a for a in answers)
        record.append(Cause(Kind.REQUEST, 0, 0, 0, request), Effects(b"", 0, private))
    record.close()
    return {"NSDQ": exchange.read(tmp_path / "NSDQ.record")}


def put(shared, kind, data, ref, size=None, strat=0):
    control = shared.control[0]
    head = int(control["journal_head"])
    row = shared.journal[head]
    row["seq"], row["kind"], row["venue"], row["ref"], row["size"] = head + 1, kind, 0, ref, len(data) if size is None else size
    row["strat"] = strat
    row["data"][: min(len(data), at.JOURNAL_DATA)] = np.frombuffer(data[: at.JOURNAL_DATA], np.uint8)
    control["journal_head"] = head + 1


def journal_of(tmp_path, steps):
    """Write a journal of (kind, bytes, number)."""
    shared = ring.make(tmp_path / "lane0")
    text = json.dumps({"spec": SPEC, "sha256": {}}).encode()
    for k in range(0, len(text), at.JOURNAL_DATA):
        put(shared, JournalKind.SPEC, text[k : k + at.JOURNAL_DATA], len(text), len(text) - k)
    for kind, data, ref in steps:
        put(shared, kind, data, ref)
    ring.write_all(shared, tmp_path / "journal")
    return tmp_path / "journal"


def steps():
    found, seq = [], 0
    for request, answers in DAY:
        found.append((JournalKind.SENT, request, 0))
        for answer in answers:
            seq += 1
            found.append((JournalKind.RECEIVED, answer, seq))
    return found


def judged(tmp_path, told, found_steps):
    found = judge.Findings()
    judge.journal(found, journal_of(tmp_path, found_steps), told, {"NSDQ": len(told["NSDQ"].messages)})
    return {name: n for name, n in found.counts.items() if n}


def test_record_comes_to_positions_and_open_orders(told):
    it = told["NSDQ"]
    assert it.positions == {"AAPL": 50 - 30}
    assert {ref: (o.side, o.leaves_qty) for ref, o in it.orders.items()} == {1: ("buy", 50)}
    assert (it.entered, it.fills, len(it.messages)) == (3, 2, 7)


def test_journal_as_it_should_be_is_good(tmp_path, told):
    assert judged(tmp_path, told, steps()) == {}


def test_requests_that_never_arrived_are_no_loss(tmp_path, told):
    assert judged(tmp_path, told, [*steps(), (JournalKind.SENT, enter(9), 0)]) == {}


@pytest.mark.parametrize("k", range(len(steps())))
def test_every_record_that_is_missing_is_found(tmp_path, told, k):
    assert judged(tmp_path, told, steps()[:k] + steps()[k + 1 :]) == {"lost": 1}


@pytest.mark.parametrize("k", [k for k, step in enumerate(steps()) if step[0] == JournalKind.RECEIVED])
def test_every_message_told_twice_is_found(tmp_path, told, k):
    assert judged(tmp_path, told, steps()[: k + 1] + steps()[k:]) == {"doubled": 1}


def test_message_that_differs_is_found(tmp_path, told):
    spoilt = steps()
    spoilt[1] = (JournalKind.RECEIVED, accepted(1, qty=99), 1)
    assert judged(tmp_path, told, spoilt) == {"journal_breaks": 1}


def test_order_that_reached_the_exchange_twice_is_found(tmp_path, told):
    told["NSDQ"].requests.append(enter(1))
    assert judged(tmp_path, told, [*steps(), (JournalKind.SENT, enter(1), 0)]) == {"doubled": 1}


def test_order_that_the_node_forgot_is_found(tmp_path, told):
    shared = ring.make(tmp_path / "lane0")
    text = json.dumps({"spec": SPEC, "sha256": {}}).encode()
    for k in range(0, len(text), at.JOURNAL_DATA):
        put(shared, JournalKind.SPEC, text[k : k + at.JOURNAL_DATA], len(text), len(text) - k)
    for kind, data, ref in steps():
        put(shared, kind, data, ref, strat=-1 if data == executed(2, 30) else 0)
    ring.write_all(shared, tmp_path / "journal")
    found = judge.Findings()
    judge.journal(found, tmp_path / "journal", told, {"NSDQ": len(told["NSDQ"].messages)})
    assert {name: n for name, n in found.counts.items() if n} == {"lost": 1}


def test_damaged_journal_is_found(tmp_path, told):
    folder = journal_of(tmp_path, steps())
    path = next(folder.glob("*.journal"))
    raw = bytearray(path.read_bytes())
    raw[300] ^= 1
    path.write_bytes(raw)
    found = judge.Findings()
    judge.journal(found, folder, told, {"NSDQ": 0})
    assert found.counts["journal_breaks"] >= 1


def position(n):
    return {"positions": [{"venue": "NSDQ", "symbol": "AAPL", "position": n}]}


def order(ref, leaves, status="NEW"):
    return {"venue": "NSDQ", "user_ref_num": ref, "side": "Buy", "px": "190.00", "leaves_qty": leaves, "ord_status": status}


@pytest.mark.parametrize(
    ("positions", "orders", "expected"),
    [
        (position(20), [order(1, 50)], {}),
        (position(20), [order(1, 50), order(8, 5, "CANCELED")], {}),
        (position(21), [order(1, 50)], {"position_mismatches": 1}),
        ({"positions": []}, [order(1, 50)], {"position_mismatches": 1}),
        (position(20), [], {"open_order_mismatches": 1}),
        (position(20), [order(1, 49)], {"open_order_mismatches": 1}),
        (position(20), [order(1, 50), order(2, 5)], {"open_order_mismatches": 1}),
    ],
)
def test_nodes_word_is_held_against_the_record(told, positions, orders, expected):
    found = judge.Findings()
    judge.snapshot(found, told, positions, {"orders": orders})
    assert {name: n for name, n in found.counts.items() if n} == expected
    assert found.good == (not expected)


def test_as_many_cancels_may_be_the_guards_as_it_says(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "guard.jsonl").write_text('{"venue": "V", "asked": 1}\nno json\n{"venue": "V", "sessions": 2}\n')
    allowed = judge.canceled_by_guard(tmp_path / "journal")
    assert allowed == {"V": 1}
    ours, guards = b"X\0\0\0\x01\0\0\0\0", b"X\0\0\0\x02\0\0\0\0"
    for n, lost in ((1, 0), (2, 1)):
        found = judge.Findings()
        judge._sent(found, "V", [guards] * n + [ours], [ours], allowed["V"])
        assert found.lost == lost
