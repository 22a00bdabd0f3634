"""Venues for tests of this room."""

import contextlib

import pytest
from venue.rig import Venue, configuration


@pytest.fixture
def make(tmp_path):
    """Give what makes venues; their records are closed at the end."""
    made = []

    def build(record=None, **changes):
        made.append(Venue(configuration(**changes), record))
        return made[-1]

    yield build
    for venue in made:
        with contextlib.suppress(OSError):
            venue.record.close()
