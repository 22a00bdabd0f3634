"""A lane and its exchange for a test; both end with it."""

import pytest
from lane.exchange import Exchange
from lane.rig import Lane


@pytest.fixture
def venue():
    exchange = Exchange()
    yield exchange
    exchange.close()


@pytest.fixture
def lane(tmp_path, venue):
    it = Lane(tmp_path, venue).start()
    it.live_book()
    yield it
    it.close()
