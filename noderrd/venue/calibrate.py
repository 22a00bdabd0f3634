"""From a recording to the parameters of a flow, and the two laid side by side: `scripts/flow`.

`calibrate` reads an ITCH 5.0 BinaryFILE and writes one file: where the figures come from, the figures of the recording
(`noderrd.venue.statistics`), and the parameters. Most of these are read off: sizes, distances, the chain of kinds, hazards. The Hawkes process is
fitted by expectation and maximisation over fixed decays (Lewis and Mohler, 2011); the metaorders by the autocorrelation of signs; three that cannot
be seen from outside (the efficient price's volatility, how often a quote is bettered, a trade's impact) by simulating and correcting until the
signature, the spread and the response agree. `informed`, `withdrawn` and `impact_decay` are assumptions. `compare` simulates the same market and
draws both.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from noderrd.command import Parser
from noderrd.lane import cache
from noderrd.venue import config, statistics
from noderrd.venue.config import seconds
from noderrd.venue.statistics import CANCEL, LIMIT, MARKET, SECOND, Tale

DECAYS = (2000.0, 100.0, 5.0, 0.3, 0.02)  # per second
EM_ROUNDS = 100
HAZARD_AT = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 50.0, 80.0, 1e9)
HAZARD_MIN = 0.3  # a recording of a few prices does not show who cancels further away
TAIL_MIN = 1.5
INFORMED, AHEAD_S, WITHDRAWN, IMPACT, IMPACT_MAX, IMPACT_DECAY = 0.9, 20.0, 0.9, 3.0, 8.0, 0.5
META_N, META_TAIL = (1, 2, 3, 4, 6, 8, 12, 16), (1.1, 1.2, 1.3, 1.5, 1.7, 2.0, 2.5, 3.0)
ROUNDS, ROUND_S = 8, 4 * 3600.0
AT_60_S = statistics.SCALES_S.index(60)
SEED = 20


def blocks(data: bytes) -> Iterator[bytes]:
    """Give the messages of a BinaryFILE, or of MoldUDP64 message blocks."""
    at = 0
    while at + 2 <= len(data):
        size = data[at] << 8 | data[at + 1]
        if size < 11 or at + 2 + size > len(data):
            return
        yield data[at + 2 : at + 2 + size]
        at += 2 + size


def simulate(parameters: Path, duration_s: float, seed: int, **options: Any) -> bytes:
    """Give the feed of an exchange with nobody but the flow, in virtual time, at the recorded rate: message blocks. `options`: of [flow]."""
    from noderrd.venue import control, engine, hawkes
    from noderrd.venue.clock import OPENING
    from noderrd.venue.exchange import Exchange
    from noderrd.venue.record import Cause, Kind, Record

    found = hawkes.read(parameters)
    nowhere = "127.0.0.1:9"
    listing = (config.Instrument("FLOW", Decimal(round(found["price_ticks"])) / 100),)
    flow = config.Flow("hawkes", rate=found["events_per_s"], parameters=parameters, **options)
    doors = (config.Itch(nowhere, nowhere, nowhere), config.Ouch(nowhere, (config.User("ONE", "x", "A"),)), config.Admin(Path()))
    said: list[bytes] = []
    exchange = Exchange(config.Config("FLOW", *doors, listing, seed=seed, flow=flow), Record(None), control.act)
    exchange.feed_listeners.append(lambda _first, effects: said.append(effects.feed))
    exchange.open("FLOW", 0, OPENING)
    stop = OPENING + int(duration_s * SECOND)
    while exchange.do(Cause(Kind.FLOW, stop, 0, stop)) == engine.MORE:
        pass
    exchange.record.close()
    return b"".join(said)


def hawkes_fit(times: np.ndarray) -> tuple[float, list[float]]:
    """Fit base rate and offspring a decay to times in seconds; gives events a second without cause, and what one event causes by each decay."""
    decays = np.array(DECAYS)
    memory, row = np.zeros((len(times), len(decays))), np.zeros(len(decays))
    for k in range(1, len(times)):
        row = (row + 1.0) * np.exp(-decays * (times[k] - times[k - 1]))
        memory[k] = row
    memory *= decays
    span = times[-1] - times[0]
    base, caused = len(times) / span / 2, np.full(len(decays), 0.1)
    for _ in range(EM_ROUNDS):
        parts = memory * caused
        intensity = base + parts.sum(axis=1)
        base, caused = float((base / intensity).sum() / span), (parts / intensity[:, None]).sum(axis=0) / len(times)
    return base, caused.tolist()


def metaorders(wanted: list[float]) -> tuple[int, float]:
    """Find how many metaorders are at work, and the tail of their length, from the autocorrelation of signs at statistics.LAGS."""
    best, found = np.inf, (1, 2.0)
    rng = np.random.default_rng(1)
    for n in META_N:
        for tail in META_TAIL:
            picks = rng.integers(0, n, 60_000)
            signs = np.empty(len(picks))
            for which in range(n):
                mine = np.flatnonzero(picks == which)
                lengths = np.minimum(rng.uniform(size=len(mine) + 1) ** (-1 / tail), 10_000).astype(int)
                signs[mine] = np.repeat(rng.choice([-1.0, 1.0], len(lengths)), lengths)[: len(mine)]
            acf = [statistics.autocorrelation(signs, lag) for lag in statistics.LAGS]
            error = float(np.sum((np.array(acf) - wanted) ** 2))
            if error < best:
                best, found = error, (n, tail)
    return found


def measure(tale: Tale, figures: dict[str, Any]) -> dict[str, Any]:
    """Read off all parameters that can be seen."""
    from noderrd.venue.hawkes import LEVELS

    kinds, times = tale.kind // 2 * 2, tale.time_ns / SECOND
    base, caused = hawkes_fit(times)
    chain = np.zeros((6, 6))
    np.add.at(chain, (tale.kind[:-1], tale.kind[1:]), 1.0)
    limit, market, cancel = kinds == LIMIT, kinds == MARKET, kinds == CANCEL
    better = limit & (tale.distance < 0)
    spread_at = [float(np.percentile(tale.spread[limit], q)) for q in (25, 50, 75)] + [1e9]
    classes = np.searchsorted(spread_at, tale.spread[limit])
    places = np.arange(statistics.STANDING_BINS)
    bins = np.searchsorted(HAZARD_AT, places)
    stood = np.bincount(bins, tale.standing, len(HAZARD_AT))
    gone = np.bincount(np.searchsorted(HAZARD_AT, np.maximum(tale.distance[cancel], 0)), minlength=len(HAZARD_AT))
    hazard = gone / np.maximum(stood, 1)
    by_place = [tale.qty[better], tale.qty[limit & (tale.distance == 0)], tale.qty[limit & (tale.distance > 0)]]
    n, tail = metaorders(figures["sign_acf"])
    return {
        "events_per_s": figures["events_per_s"],
        "price_ticks": float(tale.samples[:, 1].mean()),
        "base": base,
        "caused": caused,
        "decay": list(DECAYS),
        "chain": (chain / np.maximum(chain.sum(axis=1, keepdims=True), 1)).tolist(),
        "limit_size": [np.quantile(qty, LEVELS).tolist() for qty in by_place],
        "market_size": np.quantile(tale.qty[market], LEVELS).tolist(),
        "limit_tail": [max(statistics.hill(qty), TAIL_MIN) for qty in by_place],
        "market_tail": max(statistics.hill(tale.qty[market]), TAIL_MIN),
        "mean_size": float(tale.qty[market].mean()),
        "inside": np.quantile(-tale.distance[better] / np.maximum(tale.spread[better], 1), LEVELS).tolist(),
        "away": np.quantile(tale.distance[limit & ~better], LEVELS).tolist(),
        "spread_at": spread_at,
        "improves": [float((tale.distance[limit][classes == c] < 0).mean()) for c in range(4)],
        "hazard": np.maximum(hazard / hazard.max(), HAZARD_MIN).tolist(),
        "hazard_at": list(HAZARD_AT),
        "standing": figures["orders"],
        "youngest": float(tale.youngest[cancel].mean()),
        "walks": float((tale.distance[market] > 0).mean()),
        "meta_n": n,
        "meta_tail": tail,
        "volatility": figures["signature"][AT_60_S] ** 0.5,
        "informed": INFORMED,
        "ahead_s": AHEAD_S,
        "withdrawn": WITHDRAWN,
        "impact": IMPACT,
        "impact_decay": IMPACT_DECAY,
    }


def correct(parameters: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Simulate, and bring what cannot be seen nearer to what makes the simulation look like the recording."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.json"
        path.write_text(json.dumps({"parameters": parameters}))
        got = statistics.figures(statistics.watch(blocks(simulate(path, ROUND_S, SEED)), "FLOW"))
    report(wanted, got, sys.stderr)

    def nearer(value: float, want: float, have: float) -> float:
        return value * min(max((want / max(have, 1e-9)) ** 0.5, 0.6), 1.6)

    improves = [min(nearer(one, got["spread"]["mean"], wanted["spread"]["mean"]), 0.95) for one in parameters["improves"]]
    return parameters | {
        "volatility": nearer(parameters["volatility"], wanted["signature"][AT_60_S], got["signature"][AT_60_S]),
        "improves": improves,
        "standing": nearer(parameters["standing"], wanted["orders"], got["orders"]),
        "impact": min(nearer(parameters["impact"], wanted["response"][0], max(got["response"][0], 0.1)), IMPACT_MAX),
    }


def rounded(value: Any) -> Any:
    """Give numbers with six significant digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value


