"""The power goes: shared memory is gone, the last record is torn. What the journal and the exchange know together is the state again."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import structlog
from lane.exchange import Exchange
from lane.rig import Desk, Lane

from core.codes import Command, Counter, Halt, JournalKind, Scope
from noderrd.journal import decode, segment
from noderrd.journal.replay import replay
from noderrd.journal.verify import verify
from noderrd.journal.writer import Writer

LOG = structlog.get_logger()


class Power:
    """A lane whose journal is written from its first record on, until the power goes."""

    def __init__(self, folder):
        self.lane, self.writer = Lane(folder, Exchange()), None
        self.folder = folder / "journal"
        self.lane.drains = False
        self.poll, self.lane.turn = self.lane.turn, self.turn
        self.lane.start()
        self.lane.live_book()
        self.desk = Desk(self.lane)

    def turn(self):
        self.poll()
        if hasattr(self.lane, "_shared"):
            self.writer = self.writer or Writer(self.lane.shared, self.folder, self.lane.spec.name, LOG)
            self.writer.turn(time.time_ns())

    def flushed(self):
        self.lane.until(lambda: self.writer.backlog == 0)

    def fails(self, torn=0):
        """End everything at once; `torn`: bytes that the last record on the disk lacks."""
        self.lane.kill()
        self.writer.close()
        self.writer = None
        Path(self.lane.spec.shared).unlink()
        del self.lane._shared
        last = segment.places(self.folder)[self.lane.spec.name][-1].path
        raw = last.read_bytes()
        used = len(raw.rstrip(b"\0"))
        last.write_bytes(raw[: used - torn].ljust(len(raw), b"\0"))

    def recover(self):
        """Make the state from the journal; gives the process that did."""
        command = [sys.executable, "-P", "-m", "noderrd.journal.recover", "--spec", str(self.lane.folder / "spec.json"), "--dir", str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    def comes_back(self):
        done = self.recover()
        assert done.returncode == 0, done.stderr
        self.lane.start()
        self.desk = Desk(self.lane)
        return self.desk


@pytest.fixture
def power(memory):
    it = Power(memory)
    yield it
    it.lane.close()


def state(desk):
    """What must come back: orders that are open, the position, the session's numbers."""
    orders = {
        int(o["cl_ord_id"]): (int(o["ord_status"]), int(o["leaves_qty"]), int(o["cum_qty"]), int(o["px"])) for o in desk.orders() if o["leaves_qty"]
    }
    row, venue = desk.position, desk.shared.venues[0]
    held = {name: int(row[name]) for name in ("position", "cash", "cost", "realised", "fees", "bought", "sold", "fills", "open_buy", "open_sell")}
    return orders, held, (bytes(venue["order_session"]), int(venue["next_ref"]))


def test_positions_orders_numbers_and_profit_come_back(power):
    desk, lane, venue = power.desk, power.lane, power.desk.venue
    bought = desk.send(b"B", 100)
    desk.order_is("NEW", 100, 0)
    venue.fill(bought, 60)
    sold = desk.send(b"S", 50, 1_000_100)
    venue.fill(sold, 20)
    lane.until(lambda: desk.position["fills"] == 2)
    desk.send(b"B", 30)
    desk.order_is("NEW", 30, 0)
    power.flushed()
    before, profit = state(desk), int(desk.shared.accounts[0]["profit"])
    day = int(desk.shared.accounts[0]["day_profit"])
    power.fails()
    desk = power.comes_back()
    assert state(desk) == before
    assert desk.position["cash"] == desk.tape.cash
    assert (desk.shared.accounts[0]["profit"], desk.shared.accounts[0]["day_profit"]) == (profit, day)
    assert lane.shared.halt_symbol[0] == Halt.NONE
    lane.wait_live()
    venue.fill(bought, 40)
    lane.until(lambda: desk.position["position"] == desk.tape.position)
    desk.send(b"B", 10)
    desk.order_is("NEW", 10, 0)
    power.flushed()
    again = replay(power.folder)
    assert (again["equal"], again["first_difference"]) == (True, None)
    assert again["verdicts"] >= 4


@pytest.mark.parametrize("torn", [1, 40, 159])
def test_torn_last_record_is_cut_off_and_the_exchange_says_it_again(power, torn):
    desk, lane, venue = power.desk, power.lane, power.desk.venue
    order = desk.send(b"B", 100)
    desk.order_is("NEW", 100, 0)
    power.flushed()
    venue.fill(order, 70)
    lane.until(lambda: desk.position["position"] == 70)
    power.flushed()
    power.fails(torn=torn)
    assert verify(power.folder).ok
    desk = power.comes_back()
    lane.until(lambda: desk.position["position"] == 70)
    assert desk.order() == ("PARTIALLY_FILLED", 30, 70)
    assert verify(power.folder).ok


