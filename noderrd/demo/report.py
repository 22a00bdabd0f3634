"""What a demo says at its end: an object for programs, a table for people."""

import json
from typing import Any

STAGES = ("kernel", "decode", "book", "features", "model", "strategy", "risk", "route", "encode", "send", "tick_to_trade", "ack", "fill")
WORDS = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9", "max": "max"}
LEVELS_LEAST = 30


def passed(end: dict[str, Any]) -> list[str]:
    """Give what is missing for a success; [] when nothing is."""
    missing = [f"{part} differ" for part in ("books", "positions", "orders") if not end[f"{part}_equal"]]
    if end["levels_compared"] < LEVELS_LEAST:
        missing.append(f"only {end['levels_compared']} book levels to compare")
    if end["positions_nonzero"] < 1:
        missing.append("no position to compare")
    if end["open_orders_compared"] < 1 and not end["all_filled"]:
        missing.append("no open order to compare")
    if end["fills"] < 1:
        missing.append("no fills")
    return missing


def table(end: dict[str, Any]) -> str:
    """Give the closing table."""
    traded = f"{end['orders']:,} orders, {end['fills']:,} fills ({end['buys']:,} buys, {end['sells']:,} sells)"
    say = [
        f"{end['seconds']:g} s, seed {end['seed']}, venues {', '.join(end['venues'])}",
        f"{end['messages']:,} messages, {end['model_runs']:,} model runs, {traded}, {end['rejects']:,} rejects, {end['denials']:,} denials",
        f"P&L {end['pnl_usd']} USD",
        "",
        f"{'latency, ns':<15}{'n':>10}" + "".join(f"{word:>12}" for word in WORDS.values()),
    ]
    for stage in STAGES:
        row = end["latency_ns"][stage]
        if row["n"] == 0:
            continue  # the kernel does not stamp, no fills
        say.append(f"{stage:<15}{row['n']:>10,}" + "".join(f"{row[name]:>12,}" for name in WORDS))
    say += [
        "",
        f"books      {verdict(end['books_equal'])}: {end['books_checked']} books, {end['levels_compared']} levels",
        f"positions  {verdict(end['positions_equal'])}: {end['positions_nonzero']} that are not zero",
        f"orders     {verdict(end['orders_equal'])}: {end['open_orders_compared']} open",
    ]
    if end["lane_restarts"]:
        say.append(f"the lane was restarted {end['lane_restarts']} times; {end['open_at_kill']} orders were open when it was killed")
    return "\n".join(say)


def verdict(equal: object) -> str:
    """Say it in words."""
    return "equal" if equal else "DIFFERENT"


def closing(end: dict[str, Any]) -> str:
    """Give the closing object as one line; `all_filled` is ours alone."""
    return json.dumps({key: value for key, value in end.items() if key != "all_filled"})