def rows(recorded: dict[str, Any], simulated: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    """Give the figures of both as a flat table: name, recorded, simulated."""
    labels = {"fano": statistics.WINDOWS_S, "sign_acf": statistics.LAGS, "signature": statistics.SCALES_S, "response": statistics.AFTER_S}
    for name, value in recorded.items():
        if isinstance(value, dict):
            yield from ((f"{name} {key}", value[key], simulated[name][key]) for key in value)
        elif isinstance(value, list):
            for key, one, other in zip(labels.get(name, range(1, len(value) + 1)), value, simulated[name], strict=True):
                yield f"{name} {key}", one, other
        else:
            yield name, value, simulated[name]


def report(recorded: dict[str, Any], simulated: dict[str, Any], to: Any) -> None:
    """Write both as a table in Markdown."""
    print("| figure | recorded | simulated |\n|---|--:|--:|", file=to)
    for name, one, other in rows(recorded, simulated):
        print(f"| {name} | {one:.4g} | {other:.4g} |", file=to)


def calibrate(args: argparse.Namespace) -> int:
    """Write the parameters of a recording. 1 when it cannot be read, or has too little in it."""
    from noderrd.venue import recording

    try:
        tale = statistics.watch(blocks(recording.read(args.recording).tobytes()), args.symbol, args.tick)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    tale = tale.between(seconds(args.since) * SECOND, seconds(args.until) * SECOND)
    if (tale.kind >= MARKET).sum() < 100 or len(tale.samples) < max(statistics.SCALES_S) * 2:
        print(f"{args.recording}: {args.symbol}: too little happens between {args.since} and {args.until}", file=sys.stderr)
        return 1
    figures = statistics.figures(tale)
    parameters = measure(tale, figures)
    for _ in range(ROUNDS):
        parameters = correct(parameters, figures)
    about = {"recording": args.recording.name, "symbol": args.symbol, "from": args.since, "to": args.until, "source": args.source}
    args.out.write_text(json.dumps(rounded({"about": about, "figures": figures, "parameters": parameters}), indent=1) + "\n")
    return 0


def compare(args: argparse.Namespace) -> int:
    """Draw and print a simulation beside the recording that its parameters came from."""
    found = json.loads(args.parameters.read_text())
    recorded: dict[str, Any] = found["figures"]
    tale = statistics.watch(blocks(simulate(args.parameters, recorded["seconds"], args.seed)), "FLOW")
    simulated = statistics.figures(tale)
    report(recorded, simulated, sys.stdout)
    if args.plot:
        draw(recorded, simulated, args.plot)
    return 0


def draw(recorded: dict[str, Any], simulated: dict[str, Any], path: Path) -> None:
    """Draw the curves of both into one SVG file."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "noderrd"
    figure, places = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
    percent = ("p10", "p50", "p90", "p99")
    curves = (
        ("signature: variance of the mid a second, ticks\N{SUPERSCRIPT TWO}", statistics.SCALES_S, "signature", "log", "seconds"),
        ("autocorrelation of market orders' signs", statistics.LAGS, "sign_acf", "linear", "lag, orders"),
        ("clustering: Fano factor of counts", statistics.WINDOWS_S, "fano", "log", "window, seconds"),
        ("depth: shares at the nth price", tuple(range(1, statistics.DEPTH + 1)), "depth", "linear", "price"),
    )
    for (title, x, name, scale, label), place in zip(curves, places.flat, strict=False):
        for said, what, mark in ((recorded, "recorded", "o-"), (simulated, "simulated", "s--")):
            place.plot(x, said[name], mark, label=what)
        place.set(title=title, xlabel=label, yscale=scale, xscale="linear" if name == "depth" else "log")
        if name == "signature":
            place.set_ylim(1, 100)
    for (title, name), place in zip((("time between events, seconds", "gap"), ("shares of an order", "market_size")), places.flat[4:], strict=True):
        for said, what, mark in ((recorded, "recorded", "o-"), (simulated, "simulated", "s--")):
            place.plot([int(q[1:]) for q in percent], [max(said[name][q], 1e-7) for q in percent], mark, label=what)
        if name == "market_size":
            for said, what, mark in ((recorded, "recorded, limit", "o:"), (simulated, "simulated, limit", "s:")):
                place.plot([int(q[1:]) for q in percent], [said["limit_size"][q] for q in percent], mark, label=what)
        place.set(title=title, xlabel="percentile", yscale="log")
    for place in places.flat:
        place.legend()
    figure.savefig(path, metadata={"Date": None})


def main() -> int:
    """0 when it was done, 1 when not."""
    from noderrd.venue import hawkes

    parser = Parser(prog="scripts/flow", description="Calibrates the simulated exchange's flow on a recording, and compares the two.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    one = verbs.add_parser("calibrate", help="write the parameters of a recording")
    one.add_argument("recording", type=Path, help="ITCH 5.0 BinaryFILE, gzip or plain")
    one.add_argument("--symbol", required=True)
    one.add_argument("--out", type=Path, required=True, metavar="FILE")
    one.add_argument("--from", dest="since", default="10:00", metavar="HH:MM", help="leave out what is before (default 10:00)")
    one.add_argument("--to", dest="until", default="15:30", metavar="HH:MM", help="and after (default 15:30)")
    one.add_argument("--tick", type=int, default=100, metavar="N", help="in 1e-4 USD (default 100)")
    one.add_argument("--source", default="", metavar="TEXT", help="where the recording comes from")
    one.set_defaults(do=calibrate)
    two = verbs.add_parser("compare", help="simulate, and print and draw both")
    two.add_argument("--parameters", type=Path, default=hawkes.SHIPPED, metavar="FILE", help="default: what is shipped")
    two.add_argument("--seed", type=int, default=1)
    two.add_argument("--plot", type=Path, metavar="FILE.svg")
    two.set_defaults(do=compare)
    args = parser.parse_args()
    done: int = args.do(args)
    return done


if __name__ == "__main__":
    cache.prepare()
    sys.exit(main())
