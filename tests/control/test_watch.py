"""Health names what is missing, metrics are served, windows count what was counted in them."""

import dataclasses

import httpx
import pytest
import trio
from control import desk

from core.codes import BookState, Halt, Session, Stage, Writer
from noderrd.control.watch import Watch
from noderrd.rig import ports


@pytest.fixture
def watch(node, monkeypatch):
    """A node that lacks nothing."""
    shared = node.lane.shared
    shared.own()
    shared.control[0]["ready"], shared.control[0]["writer_state"] = 1, Writer.WRITING
    shared.venues["session_state"] = Session.UP
    monkeypatch.setattr(type(node.worker), "pid", property(lambda self: 7))
    return Watch(node, node.log)


def test_ready_when_nothing_is_missing(watch):
    assert watch.unready() == []


def test_each_thing_that_is_missing_is_named(node, watch):
    shared = node.lane.shared
    shared.insts[1]["state"] = BookState.GAP
    shared.venues[0]["state"] = BookState.STALE
    shared.venues[1]["session_state"] = Session.DOWN
    shared.control[0]["halt_strategy"][0] = Halt.OVER_BUDGET
    shared.control[0]["writer_state"], shared.control[0]["writer_errno"] = Writer.BLOCKED, 28
    assert sorted(watch.unready()) == [
        "book EDGE AAPL: GAP", "feed NSDQ: STALE", "journal: No space left on device", "orders EDGE: DOWN", "strategy quotes halted: OVER_BUDGET"
    ]  # fmt: skip


async def test_it_is_served_where_the_configuration_says(node, watch, nursery):
    port = ports.free(1)[0]
    node.config = dataclasses.replace(node.config, telemetry=dataclasses.replace(node.config.telemetry, listen=f"127.0.0.1:{port}"))
    nursery.start_soon(watch.run)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        with trio.fail_after(20):
            while True:
                try:
                    answer = await client.get("/readyz")
                    break
                except httpx.TransportError:
                    await trio.sleep(0.05)
        assert answer.json() == {"ready": True, "missing": []}
        text = (await client.get("/metrics")).text
    assert "noderrd_feed_messages_total" in text
    assert "python_gc_" in text
    nursery.cancel_scope.cancel()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # hypercorn forgets the socket that it could not bind
async def test_an_address_that_is_taken_does_not_stop_the_node(node, watch, nursery):
    port = ports.free(1)[0]
    async with trio.open_nursery() as servers:
        await servers.start(trio.serve_tcp, trio.aclose_forcefully, port)
        node.config = dataclasses.replace(node.config, telemetry=dataclasses.replace(node.config.telemetry, listen=f"127.0.0.1:{port}"))
        with trio.move_on_after(0.3) as waited:
            await watch.run()
        servers.cancel_scope.cancel()
    assert waited.cancelled_caught


async def test_a_window_holds_what_was_counted_in_it(node, watch):
    counts = node.lane.shared.histograms[Stage.TICK_TO_TRADE]
    counts[500] = 7
    assert watch.counts(10**9)[Stage.TICK_TO_TRADE].sum() == 7
    await trio.sleep(0.06)
    counts[900] = 2
    verbs = desk.verbs(node)
    verbs._watch = watch
    said = await verbs.handle("latency", {"interval_s": 0.05}, desk.PEER)
    assert said["tick_to_trade"]["n"] == 2
    assert (await verbs.handle("latency", {}, desk.PEER))["tick_to_trade"]["n"] == 9
