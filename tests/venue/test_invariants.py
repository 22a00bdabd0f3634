"""What must hold after every message: it does, and who breaks it is seen."""

import dataclasses
import random

import pytest
from venue.rig import POST_ONLY, cancel, enter, floor, least, listing, modify, option, replace

from noderrd.venue import config
from noderrd.venue.invariants import Broken
from noderrd.venue.record import Cause, Kind

LOOKING = config.Debug(invariants=True)


def trade(venue, seed, steps=150):
    """Both users do all that can be done, at random; the flow goes on in between."""
    rng = random.Random(seed)
    exchange = venue.exchange
    for k in range(1, steps):
        user, side = rng.randrange(2), rng.choice([b"B", b"S", b"T"])
        px = 1_000_000 + rng.randrange(-5, 6) * 100
        what = rng.random()
        if what < 0.5:
            extra = rng.choice([b"", b"", POST_ONLY, floor(100)])
            venue.request(user, enter(2 * k, side, rng.randrange(1, 6) * 100, px, rng.choice([b"0", b"3"]) if not extra else b"0", options=extra))
        elif what < 0.6:
            venue.request(user, enter(2 * k, side, 300, px, display=b"N", options=rng.choice([b"", least(200)])))
        elif what < 0.75:
            venue.request(user, replace(2 * rng.randrange(1, k + 1), 2 * k, rng.randrange(1, 6) * 100, px))
        elif what < 0.9:
            venue.request(user, cancel(2 * rng.randrange(1, k + 1), rng.choice([0, 100])))
        else:
            venue.request(user, modify(2 * rng.randrange(1, k + 1), rng.choice([b"S", b"T"]), 200))
        now = exchange.now_ns + 10**6
        while exchange.do(Cause(Kind.FLOW, now, 0, now)):
            pass


@pytest.mark.parametrize("kind", ["none", "zero", "hawkes"])
def test_everything_that_can_happen_leaves_the_market_in_order(make, kind):
    users = (config.User("ONE", "x", "A1", self_match="decrement"), config.User("TWO", "x", "A1"))
    ports = config.Ouch("127.0.0.1:0", users)
    venue = make(flow=config.Flow(kind, rate=300), debug=LOOKING, ouch=ports, instruments=(listing(), listing("OTHER", "50.00")))
    trade(venue, 1)
    assert venue.ask("halt", symbol="TEST")["ok"]
    venue.request(0, enter(1_000, b"B", 500, 1_001_000, cross=b"H"))
    venue.request(1, enter(1_000, b"S", 300, 0x7FFFFFFF, cross=b"H"))
    for do in ("quote", "resume"):
        assert venue.ask(do, symbol="TEST")["ok"]
    assert venue.ask("bands", symbol="TEST", lower="99.98", upper="100.02")["ok"]
    matches = [m for m in range(1, venue.exchange.take_match()) if venue.exchange.trades_of(m)]
    assert venue.ask("bust", match=matches[-1])["ok"]
    venue.request(1, enter(1_002, b"S", 100, 1_000_000, options=option(15, "I", 1)))
    venue.exchange.do(Cause(Kind.EXPIRE, venue.exchange.now_ns + 10**10))
    assert venue.ask("disable", user="ONE")["ok"]
    assert venue.ask("close")["ok"]


def plant_shares(exchange):
    exchange._market[2][0, 0]["levels"][exchange._market[2][0, 0]["level"][0]]["qty"] += 1


def plant_order(exchange):
    """Let the younger of two orders at a price stand first."""
    level = exchange._market[2][0, 0]["levels"][exchange._market[2][0, 0]["level"][0]]
    first, second = int(level["head"]), int(level["tail"])
    orders = exchange._market[3]
    level["head"], level["tail"] = second, first
    orders[first]["next"], orders[first]["prev"], orders[second]["next"], orders[second]["prev"] = -1, second, first, -1


def plant_crossed(exchange):
    exchange.securities[0]["state"] = ord("Q")
    exchange.do(Cause(Kind.REQUEST, exchange.now_ns, 1, payload=enter(1, b"S", 100, 980_000)))
    exchange.securities[0]["state"] = ord("T")


def plant_holding(exchange):
    exchange._holdings[0, 0]["cash"] += 1


def plant_lost(exchange):
    exchange._market[3][int(exchange._market[2][0, 0]["levels"][exchange._market[2][0, 0]["level"][0]]["head"])]["executed"] += 1


def plant_volume(exchange):
    exchange._market[0]["volume"] += 1


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (plant_shares, "shares, counted"),
        (plant_order, "stands behind the younger"),
        (plant_crossed, "crossed"),
        (plant_holding, "told 0"),
        (plant_lost, "done"),
        (plant_volume, "shares traded"),
    ],
)
def test_a_planted_breach_is_seen(make, plant, said):
    venue = make(debug=LOOKING)
    for ref in (1, 2):
        venue.request(0, enter(ref, b"B", 100, 990_000))
    plant(venue.exchange)
    with pytest.raises(Broken, match=said):
        venue.request(0, enter(3, b"B", 100, 970_000))


def test_a_recording_is_not_judged(tmp_path):
    parts = {"flow": config.Flow("replay", tmp_path), "debug": LOOKING}
    whole = config.Config(
        "V", config.Itch("a:1", "a:1", "a:1"), config.Ouch("a:1", (config.User("U", "p", "a"),)), config.Admin(tmp_path), (listing(),)
    )
    assert any("invariants" in text for text in config._conflicts(dataclasses.replace(whole, **parts)))
