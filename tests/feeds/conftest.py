"""Channels that are closed when the test is over."""

import pytest
from feeds.channel import Channel


@pytest.fixture
def channel_of(tmp_path):
    """Give a function that makes a channel on which messages were said."""
    made = []

    def make(messages, **options):
        made.append(Channel(tmp_path, messages, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
