"""A lane and its exchange. Most tests share one lane, each with a symbol of its own; those that end lanes have their own."""

import tempfile
from pathlib import Path

import pytest
from lane.exchange import Exchange
from lane.rig import Desk, Lane

from core.codes import Command, Scope, Session

SYMBOLS = tuple(f"S{k:02}" for k in range(63))


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    """The lane that tests share."""
    it = Lane(tmp_path_factory.mktemp("house"), Exchange(SYMBOLS), limits={"MAX_POSITION": 500}, maker_mils=-20, taker_mils=30).start()
    it.live_book()
    it.free = iter(range(len(SYMBOLS)))
    yield it
    it.close()


@pytest.fixture
def desk(house):
    """A symbol of its own on the shared lane; whatever was halted is resumed afterwards and whatever rests is canceled."""
    house.until(lambda: house.shared.venues[0]["session_state"] == Session.UP and house.shared.venues[0]["state"] == 0)
    it = Desk(house, next(house.free))
    yield it
    house.exchange.behave()
    for scope, index in ((Scope.NODE, 0), (Scope.VENUE, 0), (Scope.STRATEGY, 0), (Scope.SYMBOL, it.inst)):
        house.command(Command.RELEASE, scope, index)
        house.command(Command.RESUME, scope, index)
    house.command(Command.CONTINUE)
    for row in it.orders():
        if row["leaves_qty"] > 0:
            house.exchange.canceled(house.exchange.order_of(int(row["user_ref"]), b"B", 0, it.symbol, 0), int(row["leaves_qty"]))
    house.until(lambda: it.position["n_open"] == 0)


@pytest.fixture
def memory(tmp_path):
    """Give a folder in memory, as a lane's file is kept in: on a disk each page is written back, and faults again."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="noderrd-test-") as folder:
        yield Path(folder)


@pytest.fixture
def make(memory):
    """Give a function that starts a lane on an exchange of its own, and the desk of its first symbol."""
    started = []

    def start(*, open_market=True, exchange=None, **options):
        lane = Lane(memory, exchange or Exchange(), **options)
        started.append(lane)
        lane.start()
        if open_market:
            lane.live_book()
        return Desk(lane)

    yield start
    for lane in started:
        lane.close()
