"""A circuit break: a part of the node out of service for a time, then half open, then closed or open again. Pure: time is an argument.

    open       its alert fires
    half open  its time is over: for as long again (PROBE_LEAST_NS to PROBE_MOST_NS) what only reduces a position passes
    closed     the probe is over, and the alert's condition does not hold
    open       the alert fires anew, or the probe is over and its condition still holds, or it holds again before the alert was resolved
    closed     a person says so; it stays so until the alert fires anew

What is not known at the end of a probe closes: without orders, a latency has no values, and nothing would ever be known. The alert goes on firing
then, and opens the circuit again as soon as its condition holds. (Nygard, "Release It!", 2007, chapter 5.2, in the terms of a trading node.)
"""

from dataclasses import dataclass, replace

OPEN, HALF_OPEN, CLOSED, REDUCED = "open", "half-open", "closed", "reduce-only"
PROBE_LEAST_NS, PROBE_MOST_NS = 10**9, 30 * 10**9


@dataclass(frozen=True, slots=True)
class Circuit:
    """Where a part stands for an alert. Times are ns; `until_ns` 0 is without end. REDUCED is no break: it lasts until a person resumes."""

    part: str  # as it is written: router, strategies, venue EDGE
    alert: str
    state: str
    since_ns: int
    until_ns: int
    for_ns: int
    why: str
    by: str = ""  # who closed it


def opened(part: str, alert: str, for_ns: int, why: str, now_ns: int) -> Circuit:
    """Give a circuit that an alert opens."""
    return Circuit(part, alert, OPEN, now_ns, now_ns + for_ns, for_ns, why)


def reduced(part: str, alert: str, why: str, now_ns: int) -> Circuit:
    """Give a part that may only reduce from now on."""
    return Circuit(part, alert, REDUCED, now_ns, 0, 0, why)


def closed(it: Circuit, by: str, reason: str, now_ns: int) -> Circuit:
    """Close it by a person's word."""
    return replace(it, state=CLOSED, since_ns=now_ns, until_ns=0, why=reason, by=by)


def turn(it: Circuit, now_ns: int, *, fires: bool, holds: bool | None) -> Circuit | None:
    """Give what has become of it by `now_ns`; None when there is nothing left to remember. `holds`: its alert's condition, None for unknown."""
    if it.state == OPEN and now_ns >= it.until_ns:
        probe_ns = min(max(it.for_ns, PROBE_LEAST_NS), PROBE_MOST_NS)
        return replace(it, state=HALF_OPEN, since_ns=now_ns, until_ns=now_ns + probe_ns, why="its time is over")
    if it.state == HALF_OPEN and now_ns >= it.until_ns:
        if fires and holds is True:
            return opened(it.part, it.alert, it.for_ns, "what opened it still holds", now_ns)
        why = "what opened it does not hold" if holds is False or not fires else "what opened it is not known"
        return replace(it, state=CLOSED, since_ns=now_ns, until_ns=0, why=why)
    if it.state == CLOSED:
        if not fires:
            return None
        if holds is True and not it.by:
            return opened(it.part, it.alert, it.for_ns, "what opened it holds again", now_ns)
    return it
