"""What a flow looks like, in figures: the same ones of a recording and of a simulation, so that the two can be laid side by side.

`watch` plays the ITCH messages of one symbol on a book of its own and notes what people did: limit orders, cancels, market orders (executions with
one time stamp on one side are one order), each with where the book stood before. `figures` sums that up. The stylized facts are those of Cont,
"Empirical properties of asset returns" (2001), and Bouchaud, Farmer and Lillo, "How markets slowly digest changes in supply and demand" (2009).
"""

import bisect
import dataclasses
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np

SECOND = 1_000_000_000
DEPTH = 10
LIMIT, CANCEL, MARKET = 0, 2, 4  # kinds of event; plus 1 for the seller's
SYNTHETIC = 0xFFFF  # tracking number of messages that a derived recording puts in to keep its window; not people's
LAGS = (1, 2, 5, 10, 20, 50, 100)  # market orders
SCALES_S = (1, 2, 5, 10, 30, 60, 120, 300)
WINDOWS_S = (0.1, 1.0, 10.0, 60.0)
AFTER_S = (1, 10, 60)
STANDING_BINS = 201  # ticks from the best of the same side


@dataclasses.dataclass
class Tale:
    """What people did, in order, and how the book stood at every full second.

    Of each event: time (ns), kind, shares, ticks behind the best of its side before it (negative: inside the spread; market orders: prices that it
    took besides the first), the spread in ticks before it (0: one side was empty), and whether it canceled the youngest order of its side.
    `samples`: second, mid and spread in ticks, orders and shares at DEPTH prices of the bid and of the ask. `standing`: orders seen at a
    distance.
    """

    tick: int
    time_ns: np.ndarray
    kind: np.ndarray
    qty: np.ndarray
    distance: np.ndarray
    spread: np.ndarray
    youngest: np.ndarray
    samples: np.ndarray
    standing: np.ndarray

    def between(self, first_ns: int, last_ns: int) -> "Tale":
        """Give the part of it that lies between two times; `standing` is of the whole."""
        chosen = (self.time_ns >= first_ns) & (self.time_ns < last_ns)
        seconds = (self.samples[:, 0] * SECOND >= first_ns) & (self.samples[:, 0] * SECOND < last_ns)
        parts = {name: getattr(self, name)[chosen] for name in ("time_ns", "kind", "qty", "distance", "spread", "youngest")}
        return dataclasses.replace(self, **parts, samples=self.samples[seconds])


class _Side:
    """Prices of a side, ascending towards the best, each with shares and orders."""

    def __init__(self, sign: int) -> None:
        self.sign, self.prices = sign, []  # type: int, list[int]
        self.levels: dict[int, list[int]] = {}

    def best(self) -> int | None:
        return self.sign * self.prices[-1] if self.prices else None

    def change(self, px: int, qty: int, orders: int) -> None:
        level = self.levels.get(px)
        if level is None:
            level = self.levels[px] = [0, 0]
            bisect.insort(self.prices, self.sign * px)
        level[0] += qty
        level[1] += orders
        if level[1] <= 0:
            del self.levels[px]
            del self.prices[bisect.bisect_left(self.prices, self.sign * px)]


