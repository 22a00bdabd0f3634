"""A node without processes; its shared memory goes with it."""

import pytest
from control import desk

from noderrd.control import node as nodes
from noderrd.control import staging


@pytest.fixture
def node(tmp_path):
    it = desk.node_of(desk.write(tmp_path))
    yield it
    desk.remove(it)


@pytest.fixture
def make(tmp_path):
    """Make nodes one after the other in one folder: a restart."""
    made = []

    def one(policy=desk.POLICY, **more):
        made.append(desk.node_of(desk.write(tmp_path, policy, **more)))
        return made[-1]

    yield one
    for it in made:
        desk.remove(it)


@pytest.fixture
def untried(monkeypatch):
    """Have specs not tried by a process, which takes seconds and is tested by itself (test_run.py), and tables given up soon: no lane takes them."""
    monkeypatch.setattr(nodes, "inspect", lambda path: None)
    monkeypatch.setattr(staging, "TAKEN_S", 0.02)
    monkeypatch.setattr(nodes, "restored", lambda spec, journal: ("lost", "no journal"))  # tests/lane/test_power_loss.py
