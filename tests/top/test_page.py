"""What an operator sees: a golden page at 80 x 24, and the keys pressed in a terminal that is none."""

import asyncio
import io
from pathlib import Path

import pytest
from rich.console import Console
from textual.widgets import Static

from noderrd.top import page as it
from noderrd.top.app import Top

NOW = 1_800_000_000 * 10**9
GOLDEN = Path(__file__).with_name("page.golden.txt")


def latency(p50):
    return {"n": 10_000, "p50": p50, "p90": p50 * 2, "p99": p50 * 3, "p999": p50 * 40, "max": p50 * 900}


def answers():
    venues = [
        {
            "name": n,
            "feed": {"session": "S", "next_seq_num": 1_000_000 + k, "state": ["GAP"] if k == 2 else []},
            "orders": {"session": "S", "next_seq_num": 9 + k, "logged_in": k != 1},
            "score": 0.871 if k != 1 else None,
            "execution": {"fill_ratio": 0.833, "slippage_bps": -0.42 + k, "ack_ns": 85_300 + k}
            if k != 1
            else dict.fromkeys(("fill_ratio", "slippage_bps", "ack_ns")),
        }
        for k, n in enumerate(("NSDQ", "EDGE", "ARCX"))
    ]
    books = [
        {"venue": v, "symbol": s, "state": ["STALE"] if (v, s) == ("EDGE", "GOOG") else [], "seq_num": 1,
         "bids": [[f"{100 + k}.0{j}00", 200 + j, 2]] if s != "AMZN" else [], "asks": [[f"{100 + k}.1{j}00", 300, 1]]}
        for j, v in enumerate(("NSDQ", "EDGE", "ARCX"))
        for k, s in enumerate(("AAPL", "AMZN", "GOOG", "MSFT"))
    ]  # fmt: skip
    positions = [
        {"venue": v, "symbol": s, "strategy": t, "position": 100 * k - 150, "avg_px": "100.00", "realised": f"{k * 7}.25",
         "unrealised": f"-{k * 20}.5", "fees": "-0.13"}
        for v in ("NSDQ", "EDGE")
        for k, s in enumerate(("AAPL", "AMZN", "GOOG", "MSFT"))
        for t in ("quotes", "taker")
    ]  # fmt: skip
    orders = [
        {"cl_ord_id": f"{0x0100000000AA + k:014X}", "strategy": "quotes", "symbol": "AAPL", "venue": "NSDQ", "side": "Buy" if k else "Sell",
         "px": "100.01", "leaves_qty": 1_000 * k, "cum_qty": 50, "ord_status": status}
        for k, status in enumerate(("NEW", "FILLED", "PARTIALLY_FILLED"))
    ]  # fmt: skip
    return {
        "status": {
            "version": "0.1.0",
            "state": "ready",
            "mode": "armed",
            "venues": venues,
            "halts": [{"scope": "venue EDGE", "reason": "OPERATOR"}],
            "processes": [
                {"name": "lane0", "pid": 1, "state": "ready", "restarts": 0},
                {"name": "journal", "pid": 2, "state": "ready", "restarts": 2},
            ],
            "host": [{"lane": "lane0", "cores": "3", "locked_kib": 131_072}],
            "clock": {"source": "chrony", "synchronised": True, "offset_ns": -1_200, "error_ns": 84_000},
            "circuits": [{"part": "venue ARCX", "state": "half-open"}],
        },
        "books": {"books": books},
        "positions": {"positions": positions},
        "orders": {"orders": orders},
        "latency": {stage: latency(300 * (k + 1)) for k, stage in enumerate(it.STAGES)},
        "alerts": {
            "alerts": [
                {"alert": "losing", "severity": "warning", "state": "pending", "since": NOW - 7 * 10**9, "silenced_until": 0},
                {"alert": "feed", "severity": "warning", "state": "firing", "since": NOW - 600 * 10**9, "silenced_until": NOW + 1},
                {"alert": "slow_tick", "severity": "critical", "state": "firing", "since": NOW - 12 * 10**9, "silenced_until": 0},
                {"alert": "over", "severity": "info", "state": "resolved", "since": NOW, "silenced_until": 0},
            ]
        },
    }


def drawn(facts, columns=80, lines=24):
    out = io.StringIO()
    Console(file=out, width=columns, height=lines, force_terminal=False, color_system=None).print(it.page(facts, lines, columns, NOW), end="")
    return out.getvalue()