def watch(messages: Iterable[bytes], symbol: str, tick: int = 100) -> Tale:
    """Play the messages that touch a symbol's book. `tick` in 1e-4. Messages about unknown orders are passed over."""
    sides = (_Side(1), _Side(-1))
    orders: dict[int, list[int]] = {}  # reference to side, price, shares
    rows: list[tuple[int, int, int, int, int, int]] = []
    samples: list[list[float]] = []
    standing = np.zeros(STANDING_BINS, np.int64)
    last_added, second, stock = [0, 0], -1, symbol.ljust(8).encode()
    last_market, last_px = (-1, -1), 0

    def spread() -> int:
        bid, ask = sides[0].best(), sides[1].best()
        return (ask - bid) // tick if bid is not None and ask is not None else 0

    def away(side: int, px: int) -> int:
        best = sides[side].best()
        return 0 if best is None else (sides[side].sign * (best - px)) // tick

    def add(now: int, ref: int, side: int, qty: int, px: int, real: bool) -> None:
        if real:
            rows.append((now, LIMIT + side, qty, away(side, px), spread(), 0))
            last_added[side] = ref
        orders[ref] = [side, px, qty]
        sides[side].change(px, qty, 1)

    def take(now: int, ref: int, qty: int | None, real: bool) -> None:
        side, px, left = orders[ref]
        off = left if qty is None else min(qty, left)
        if real:
            rows.append((now, CANCEL + side, off, away(side, px), spread(), int(last_added[side] == ref)))
        lessen(ref, off)

    def lessen(ref: int, off: int) -> None:
        side, px, left = orders[ref]
        orders[ref][2] = left - off
        if left <= off:
            del orders[ref]
        sides[side].change(px, -off, -int(left <= off))

    def sample(upto: int) -> None:
        nonlocal second
        bid, ask = sides[0].best(), sides[1].best()
        if bid is not None and ask is not None and bid < ask:
            shares = [[float(s.levels[s.sign * p][0]) for p in s.prices[: -DEPTH - 1 : -1]] for s in sides]
            padded = [side + [0.0] * (DEPTH - len(side)) for side in shares]
            seen = sum(s.levels[s.sign * p][1] for s in sides for p in s.prices[: -DEPTH - 1 : -1])
            row = [(bid + ask) / 2 / tick, float((ask - bid) // tick), float(seen), *padded[0], *padded[1]]
            samples.extend([float(second), *row] for second in range(second, upto))
            for side in sides:
                best = side.prices[-1]
                for p in side.prices[-60:]:
                    standing[min((best - p) // tick, STANDING_BINS - 1)] += side.levels[side.sign * p][1]
        second = upto

    for m in messages:
        kind = m[0]
        if kind not in b"AFECXDU":
            continue
        now = int.from_bytes(m[5:11], "big")
        (ref,) = struct.unpack_from(">Q", m, 11)
        real = int.from_bytes(m[3:5], "big") != SYNTHETIC
        if kind in b"AF":
            if m[24:32] != stock:
                continue
        elif ref not in orders:
            continue
        if second < 0:
            second = now // SECOND + 1
        elif now // SECOND >= second:
            sample(now // SECOND + 1)
        if kind in b"AF":
            side, qty, _, px = struct.unpack_from(">cI8sI", m, 19)
            add(now, ref, 0 if side == b"B" else 1, qty, px, real)
        elif kind in b"EC":
            (qty,) = struct.unpack_from(">I", m, 19)
            aggressor = 1 - orders[ref][0]
            if last_market == (now, aggressor) and rows[-1][1] == MARKET + aggressor:
                row = rows.pop()
                rows.append((now, row[1], row[2] + qty, row[3] + int(orders[ref][1] != last_px), row[4], 0))
            elif real:
                rows.append((now, MARKET + aggressor, qty, 0, spread(), 0))
            last_market, last_px = (now, aggressor), orders[ref][1]
            lessen(ref, qty)
        elif kind == ord("X"):
            take(now, ref, struct.unpack_from(">I", m, 19)[0], real)
        elif kind == ord("D"):
            take(now, ref, None, real)
        else:
            new, qty, px = struct.unpack_from(">QII", m, 19)
            side = orders[ref][0]
            take(now, ref, None, real)
            add(now, new, side, qty, px, real)
    c = np.array(rows, np.int64).reshape(-1, 6).T
    return Tale(tick, c[0], c[1], c[2], c[3], c[4], c[5], np.array(samples).reshape(-1, 4 + 2 * DEPTH), standing)


def hill(values: np.ndarray, share: float = 0.05) -> float:
    """Give Hill's estimate of the tail exponent from the largest `share` of the values; nan of too few."""
    ordered = np.sort(values.astype(float))[::-1]
    k = int(len(ordered) * share)
    return float(1 / max(np.mean(np.log(ordered[:k] / ordered[k])), 1e-9)) if k >= 10 and ordered[k] > 0 else float("nan")


def autocorrelation(values: np.ndarray, lag: int) -> float:
    """Give a series' autocorrelation at a lag."""
    v = values - values.mean()
    return float((v[lag:] * v[:-lag]).mean() / max(v.var(), 1e-12)) if len(v) > lag + 1 else float("nan")


def signature(seconds: np.ndarray, mids: np.ndarray) -> list[float]:
    """Give the variance of the mid's changes over SCALES_S, a second (ticks^2/s)."""
    clock = np.arange(int(seconds[0]), int(seconds[-1]) + 1)
    path = mids[np.searchsorted(seconds, clock, side="right") - 1]
    return [float(np.mean((path[scale:] - path[:-scale]) ** 2) / scale) if len(path) > scale else float("nan") for scale in SCALES_S]


def figures(tale: Tale) -> dict[str, Any]:
    """Sum a tale up; shares in shares, prices in ticks, times in seconds."""
    times = (tale.time_ns - tale.time_ns[0]) / SECOND
    gaps = np.diff(times)
    kinds = tale.kind // 2 * 2
    counts = {name: int((kinds == kind).sum()) for name, kind in (("limit", LIMIT), ("cancel", CANCEL), ("market", MARKET))}
    signs = np.where(tale.kind[kinds == MARKET] == MARKET, 1.0, -1.0)
    seconds, mids, spreads = tale.samples[:, 0], tale.samples[:, 1], tale.samples[:, 2]
    depth = tale.samples[:, 4:].reshape(-1, 2, DEPTH).mean(axis=(0, 1))
    fano = []
    for width in WINDOWS_S:
        per = np.bincount((times / width).astype(np.int64))[:-1]
        fano.append(float(per.var() / max(per.mean(), 1e-9)) if len(per) > 5 else float("nan"))
    market_s = times[kinds == MARKET] + tale.time_ns[0] / SECOND
    response = []
    for after in AFTER_S:
        before = np.searchsorted(seconds, market_s, side="right") - 1
        later = np.searchsorted(seconds, market_s + after, side="right") - 1
        good = (before >= 0) & (later > before)
        response.append(float(np.mean(signs[good] * (mids[later[good]] - mids[before[good]]))) if good.any() else float("nan"))
    return {
        "seconds": float(times[-1]),
        "events_per_s": float(len(times) / times[-1]),
        "shares_of_events": {name: count / len(times) for name, count in counts.items()},
        "cancels_per_trade": counts["cancel"] / max(counts["market"], 1),
        "spread": {f"p{q}": float(np.percentile(spreads, q)) for q in (10, 50, 90)} | {"mean": float(spreads.mean())},
        "depth": [round(float(d), 1) for d in depth],
        "orders": float(tale.samples[:, 3].mean()),
        "limit_size": _sizes(tale.qty[kinds == LIMIT]),
        "market_size": _sizes(tale.qty[kinds == MARKET]),
        "gap": {f"p{q}": float(np.percentile(gaps, q)) for q in (10, 50, 90, 99)} | {"cv": float(gaps.std() / gaps.mean())},
        "fano": fano,
        "sign_acf": [autocorrelation(signs, lag) for lag in LAGS],
        "signature": signature(seconds, mids),
        "response": response,
    }


def _sizes(values: np.ndarray) -> dict[str, float]:
    return {f"p{q}": float(np.percentile(values, q)) for q in (10, 50, 90, 99)} | {"mean": float(values.mean()), "tail": hill(values)}
