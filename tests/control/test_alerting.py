"""From what the lane counted to what an alert does: a real webhook, circuit breaks, halts."""

import contextlib
import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import trio
from control import desk

from core.codes import Command, Counter, Halt, Scope, Stage
from core.layout import BUCKETS
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
        await desk.until(lambda: control["halt_node"] == Halt.NONE)
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
        with pytest.raises(Exception, match="no alert 'nothing'"):
            await verbs.handle(verb, {key: "nothing"}, desk.PEER)


def test_a_break_outlives_the_daemon_and_never_lifts_a_person_s_halt(node):
    word = node.lane.shared.control["halt_node"]
    first = Circuits(node, node.log)
    assert first.open("router", 100)
    again = Circuits(node, node.log)
    again.turn(99)
    assert word[0] == Halt.CIRCUIT_BREAK
    again.turn(100)
    assert word[0] == Halt.NONE
    for why in (Halt.OPERATOR, Halt.KILLED, Halt.LOSS):
        word[0] = why
        assert again.open("router", 200)
        again.turn(300)
        assert word[0] == why
    assert not again.open("mesh", 200)


def test_a_break_that_nobody_knows_the_end_of_is_closed(node):
    node.lane.shared.control["halt_node"][0] = Halt.CIRCUIT_BREAK
    (node.folder / "circuits.json").write_text("{")
    Circuits(node, node.log).turn(1)
    assert node.lane.shared.control["halt_node"][0] == Halt.NONE


def test_lost_edge_and_fill_ratio_have_values(make, tmp_path):
    node = make(desk.POLICY)
    shared, verbs = node.lane.shared, desk.verbs(node)
    (tmp_path / "m.json").write_text('{"held_out": {"mean_move_ticks": 2.5}}')
    node.lane.spec = dataclasses.replace(node.lane.spec, models=[ModelSpec("m", str(tmp_path / "m.onnx"), [], [])])
    shared.products[0]["model"], shared.products[0]["score_ns"], shared.products[0]["score"] = 0, 1, (0.1, 0.3, 0.6)
    shared.venues[1]["lost"] = 7, 4
    figures = verbs._watch.orders.figures
    figures.take(verbs._watch.views()[0], 1)
    shared.orders[0]["cl_ord_id"], shared.orders[0]["ord_status"], shared.orders[0]["order_qty"], shared.orders[0]["cum_qty"] = 1, 4, 100, 25
    figures.take(verbs._watch.views()[0], 2)
    measures = Measures(verbs._watch.counts, figures)
    measures.take(verbs._watch.views()[0], "ready", {}, 3)

    def value(name, **labels):
        return measures.read(Measured(name, tuple((key, True, text) for key, text in labels.items()), (), None, None), 3)

    assert (value("lost"), value("lost", venue="EDGE"), value("lost", venue="EDGE", line="a")) == (11, 11, 7)
    assert value("edge", symbol=node.lane.spec.products[0]) == pytest.approx(0.5 * 2.5)
    assert value("fill_ratio") == 0.25


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
