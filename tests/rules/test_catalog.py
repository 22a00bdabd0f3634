"""What the checker knows is what the node has."""

from core import features
from rules import catalog


def test_features_are_those_of_the_lane():
    assert tuple(features.NAMES) == catalog.FEATURES
