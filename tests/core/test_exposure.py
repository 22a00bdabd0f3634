"""Exposure shared by lanes: what is held together never passes the limit, also with threads and processes that claim at the same moment."""

import multiprocessing
import threading
import time

import numpy as np
import pytest
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from core import exposure, risk
from core.codes import Denial, Limit, Side
from core.integer import i64
from core.jit import entry
from core.layout import CONTROL, EXPOSURE, INSTRUMENT, LANE, LIMITS, MAX_LANES, MAX_STRATEGIES, MONEY_ROWS, NO_LIMIT, POSITION, PRODUCT

LIMIT = 1_000
PX = 1_000_000


@entry
def claim(control, row, side, qty, limit):
    return exposure.claim(control, row, side, qty, limit)


@entry
def change(control, row, buy, sell):
    exposure.change(control, row, buy, sell)


@intrinsic
def add(_context, _address, _value):
    """Add to an int64 that others add to at the same time; gives what it was."""

    def build(_context, builder, _signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", pointer, arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), build


@entry
def churn(control, row, limit, rounds, seed, held, truth):
    """Claim and give back at random, holding up to 8 at a time; gives grants and breaches in held[8:10]. All is given back at the end.

    `truth` is the address of a sum over all lanes, raised after a grant and lowered before it is given back: never above what is really held.
    """
    x = seed
    for k in range(rounds):
        x = (x * 6364136223846793005 + 1442695040888963407) & 0x7FFFFFFFFFFFFFFF
        qty = 1 + (x >> 33) % 400
        slot = k % 8
        if held[slot] > 0:
            add(truth, -held[slot])
            exposure.change(control, row, -held[slot], 0)
            held[slot] = 0
        if exposure.claim(control, row, Side.BUY, qty, limit) <= limit:
            held[slot] = qty
            held[8] += 1
            if add(truth, qty) + qty > limit:
                held[9] += 1
    for slot in range(8):
        add(truth, -held[slot])
        exposure.change(control, row, -held[slot], 0)


@entry
def trade(lane, halts, insts, px, products, positions, limits, verdict, limit, rounds, seed, truth, result):
    """Ask risk for orders of random size at random sides, up to 8 at a time, and let them end: their worth is reserved, and given back at the end.

    `truth` as in `churn`, of gross exposure; grants and breaches in result.
    """
    x = seed
    for k in range(rounds):
        x = (x * 6364136223846793005 + 1442695040888963407) & 0x7FFFFFFFFFFFFFFF
        qty = 1 + (x >> 33) % 400
        if k % 8 == 0 or k == rounds - 1:
            held = positions[0]["open_buy"]
            add(truth, -held * PX)
            positions[0]["open_buy"] = 0
            exposure.change(lane[0]["control"], 0, -held, 0)
            risk.mark(lane, insts, positions, limits, 0, 0)
        if k == rounds - 1:
            return
        code = risk.check(
            lane, halts, insts, px, products, positions, limits, 0, 0, i64(Side.BUY), i64(PX), qty, qty, i64(-1), False, i64(1), verdict
        )
        if code == Denial.PASS:
            positions[0]["open_buy"] += qty
            risk.mark(lane, insts, positions, limits, 0, 0)
            result[0] += 1
            if add(truth, qty * PX) + qty * PX > limit:
                result[1] += 1
        elif code != Denial.MAX_GROSS_EXPOSURE:
            result[2] += 1


def trader(array, k, lanes, limit):
    """Give what `trade` takes of a lane, up to the verdict."""
    lane, insts, products = np.zeros(1, LANE), np.zeros(1, INSTRUMENT), np.zeros(1, PRODUCT)
    control = lane[0]["control"][0]
    control["exposure"], control["place"], control["n_lanes"], control["money_row"] = array.ctypes.data, k, lanes, 1
    insts["tick"], insts["lot"], insts["unit"], insts["multiplier"], insts["n"], insts["mark"] = 1, 1, 10_000, 1, 1, PX
    limits = np.zeros(MAX_STRATEGIES, LIMITS)
    limits["limit"] = limits["account"] = NO_LIMIT
    limits["account"][:, Limit.MAX_GROSS_EXPOSURE] = limit
    px = np.full((1, 2, 1), PX)
    return lane, np.zeros(1, np.int64), insts, px, products, np.zeros(MAX_STRATEGIES, POSITION), limits, np.zeros(4, np.int64), limit


def place(array, k, lanes):
    control = np.zeros(1, CONTROL)
    control[0]["exposure"], control[0]["place"], control[0]["n_lanes"] = array.ctypes.data, k, lanes
    return control


def test_a_claim_is_granted_to_the_limit_and_not_a_share_beyond():
    array = np.zeros((2, MAX_LANES), EXPOSURE)
    first, second = place(array, 0, 2), place(array, 1, 2)
    assert claim(first, 1, Side.BUY, 600, LIMIT) == 600
    assert claim(second, 1, Side.BUY, 401, LIMIT) == 1001
    assert claim(second, 1, Side.BUY, 400, LIMIT) == 1000
    change(first, 1, -600, 0)
    assert claim(second, 1, Side.BUY, 600, LIMIT) == 1000
    assert claim(first, 1, Side.SELL, 700, LIMIT) == 700, "sides are apart"
    assert array[1]["buy"].tolist()[:2] == [0, 1000]
    assert array[0]["buy"].sum() == 0, "so are rows"


def test_what_another_lane_is_asking_for_counts():
    array = np.zeros((1, MAX_LANES), EXPOSURE)
    array[0, 1]["asked_buy"] = 500
    assert claim(place(array, 0, 2), 0, Side.BUY, 501, LIMIT) == 1001
    assert array[0, 0]["buy"] == 0


@pytest.mark.skipif(config.DISABLE_JIT, reason="needs threads that run at the same time")
def test_threads_that_claim_at_once_never_hold_more_than_the_limit():
    array, truth = np.zeros((1, MAX_LANES), EXPOSURE), np.zeros(1, np.int64)
    held = np.zeros((4, 10), np.int64)
    churn(place(array, 0, 1), 0, LIMIT, 1, 1, np.zeros(10, np.int64), truth.ctypes.data)
    work = [(place(array, k, 4), 0, LIMIT, 300_000, k + 1, held[k], truth.ctypes.data) for k in range(4)]
    threads = [threading.Thread(target=churn, args=arguments) for arguments in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held[:, 8].sum() > 0
    assert held[:, 9].sum() == 0, "never more than the limit"
    assert truth[0] == array["buy"].sum() == array["asked_buy"].sum() == 0


@pytest.mark.skipif(config.DISABLE_JIT, reason="needs threads that run at the same time")
def test_lanes_that_trade_at_once_never_reserve_more_money_than_the_limit():
    array, truth = np.zeros((1 + MONEY_ROWS, MAX_LANES), EXPOSURE), np.zeros(1, np.int64)
    result = np.zeros((4, 3), np.int64)
    limit = LIMIT * PX
    trade(*trader(array, 0, 1, limit), 1, 1, truth.ctypes.data, np.zeros(3, np.int64))
    work = [(*trader(array, k, 4, limit), 100_000, k + 1, truth.ctypes.data, result[k]) for k in range(4)]
    threads = [threading.Thread(target=trade, args=arguments) for arguments in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert result[:, 0].min() > 0
    assert result[:, 1].sum() == 0, "never more than the limit"
    assert result[:, 2].sum() == 0, "nothing else denies"
    assert truth[0] == 0
    assert not any(array[name].any() for name in ("buy", "sell", "asked_buy", "asked_sell"))


def _trader(folder, k, lanes, rounds):
    array = np.memmap(folder / "exposure", EXPOSURE, "r+").reshape(-1, MAX_LANES)
    truth, result = np.memmap(folder / "truth", np.int64, "r+"), np.memmap(folder / f"result{k}", np.int64, "r+")
    trade(*trader(array, k, lanes, LIMIT * PX), rounds, k + 7, truth.ctypes.data, result)


@pytest.mark.slow
@pytest.mark.skipif(config.DISABLE_JIT, reason="needs processes that run at the same time")
def test_processes_that_trade_at_once_never_reserve_more_money_than_the_limit(tmp_path):
    sizes = {"exposure": EXPOSURE.itemsize * MAX_LANES * (1 + MONEY_ROWS), "truth": 8, "result0": 24, "result1": 24}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(bytes(size))
    spawn = multiprocessing.get_context("spawn")
    lanes = [spawn.Process(target=_trader, args=(tmp_path, k, 2, 300_000)) for k in range(2)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    assert [lane.exitcode for lane in lanes] == [0, 0]
    result = [np.memmap(tmp_path / f"result{k}", np.int64, "r") for k in range(2)]
    assert all(it[0] > 0 and it[1] == 0 and it[2] == 0 for it in result)
    assert not np.memmap(tmp_path / "exposure", np.int64, "r").any()


def _lane(folder, k, rounds):
    array = np.memmap(folder / "exposure", EXPOSURE, "r+").reshape(-1, MAX_LANES)
    truth = np.memmap(folder / "truth", np.int64, "r+")
    held = np.memmap(folder / f"held{k}", np.int64, "r+")
    churn(place(array, k, 3), 0, LIMIT, rounds, k + 7, held, truth.ctypes.data)


@pytest.mark.slow
@pytest.mark.skipif(config.DISABLE_JIT, reason="needs processes that run at the same time")
def test_processes_that_claim_at_once_and_one_that_dies(tmp_path):
    """The killed one's line stays as it was, and is put right when it comes back; nobody else's is touched."""
    for name, size in (("exposure", EXPOSURE.itemsize * MAX_LANES), ("truth", 8), *((f"held{k}", 80) for k in range(3))):
        (tmp_path / name).write_bytes(bytes(size))
    array = np.memmap(tmp_path / "exposure", EXPOSURE, "r+").reshape(-1, MAX_LANES)
    held = [np.memmap(tmp_path / f"held{k}", np.int64, "r") for k in range(3)]
    spawn = multiprocessing.get_context("spawn")
    lanes = [spawn.Process(target=_lane, args=(tmp_path, k, 1_000_000 if k else 2**40)) for k in range(3)]
    for lane in lanes:
        lane.start()
    end = time.monotonic() + 60
    while not any(it[8] for it in held) and time.monotonic() < end:
        time.sleep(0.001)
    lanes[0].kill()
    for lane in lanes:
        lane.join()
    assert sum(int(it[8]) for it in held) > 0
    assert sum(int(it[9]) for it in held) == 0
    assert array[0]["buy"][1:].sum() == array[0]["asked_buy"][1:].sum() == 0
    put(place(array, 0, 3), 0, 0, 0)
    assert array["buy"].sum() == array["asked_buy"].sum() == 0


@entry
def put(control, row, buy, sell):
    exposure.put(control, row, buy, sell)
