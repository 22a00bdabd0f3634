"""The terminal: asks, shows, and obeys keys. Works over SSH on 80 x 24."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Static

from noderrd.top.page import Answer, Facts, page, pressing

HISTORY = 240
HELP = """\
h  halt new orders of the node: open orders stay      r  resume
s  silence the gravest alert for ten minutes          c  cancel all open orders
n  next symbol, venue by venue                        a  all symbols
?  this page                                          q  leave; the node goes on"""


class Top(App[int]):
    """`ask(verb, **arguments)` puts a question to the daemon; it raises OSError when nobody answers and ValueError when the answer is no."""

    CSS = "Screen { layers: base; } #page { height: 1fr; } #said { height: 1; color: $text-muted; }"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h", "order('halt')", "halt"),
        Binding("r", "order('resume')", "resume"),
        Binding("c", "order('cancel-all')", "cancel all"),
        Binding("s", "silence", "silence"),
        Binding("n", "next", "next symbol"),
        Binding("a", "all", "all"),
        Binding("question_mark", "help", "help"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, ask: Callable[..., Answer], interval_s: float = 0.5) -> None:
        super().__init__()
        self._ask, self._interval_s = ask, interval_s
        self._history: deque[int] = deque(maxlen=HISTORY)
        self._symbol, self._showing_help = "", False

    def compose(self) -> ComposeResult:
        """Lay out the page, a line for answers, and the keys."""
        yield Static(id="page")
        yield Static(id="said")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to ask."""
        self.refresh_page()
        self.set_interval(self._interval_s, self.refresh_page)

    def facts(self) -> Facts:
        """Ask everything that the page shows."""
        found = gather(self._ask)
        p50 = int(found.latency.get("tick_to_trade", {}).get("p50", 0))
        self._history.append(p50)
        return Facts(found.status, found.books, found.positions, found.orders, found.latency, found.alerts, tuple(self._history), self._symbol)

    def refresh_page(self) -> None:
        """Show what is now; a node that went away is said, and asked again."""
        if self._showing_help:
            return
        try:
            facts = self.facts()
        except (OSError, ValueError) as why:
            self._say(f"no answer: {why}")
            return
        size = self.query_one("#page").size
        self.query_one("#page", Static).update(page(facts, max(size.height, 8), max(size.width, 40), time.time_ns()))

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(text)

    def action_order(self, verb: str) -> None:
        """Halt, resume or cancel all, and say what came of it."""
        self._do(verb)

    def _do(self, verb: str, **arguments: Any) -> None:
        try:
            answer = self._ask(verb, **arguments)
        except (OSError, ValueError) as why:
            self._say(f"{verb}: {why}")
            return
        self._say(f"{verb}: done, {answer.get('acted', 0)} acted on")

    def action_silence(self) -> None:
        """Silence the gravest alert that fires and is not silenced yet."""
        try:
            firing = [a for a in pressing(self._ask("alerts")) if a["state"] == "firing" and a["silenced_until"] <= time.time_ns()]
        except (OSError, ValueError) as why:
            self._say(f"alerts: {why}")
            return
        if firing:
            self._do("silence", alert=firing[0]["alert"], seconds=600)
        else:
            self._say("no alert is firing")

    def action_next(self) -> None:
        """Drill down to the next symbol."""
        try:
            symbols = sorted({str(b["symbol"]) for b in self._ask("books").get("books", [])})
        except (OSError, ValueError) as why:
            self._say(f"books: {why}")
            return
        after = [s for s in symbols if s > self._symbol]
        self._symbol = (after or symbols or [""])[0]
        self.refresh_page()

    def action_all(self) -> None:
        """Show all symbols again."""
        self._symbol, self._showing_help = "", False
        self.refresh_page()

    def action_help(self) -> None:
        """Show the keys, or the page again."""
        self._showing_help = not self._showing_help
        if self._showing_help:
            self.query_one("#page", Static).update(HELP)
        else:
            self.refresh_page()


def gather(ask: Callable[..., Answer]) -> Facts:
    """Ask what a page needs. A daemon without alerts answers no to that, which is no fault."""
    try:
        alerts = ask("alerts")
    except ValueError:
        alerts = {"alerts": []}
    return Facts(ask("status"), ask("books"), ask("positions"), ask("orders"), ask("latency"), alerts)