def test_a_page_is_as_it_was():
    said = drawn(it.Facts(**answers(), history=tuple(range(2_000, 4_000, 50))))
    assert said == GOLDEN.read_text()


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40), (40, 12)])
@pytest.mark.parametrize("symbol", ["", "GOOG"])
def test_a_page_fits_its_terminal(columns, lines, symbol):
    said = drawn(it.Facts(**answers(), symbol=symbol), columns, lines).splitlines()
    assert len(said) <= lines
    assert max(map(len, said)) <= columns


def test_a_node_that_has_just_begun_has_a_page():
    empty = it.Facts({}, {}, {}, {}, {}, {})
    assert "noderrd" in drawn(empty)


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0ns"), (999, "999ns"), (1_000, "1.0us"), (99_940, "99.9us"), (123_456, "123us"), (5_300_000, "5.3ms"), (12_000_000_000, "12.0s")],
)
def test_durations(ns, text):
    assert it.duration(ns) == text


def test_a_sparkline_goes_from_lowest_to_highest():
    assert it.sparkline([1, 2, 3, 9], 3) == "▁▂█"
    assert it.sparkline([], 5) == ""
    assert it.sparkline([4, 4], 5) == "▁▁"


def test_a_cascade_begins_where_the_one_before_has_ended():
    assert it.cascade({"a": 5, "b": 0, "c": 5}, 10) == {"a": "▇▇▇▇▇", "b": "     ▇", "c": "     ▇▇▇▇▇"}
    assert it.cascade({}, 10) == {}
    assert it.cascade({"a": 0, "b": 0}, 4) == {"a": "▇", "b": "▇"}
    assert max(map(len, it.cascade(dict.fromkeys("abcdefgh", 3), 4).values())) <= 4


class Asked:
    def __init__(self):
        self.said, self.verbs, self.dead = answers(), [], False

    def __call__(self, verb, **arguments):
        if self.dead:
            message = "no daemon"
            raise ConnectionRefusedError(message)
        if verb in self.said:
            return self.said[verb]
        self.verbs.append((verb, arguments))
        return {"ok": True, "acted": 2, "failed": 0}


def keys(ask, *pressed, size=(80, 24)):
    """Press keys; gives what stands on the page and in the line below it."""

    async def go():
        app = Top(ask, interval_s=0.05)
        async with app.run_test(size=size) as pilot:
            for key in pressed:
                await pilot.press(key)
            await pilot.pause()
            console = Console(width=size[0], file=io.StringIO(), color_system=None)
            shown = []
            for name in ("#page", "#said"):
                with console.capture() as text:
                    console.print(app.query_one(name, Static).content)
                shown.append(text.get())
            return shown

    return asyncio.run(go())


def test_keys_halt_cancel_and_resume():
    ask = Asked()
    _, said = keys(ask, "h", "c", "r")
    assert ask.verbs == [("halt", {}), ("cancel-all", {}), ("resume", {})]
    assert "resume: done, 2 acted on" in said


def test_silence_takes_the_alert_that_fires():
    ask = Asked()
    keys(ask, "s")
    assert ask.verbs == [("silence", {"alert": "slow_tick", "seconds": 600})]


def test_drilling_down_shows_a_symbol_venue_by_venue():
    shown, _ = keys(Asked(), "n", "n", "n")
    assert "GOOG" in shown
    assert "STALE" in shown
    assert "MSFT" not in shown
    shown, _ = keys(Asked(), "n", "a")
    assert "MSFT" in shown


def test_open_orders_have_lines_where_there_is_room():
    facts = it.Facts(**answers())
    assert "100000000AC" in drawn(facts, 80, 24)
    assert [drawn(facts, 100, 40).count(f"100000000A{last}") for last in "ABC"] == [1, 0, 1], "what has ended is not shown"
    assert "100000000AC" not in drawn(it.Facts(**answers(), symbol="GOOG"), 80, 40)
    assert "100000000AC" not in drawn(facts, 80, 16)


def test_help_names_every_key():
    shown, _ = keys(Asked(), "question_mark")
    for word in ("halt", "resume", "silence", "cancel", "next symbol", "leave"):
        assert word in shown


def test_a_node_that_goes_away_is_said():
    ask = Asked()
    ask.dead = True
    _, said = keys(ask)
    assert "no answer: no daemon" in said
