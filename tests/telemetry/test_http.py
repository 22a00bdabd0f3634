"""The health and metrics server over a real loopback socket."""

import json

import httpx
import pytest
import trio
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from noderrd.telemetry import http


@pytest.fixture
async def served(nursery):
    registry, missing = CollectorRegistry(), []
    Gauge("noderrd_thing", "A thing.", registry=registry).set(3)
    where = await nursery.start(http.run, http.Application(registry, lambda: missing), "127.0.0.1:0")
    async with httpx.AsyncClient(base_url=f"http://{where}", trust_env=False) as client:
        yield client, missing
    nursery.cancel_scope.cancel()


async def test_ready_says_what_is_missing(served):
    client, missing = served
    assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/readyz")).json() == {"ready": True, "missing": []}
    missing.append("venue NSDQ: not logged in")
    told = await client.get("/readyz")
    assert (told.status_code, told.json()["missing"]) == (503, ["venue NSDQ: not logged in"])


async def test_metrics_speak_both_formats(served):
    client, _ = served
    plain = await client.get("/metrics")
    assert "noderrd_thing 3.0" in plain.text
    assert plain.headers["content-type"].startswith("text/plain")
    open_metrics = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    families = {f.name: f for f in text_string_to_metric_families(open_metrics.text)}
    assert families["noderrd_thing"].samples[0].value == 3


async def test_other_paths_and_methods_are_refused(served):
    client, _ = served
    assert (await client.get("/")).status_code == 404
    assert (await client.post("/metrics")).status_code == 405
    assert (await client.head("/livez")).content == b""


async def test_garbage_on_the_port_leaves_it_alive(served):
    client, _ = served
    for junk in (b"\x00" * 40_000, b"GET " + b"a" * 100_000, b"\xff\xfe\r\n\r\n"):
        with trio.move_on_after(5):
            stream = await trio.open_tcp_stream(client.base_url.host, client.base_url.port)
            async with stream:
                try:
                    await stream.send_all(junk)
                    await stream.receive_some(1000)
                except trio.BrokenResourceError:
                    pass
    assert json.loads((await client.get("/livez")).text) == {"live": True}
