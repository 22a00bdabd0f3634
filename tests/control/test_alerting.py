"""From what the lane counted to what an alert does: a real webhook, circuit breaks, halts."""

import contextlib
import dataclasses
import json
import math
import time
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import trio
import trio.lowlevel
from control import desk

from core.codes import Command, Counter, Halt, Scope, Stage
from core.layout import BUCKETS
from noderrd.alerts import circuit
from noderrd.alerts.live import Measures
from noderrd.control.circuits import Circuits
from noderrd.lane.spec import ModelSpec
from rules.expression import Measured

ALERTS = """
notify ops {{ webhook "http://127.0.0.1:{port}/hook" }}
alert busy critical {{
  when  orders > 10
  do    log, circuit_break(router) for 300ms, cancel_all, webhook("ops")
}}
alert slow warning {{
  when  p50(tick_to_trade) over 10s > 1us
  do    halt(quotes)
}}
"""


async def hook(took, status, *, task_status=trio.TASK_STATUS_IGNORED):
    """A web server that keeps what is posted."""

    async def talk(stream):
        held = b""
        async with stream:
            while b"\r\n\r\n" not in held:
                held += await stream.receive_some(4096)
            head, _, body = held.partition(b"\r\n\r\n")
            length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")).split(b":")[1])
            while len(body) < length:
                body += await stream.receive_some(4096)
            took.append(json.loads(body))
            await stream.send_all(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status.pop(0))

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(talk, listeners)


@contextlib.asynccontextmanager
async def watching(make, status):
    """A node whose alerts are watched; gives it, its lane, what was posted, its verbs."""
    took = []
    async with trio.open_nursery() as nursery:
        port = await nursery.start(hook, took, status)
        node = make(desk.POLICY + ALERTS.format(port=port))
        node.lane.shared.own()
        lane = desk.Obeying(node)
        nursery.start_soon(lane.run)
        verbs = desk.verbs(node)
        nursery.start_soon(verbs._alerting.run)
        yield node, lane, took, verbs
        nursery.cancel_scope.cancel()


async def test_an_alert_acts_and_tells(make):
    async with watching(make, [500, 200, 200]) as (node, lane, took, verbs):
        control = node.lane.shared.control[0]
        control["counters"][Counter.ORDERS] = 20
        await desk.until(lambda: control["halt_node"] == Halt.CIRCUIT_BREAK)
        await desk.until(lambda: (Command.CANCEL_ALL, Scope.NODE, 0) in lane.seen)
        await desk.until(lambda: control["halt_node"] == Halt.HALF_OPEN)
        await desk.until(lambda: len(took) == 2)
        assert took[0]["id"] == took[1]["id"]  # the second try of the first one
        assert (took[0]["alert"], took[0]["state"], took[0]["value"], took[0]["node"]) == ("busy", "firing", 20, "test")
        assert took[0]["rule"].endswith("10-test.rules:22")
        alerts = (await verbs.handle("alerts", {}, desk.PEER))["alerts"]
        assert [(row["alert"], row["state"]) for row in alerts] == [("busy", "firing")]
        await verbs.handle("acknowledge", {"alert": "busy"}, desk.PEER)
        explained = await verbs.handle("explain", {"rule": "busy"}, desk.PEER)
        assert explained["true"] is True
        control["counters"][Counter.ORDERS] = 5
        await desk.until(lambda: len(took) == 3)
        assert took[2]["state"] == "resolved"
        await desk.until(lambda: control["halt_node"] == Halt.NONE)

        def told():
            rows = [node.lane.shared.commands[k]["text"] for k, row in enumerate(lane.seen) if row[0] == Command.TELL]
            return [bytes(row).rstrip(b"\0").decode() for row in rows]

        await desk.until(lambda: told()[-1].startswith("router closed: alert busy: "))
        assert told()[0] == "router open: alert busy: 20 against 10"
        assert told()[1] == "router half-open: alert busy: its time is over"


async def test_a_percentile_is_that_of_every_value_and_halts_by_name(make):
    async with watching(make, []) as (node, lane, _, verbs):
        node.lane.shared.histograms[Stage.TICK_TO_TRADE][1500] = 3
        await desk.until(lambda: (Command.HALT, Scope.STRATEGY, 0) in lane.seen)
        assert node.lane.shared.control[0]["halt_strategy"][0] == Halt.OPERATOR
        assert node.lane.shared.control[0]["halt_node"] == Halt.NONE
        assert (await verbs.handle("alerts", {}, desk.PEER))["alerts"][0]["alert"] == "slow"


async def test_no_alert_of_that_name(node):
    verbs = desk.verbs(node)
    for verb, key in (("silence", "alert"), ("acknowledge", "alert"), ("explain", "rule")):
        with pytest.raises(Exception, match=r"no (alert|rule) 'nothing'"):
            await verbs.handle(verb, {key: "nothing"}, desk.PEER)


