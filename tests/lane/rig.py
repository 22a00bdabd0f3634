"""A lane as a process beside the test's exchange, watched through the shared file as the daemon watches it."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from lane.exchange import Exchange, Order, Tape

from core import layout as at
from core.codes import Counter, Denial, OrdStatus, Scope, Session
from noderrd.lane import prepare
from noderrd.lane.memory import Shared
from noderrd.lane.spec import InstrumentSpec, LaneSpec, LimitSpec, StrategySpec, VenueSpec

PUPPET = Path(__file__).parent / "puppet.py"
VENUE = ("armed", "shadow", "until_ns", "maker_mils", "taker_mils")
START_S = 1200.0  # a first start compiles
WAIT_S = 60.0


class Lane:
    """A lane process on one exchange, with the puppet as its strategy (twice if asked). `limits` are of every strategy in every symbol."""

    def __init__(self, folder: Path, exchange: Exchange, limits: dict[str, int] | None = None, n_strategies: int = 1, **changes: Any) -> None:
        self.exchange, self.folder = exchange, folder
        lines = [f"127.0.0.1:{port}" for port in exchange.feed.lines]
        rerequest = f"127.0.0.1:{exchange.feed.rerequest.getsockname()[1]}"
        own = {key: changes.pop(key) for key in VENUE if key in changes}
        venue = VenueSpec("TEST", *lines, "127.0.0.1", rerequest, exchange.address, exchange.user, exchange.password, **{"armed": True, **own})
        symbols = list(exchange.symbols)
        found = {name: (value, 7) for name, value in (limits or {}).items()}
        self.spec = LaneSpec(
            name="lane",
            shared=str(folder / "lane"),
            stop=str(folder / "stop"),
            venues=[venue],
            instruments=[InstrumentSpec(s, 0, s, 100, 1) for s in symbols],
            products=symbols,
            strategies=[StrategySpec(f"puppet{k}", str(PUPPET), symbols, {}, budget_ns=10**9) for k in range(n_strategies)],
            limits=[LimitSpec(k, i, found) for k in range(n_strategies) for i in range(len(symbols))],
            models=[],
            rules=[f"test.rules:{k}" for k in range(9)],
            **{"idle": "sleep", "table": 1 << 12, "levels": 64, **changes},
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.drains = True
        self.log = folder / "lane.log"

    def start(self, wait: bool = True) -> "Lane":
        """Start the process and wait until it is READY and logged in."""
        self.spec.write(self.folder / "spec.json")
        before = self.epoch()
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "noderrd.lane", str(self.folder / "spec.json")], stdout=out, stderr=out, start_new_session=True
            )
        self.until(lambda: self.epoch() > before and self.shared.control[0]["ready"], START_S)
        if wait:
            self.until(lambda: self.shared.venues[0]["session_state"] == Session.UP)
        return self

    @property
    def shared(self) -> Shared:
        if not hasattr(self, "_shared"):
            self._shared = Shared(Path(self.spec.shared), prepare.sizes(self.spec))
        return self._shared

    def epoch(self) -> int:
        """How often a lane took the file up; 0 while there is none, or it is being made."""
        path = Path(self.spec.shared)
        return int(self.shared.control[0]["epoch"]) if path.exists() and path.stat().st_size else 0

    def until(self, done: Any, seconds: float = WAIT_S) -> None:
        """Serve the exchange until something is so. Fails when the lane ends or `seconds` are over."""
        end = time.monotonic() + seconds
        while not done():
            self.turn()
            assert self.process is None or self.process.poll() is None, f"the lane ended with {self.process.returncode}:\n{self.said()}"
            assert time.monotonic() < end, f"it did not come to be\n{self.said()}"
            time.sleep(0.0005)

    def serve(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()
            time.sleep(0.0005)

    def turn(self) -> None:
        """Serve the exchange, and read the journal's ring as a writer does."""
        self.exchange.poll()
        if self.drains and self.process is not None and hasattr(self, "_shared"):
            self.shared.control[0]["journal_tail"] = self.shared.control[0]["journal_head"]

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def live_book(self) -> None:
        """Open the market and wait until its books are LIVE."""
        self.exchange.open_market()
        self.wait_live()

    def wait_live(self) -> None:
        """Wait until all that was said is applied and every book is LIVE."""
        self.until(lambda: not (self.shared.venues[0]["state"] | self.shared.insts["state"]).any())
        self.until(lambda: self.shared.venues[0]["next_seq"] > len(self.exchange.feed.said))

    def count(self, counter: Counter) -> int:
        return int(self.shared.control[0]["counters"][counter])

    def command(self, verb: int, scope: int = Scope.NODE, index: int = 0, ref: int = 0, text: bytes = b"") -> Any:
        """Put one command into the ring and wait for the answer."""
        control = self.shared.control[0]
        row = self.shared.commands[int(control["command_head"]) % at.COMMAND_SLOTS]
        seq = int(control["command_head"]) + 1
        row["verb"], row["scope"], row["index"], row["done"], row["ref"] = verb, scope, index, 0, ref
        row["text"] = np.frombuffer(text.ljust(at.JOURNAL_DATA, b"\0"), np.uint8)
        row["seq"] = seq
        control["command_head"] = seq
        self.until(lambda: row["done"] == seq)
        return row.copy()

    def respec(self, **changes: Any) -> None:
        """Write a changed spec, for RELOAD and the next start."""
        self.spec = dataclasses.replace(self.spec, **changes)
        self.spec.write(self.folder / "spec.json")

    def limit(self, **limits: int) -> None:
        """Write a spec with these limits only."""
        found = {name: (value, 7) for name, value in limits.items()}
        self.respec(limits=[dataclasses.replace(it, limits=found) for it in self.spec.limits])

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        end = time.monotonic() + WAIT_S
        while process.poll() is None and time.monotonic() < end:
            self.exchange.poll()
            time.sleep(0.001)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    def close(self) -> None:
        if self.process is not None:
            self.kill()
        self.exchange.close()

    def records(self) -> np.ndarray:
        """Give what is in the journal's ring."""
        head = int(self.shared.control[0]["journal_head"])
        return self.shared.journal[[k % at.JOURNAL_SLOTS for k in range(max(0, head - at.JOURNAL_SLOTS), head)]]