def test_orders_whose_records_were_not_yet_on_the_disk_are_taken_from_the_exchange_and_halt_their_symbol(power):
    desk, lane, venue = power.desk, power.lane, power.desk.venue
    first = desk.send(b"B", 100)
    desk.order_is("NEW", 100, 0)
    power.flushed()
    lane.turn = power.poll  # the disk hears no more
    second = desk.send(b"B", 40)
    desk.order_is("NEW", 40, 0)
    venue.fill(second, 15)
    third = desk.send(b"S", 10, 1_000_100)
    venue.fill(third, 10)
    venue.fill(first, 5)
    lane.until(lambda: desk.position["fills"] == 3)
    before = state(desk)
    power.fails()
    lane.turn = power.turn
    desk = power.comes_back()
    lane.until(lambda: desk.position["fills"] == 3)
    assert state(desk) == before
    assert (desk.position["position"], desk.position["cash"]) == (desk.tape.position, desk.tape.cash)
    assert lane.shared.halt_symbol[0] == Halt.RECONCILE, "a person has to see whose they are"
    assert lane.shared.control[0]["halt_venue"][0] == Halt.NONE
    assert desk.count(Counter.UNKNOWN_REF) == 0
    lane.wait_live()
    desk.ask(b"B", 10, 999_900)
    desk.denied()
    assert lane.command(Command.ACCEPT, Scope.SYMBOL, 0, text=b"ann: they are ours")["acted"] == 1
    assert lane.shared.halt_symbol[0] == Halt.NONE
    desk.send(b"B", 10)
    desk.order_is("NEW", 10, 0)


def test_a_journal_that_lacks_a_message_in_its_middle_gives_no_state(power):
    desk, lane = power.desk, power.lane
    order = desk.send(b"B", 100)
    for n in (10, 20):
        desk.venue.fill(order, n)
        lane.until(lambda n=n: desk.position["position"] >= n)
    lane.until(lambda: desk.position["position"] == 30)
    power.flushed()
    power.fails()
    path = segment.places(power.folder)[lane.spec.name][-1].path
    raw = path.read_bytes()
    rows = np.frombuffer(b"".join(segment.intact(raw)), segment.RECORD)["row"]
    rows = np.delete(rows, np.flatnonzero(rows["kind"] == JournalKind.RECEIVED)[-2])
    rows["seq"] = np.arange(1, len(rows) + 1)
    head = raw[: segment.HEADER.itemsize]
    path.write_bytes((head + segment.seal(rows.tobytes(), segment.link_of_header(head))[0]).ljust(len(raw), b"\0"))
    done = power.recover()
    assert done.returncode == 1
    assert "should follow" in done.stderr
    assert not Path(lane.spec.shared).exists()


def test_a_journal_without_a_checkpoint_gives_no_state(power):
    power.flushed()
    power.fails()
    path = segment.places(power.folder)[power.lane.spec.name][-1].path
    raw = path.read_bytes()
    path.write_bytes(raw[: segment.offset_of(3)].ljust(len(raw), b"\0"))
    done = power.recover()
    assert done.returncode == 1
    assert "no checkpoint" in done.stderr


def test_an_adjusted_position_comes_back(power):
    desk, lane = power.desk, power.lane
    text = bytes(8) + b"ann: found 300 at the clearer"
    done = lane.command(Command.ADJUST, Scope.NODE, 0, 300, text)
    assert (done["status"], int(desk.position["position"])) == (0, 300)
    assert desk.position["fills"] == 0
    assert desk.shared.accounts[0]["profit"] == 0, "taken in at what it is worth: no profit, no loss"
    lane.command(Command.ADJUST, Scope.NODE, 0, -100, text)
    power.flushed()
    power.fails()
    desk = power.comes_back()
    assert int(desk.position["position"]) == 200
    power.flushed()
    assert replay(power.folder)["equal"]
    told = [row for row in decode.stream(power.folder) if row["kind"] == "ADJUSTED"]
    assert [(row["qty"], row["said"]) for row in told] == [(300, "ann: found 300 at the clearer"), (-100, "ann: found 300 at the clearer")]
