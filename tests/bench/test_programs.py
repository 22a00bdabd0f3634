"""The C programs of tick-to-trade against themselves: a floor in the node's place."""

import subprocess

import numpy as np
import pytest

from noderrd.bench import compiler
from noderrd.bench.tick_to_trade import Client, cores
from noderrd.rig import ports


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    try:
        folder = tmp_path_factory.mktemp("programs")
        return compiler.build("client", folder), compiler.build("floor", folder)
    except compiler.NoCompiler as why:
        pytest.skip(str(why))


@pytest.fixture
def sides(programs):
    """A client with a floor on either side: neither can win."""
    client_core, lane_core = cores()
    a, b, c, d = ports.free(4)
    with Client(programs[0], client_core, a, c) as client:
        floors = [subprocess.Popen([programs[1], str(lane_core), *map(str, line)]) for line in ((a, b, client.ouch), (c, d, client.floor))]
        try:
            client.say(f"pids {floors[0].pid} {floors[1].pid}")
            client.say("warm 200")
            yield client
        finally:
            for floor in floors:
                floor.kill()
                floor.wait()


def test_every_tick_is_timed_once_on_either_side(sides, tmp_path):
    node, floor, lost = sides.measure("closed 2 300 50000", tmp_path / "closed")
    assert (len(node), len(floor), lost) == (400, 400, 0)
    assert min(node.min(), floor.min()) > 0


def test_a_schedule_counts_from_the_time_a_message_was_due(sides, tmp_path):
    node, floor, lost = sides.measure("open 2 10 10000", tmp_path / "open")
    assert len(node) + lost == 2 * 10 * 9
    assert len(floor) == 2 * 10 * 9
    # the nine datagrams of a burst are due at once, and sent one after the other
    assert np.median(floor) > floor.min()


def test_an_exchange_without_a_node_counts_every_tick_as_lost(programs, tmp_path):
    client_core, lane_core = cores()
    a, b, c, d = ports.free(4)
    with Client(programs[0], client_core, a, c) as client:
        # the node's place is taken by a floor that listens elsewhere: no tick reaches it
        floors = [subprocess.Popen([programs[1], str(lane_core), *map(str, line)]) for line in ((b, d, client.ouch), (c, a, client.floor))]
        client.say(f"pids {floors[0].pid} {floors[1].pid}")
        node, floor, lost = client.measure("open 1 1 10000", tmp_path / "lost")
        for one in floors:
            one.kill()
            one.wait()
    assert (len(node), len(floor), lost) == (0, 9, 9)