class Desk:
    """One symbol of a lane that other tests use too: its orders, its denials, its position; counters from here on."""

    def __init__(self, lane: Lane, inst: int = 0, strat: int = 0) -> None:
        self.lane, self.venue, self.inst, self.strat = lane, lane.exchange, inst, strat
        self.symbol = lane.spec.products[inst]
        self.ref = 1_000_000 + 1_000 * inst  # order references of the feed, from here on free
        self._counters = lane.shared.control[0]["counters"].copy()
        self._denials = int(lane.shared.control[0]["denial_head"])
        self.shared, self.until, self.serve, self.command, self.said = lane.shared, lane.until, lane.serve, lane.command, lane.said

    def count(self, counter: Counter) -> int:
        return self.lane.count(counter) - int(self._counters[counter])

    def ask(self, side: bytes, qty: int, px: int) -> None:
        """Let every puppet send an order."""
        self.venue.print_trade(self.inst + 1, side, qty, px)

    def send(self, side: bytes = b"B", qty: int = 100, px: int = 999_900) -> Order:
        """Let the puppet send an order, and wait until the exchange has it."""
        n = len(self.entered())
        self.ask(side, qty, px)
        self.until(lambda: len(self.entered()) > n)
        return self.entered()[-1]

    def entered(self) -> list[Order]:
        """What the exchange was asked for in the symbol, orders and replaces, oldest first."""
        return [order for order in self.venue.entered if order.symbol == self.symbol]

    def orders(self) -> list[Any]:
        """Every order of the symbol, oldest first."""
        used = self.shared.orders[(self.shared.orders["cl_ord_id"] != 0) & (self.shared.orders["inst"] == self.inst)]
        return sorted((row.copy() for row in used), key=lambda row: row["cl_ord_id"])

    def order(self, k: int = -1) -> tuple[str, int, int]:
        """State, leaves and cum of an order, by age."""
        row = self.orders()[k]
        return OrdStatus(row["ord_status"]).name, int(row["leaves_qty"]), int(row["cum_qty"])

    def order_is(self, *wanted: Any, k: int = -1) -> None:
        self.until(lambda: len(self.orders()) > 0 and self.order(k) == wanted)

    def denials(self) -> list[Any]:
        head = int(self.shared.control[0]["denial_head"])
        return [self.shared.denials[k % at.DENIAL_SLOTS].copy() for k in range(self._denials, head)]

    def denied(self, n: int = 1) -> Denial:
        """Wait until there are n denials; the last one's code."""
        self.until(lambda: len(self.denials()) >= n)
        return Denial(self.denials()[-1]["denial"])

    @property
    def position(self) -> Any:
        return self.shared.positions[self.strat * len(self.spec.instruments) + self.inst]

    @property
    def spec(self) -> LaneSpec:
        return self.lane.spec

    @property
    def tape(self) -> Tape:
        return self.venue.tape_of(self.symbol)

    def worst(self) -> tuple[int, int]:
        row = self.position
        return int(row["position"] + row["open_buy"]), int(row["open_sell"] - row["position"])