def standing(fires, holds):
    return lambda _: (fires, holds)


def test_a_break_outlives_the_daemon_and_never_lifts_a_person_s_halt(node):
    word = node.lane.shared.control["halt_node"]
    first = Circuits(node, node.log)
    assert first.open("router", "a", 100, "why", 0)
    again = Circuits(node, node.log)
    again.turn(99, standing(True, False))
    assert word[0] == Halt.CIRCUIT_BREAK
    again.turn(100, standing(True, False))
    assert word[0] == Halt.HALF_OPEN
    again.turn(100 + circuit.PROBE_LEAST_NS, standing(True, False))
    assert word[0] == Halt.NONE
    for why in (Halt.OPERATOR, Halt.KILLED, Halt.LOSS):
        word[0] = why
        assert again.open("router", "a", 100, "why", 10**12)
        assert word[0] == why
        again.turn(10**15, standing(False, False))
        again.turn(2 * 10**15, standing(False, False))
        assert word[0] == why
    word[0] = Halt.NONE
    assert not again.open("mesh", "a", 100, "why", 0)
    assert not again.open("venue NOWHERE", "a", 100, "why", 0)


def test_a_break_that_nobody_knows_the_end_of_is_closed(node):
    node.lane.shared.control["halt_node"][0] = Halt.CIRCUIT_BREAK
    for kept in ("{", '{"router": 7}', '[{"part": 1}]', "[7]"):
        (node.folder / "circuits.json").write_text(kept)
        Circuits(node, node.log).turn(1, standing(False, False))
        assert node.lane.shared.control["halt_node"][0] == Halt.NONE


def test_every_scope_has_its_words(node):
    control, shared = node.lane.shared.control[0], node.lane.shared
    it = Circuits(node, node.log)
    for part in ("venue EDGE", "symbol AAPL", "strategy quotes"):
        assert it.open(part, "a", 10, "why", 0)
    edge = node.names()["venue"].index("EDGE")
    assert (control["halt_venue"][edge], control["halt_venue"][1 - edge], control["halt_node"]) == (Halt.CIRCUIT_BREAK, 0, 0)
    assert [int(word) for word in shared.halt_symbol] == [Halt.CIRCUIT_BREAK, Halt.CIRCUIT_BREAK, 0]
    assert control["halt_strategy"][0] == Halt.CIRCUIT_BREAK
    assert it.reduce("symbol AAPL", "b", "why", 0)
    assert shared.halt_symbol[0] == Halt.CIRCUIT_BREAK, "the hardest holds"
    it.turn(10, standing(True, False))
    assert (shared.halt_symbol[0], control["halt_strategy"][0]) == (Halt.REDUCE_ONLY, Halt.HALF_OPEN)
    it.turn(10 + circuit.PROBE_LEAST_NS, standing(True, False))
    assert (shared.halt_symbol[0], control["halt_strategy"][0], control["halt_venue"][edge]) == (Halt.REDUCE_ONLY, 0, 0)
    it.resumed((Scope.SYMBOL, 0))
    assert not shared.halt_symbol.any()


def test_a_circuit_is_raised_again_when_a_person_s_halt_is_over(node):
    word, it = node.lane.shared.control["halt_node"], Circuits(node, node.log)
    word[0] = Halt.OPERATOR
    it.open("router", "a", 100, "why", 0)
    word[0] = Halt.NONE  # resumed
    it.turn(1, standing(True, True))
    assert word[0] == Halt.CIRCUIT_BREAK


async def test_a_person_closes_for_a_reason_that_is_journaled(make):
    async with watching(make, [200, 200]) as (node, _, _, verbs):
        control = node.lane.shared.control[0]
        verbs._alerting.circuits.open("venue EDGE", "busy", 10**12, "why", 1)
        shown = (await verbs.handle("circuits", {}, desk.PEER))["circuits"]
        wanted = {"part": "venue EDGE", "state": "open", "since": 1, "until": 10**12 + 1, "alert": "busy", "why": "why", "closed_by": ""}
        assert shown == [wanted]
        with pytest.raises(Exception, match="noderrctl close 'venue EDGE'"):
            await verbs.handle("resume", {"venue": "EDGE"}, desk.PEER)
        for wrong in ({"part": "venue EDGE"}, {"part": "venue EDGE", "reason": "x" * 61}, {"part": "router", "reason": "why"}):
            with pytest.raises(Exception, match=r"--reason|no circuit of 'router'"):
                await verbs.handle("close", wrong, desk.PEER)
        closed = await verbs.handle("close", {"part": "venue EDGE", "reason": "it was the feed"}, desk.PEER)
        assert (closed["acted"], not control["halt_venue"].any()) == (1, True)
        row = node.lane.shared.commands[int(control["command_head"]) - 1]
        assert (Command(int(row["verb"])), Scope(int(row["scope"]))) == (Command.TELL, Scope.VENUE)
        assert bytes(row["text"]).rstrip(b"\0").decode().startswith("venue EDGE closed: by ")
        assert "it was the feed" in bytes(row["text"]).decode()
        await verbs.handle("resume", {"venue": "EDGE"}, desk.PEER)


