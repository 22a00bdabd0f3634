"""The table of live orders against a dictionary, in both ways of finding a slot, small enough that everything collides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import order_table
from core.jit import entry
from core.layout import ORDER_REF, TABLE_HEAD


@entry
def insert(head: np.ndarray, table: np.ndarray, key: int, qty: int) -> int:
    return order_table.insert(head, table, key, 1, 0, 5, qty)


@entry
def remove(head: np.ndarray, table: np.ndarray, key: int) -> int:
    slot = order_table.find(head, table, key)
    if slot >= 0:
        order_table.remove(head, table, slot)
    return slot


@entry
def find(head: np.ndarray, table: np.ndarray, key: int) -> int:
    return order_table.find(head, table, key)


@entry
def wants(head: np.ndarray, table: np.ndarray) -> bool:
    return order_table.wants(head, table)


@entry
def home(head: np.ndarray, key: int, mask: int) -> int:
    return order_table.home(head, key, mask)


def key(ref, venue=0):
    return (ref << 3 | venue) + 1


def holds(head, table, orders):
    """Everything in the dictionary is found with its quantity, nothing else is there, and the head counts right."""
    assert head[0]["used"] == len(orders) == np.count_nonzero(table["key"])
    for one, qty in orders.items():
        slot = find(head, table, one)
        assert slot >= 0
        assert table[slot]["qty"] == qty
    mask = len(table) - 1
    away = sum(home(head, int(row["key"]), mask) != k for k, row in enumerate(table) if row["key"] != 0)
    assert head[0]["displaced"] == away


ACTS = st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 2)), max_size=80)


@pytest.mark.parametrize("hashed", [0, 1])
@settings(max_examples=150, deadline=None)
@given(ACTS)
def test_it_is_a_dictionary(hashed, acts):
    head, table, orders = np.zeros(1, TABLE_HEAD), np.zeros(32, ORDER_REF), {}
    head["hashed"] = hashed
    for k, (adds, ref, venue) in enumerate(acts):
        one = key(ref, venue)
        if adds:
            slot = insert(head, table, one, k)
            if len(orders) * 8 >= 32 * 7:
                assert slot == order_table.FULL
            elif one in orders:
                assert slot == order_table.DUPLICATE
            else:
                assert slot >= 0
                orders[one] = k
        else:
            assert (remove(head, table, one) >= 0) == (one in orders)
            orders.pop(one, None)
        holds(head, table, orders)


def test_references_that_rise_are_never_displaced():
    """While fewer live than there are slots between the oldest and the newest, every order is where its reference says."""
    head, table = np.zeros(1, TABLE_HEAD), np.zeros(256, ORDER_REF)
    for ref in range(1, 5000):
        assert insert(head, table, key(ref), ref) == ref % 256
        if ref > 200:
            assert remove(head, table, key(ref - 200)) >= 0
    assert head[0]["displaced"] == head[0]["crowded"] == 0


def test_old_orders_that_references_wrap_round_to_are_noticed_before_they_cost():
    """Where a third of the slots is still taken by old orders, each of them moves all that follow one further on."""
    head, table = np.zeros(1, TABLE_HEAD), np.zeros(1 << 14, ORDER_REF)
    for ref in range(0, 1 << 14, 3):
        insert(head, table, key(ref), 1)
    ref = 1 << 14
    while not wants(head, table):
        insert(head, table, key(ref), 1)
        ref += 1
    assert ref - (1 << 14) < 1000
    assert head[0]["crowded"] < 1 << 15


def test_references_far_apart_crowd_until_they_are_hashed():
    head, table, orders = np.zeros(1, TABLE_HEAD), np.zeros(1024, ORDER_REF), {}
    for k in range(200):
        orders[key(k * 1024)] = k
        insert(head, table, key(k * 1024), k)
    assert head[0]["crowded"] > 100
    larger = np.zeros(2048, ORDER_REF)
    order_table.rehash(head, table, larger, 1)
    assert head[0]["crowded"] == 0
    holds(head, larger, orders)


def test_venues_do_not_share_references():
    head, table = np.zeros(1, TABLE_HEAD), np.zeros(64, ORDER_REF)
    slots = {insert(head, table, key(7, venue), venue) for venue in range(8)}
    assert len(slots) == 8
    assert head[0]["displaced"] == 0