async def test_a_slow_round_leaves_rounds_out_and_others_have_their_turn(make, monkeypatch):
    async with watching(make, []) as (_, _, _, verbs):
        alerting, turns = verbs._alerting, []
        read = alerting.read

        def slow(leaf, now_ns):
            time.sleep(0.7)
            return read(leaf, now_ns)

        async def other():
            while True:
                turns.append(trio.current_time())
                await trio.lowlevel.checkpoint()

        monkeypatch.setattr(alerting, "read", slow)

        def counted():
            return {name: value for name, _, value in alerting.figures() if name.startswith("noderrd_alert_rounds")}

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            await desk.until(lambda: counted()["noderrd_alert_rounds_skipped_total"] >= 2)
            nursery.cancel_scope.cancel()
        assert counted()["noderrd_alert_rounds_total"] >= 2
        rounds = [value for name, _, value in alerting.figures() if name == "noderrd_alert_round_seconds"]
        assert rounds[0].sum() == counted()["noderrd_alert_rounds_total"]
        assert len(turns) > 5


def test_lost_edge_and_fill_ratio_have_values(make):
    node = make(desk.POLICY)
    shared, verbs = node.lane.shared, desk.verbs(node)
    node.lane.spec = dataclasses.replace(node.lane.spec, models=[ModelSpec("m", "m.onnx", [], [], move=2.5)])
    shared.products[0]["model"], shared.products[0]["score_ns"], shared.products[0]["score"] = 0, 1, (0.1, 0.3, 0.6)
    shared.venues[1]["lost"] = 7, 4
    figures = verbs._watch.orders.figures
    figures.take(verbs._watch.views()[0], 1)
    shared.orders[0]["cl_ord_id"], shared.orders[0]["ord_status"], shared.orders[0]["order_qty"], shared.orders[0]["cum_qty"] = 1, 4, 100, 25
    figures.take(verbs._watch.views()[0], 2)
    measures = Measures(verbs._watch.counts, figures)
    measures.take(verbs._watch.views()[0], "ready", {}, 3)

    def value(name, now=3, **labels):
        return measures.read(Measured(name, tuple((key, True, text) for key, text in labels.items()), (), None, None), now)

    assert (value("lost"), value("lost", venue="EDGE"), value("lost", venue="EDGE", line="a")) == (11, 11, 7)
    assert value("edge", symbol=node.lane.spec.products[0]) == pytest.approx(0.5 * 2.5)
    assert value("fill_ratio") == 0.25
    assert math.isnan(value("venue_score"))
    verbs._watch.scores.look(node.lane.spec, shared, {}, 3)
    verbs._watch.scores.probed("EDGE", 1_000, 4, 1)
    verbs._watch.scores.look(node.lane.spec, shared, {}, 4)
    measures.take(verbs._watch.views()[0], "ready", {}, 4)
    found = {venue.name: value("venue_score", 4, venue=venue.name) for venue in node.lane.spec.venues}
    assert 0 < found["EDGE"] == verbs._watch.scores.now["EDGE"].value
    assert value("venue_score", 4) == min(found.values())


def test_a_latency_by_label_is_missing_and_an_interface_has_a_bandwidth(make, monkeypatch):
    node = make(desk.POLICY)
    verbs = desk.verbs(node)
    view = verbs._watch.views()[0]
    measures = Measures(lambda ns: np.eye(len(Stage), BUCKETS, 7, np.int64), verbs._watch.orders.figures)

    def value(name, *labels):
        return measures.read(Measured(name, labels, (), None, None), 4_000_000_000)

    assert value("decode") > 0
    assert math.isnan(value("decode", ("venue", True, "EDGE")))
    for second, received in ((1, 500), (2, 1_500), (3, 7), (4, 2_000_000_007)):
        monkeypatch.setattr(psutil, "net_io_counters", lambda pernic, n=received: {"eth7": SimpleNamespace(bytes_recv=n)})
        measures.take(view, "ready", {}, second * 1_000_000_000)
        if second == 2:
            assert measures.read(Measured("bandwidth", (("interface", True, "eth7"),), (), None, None), 2_000_000_000) == pytest.approx(1e-6)
    assert value("bandwidth", ("interface", True, "eth7")) == 2.0, "bytes a nanosecond; a counter that fell began anew"
