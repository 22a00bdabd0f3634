"""When an alert is pending, fires and is resolved. Pure: time, what its conditions are worth and whether it is quiet are arguments.

    inactive -> pending    `when` holds
    pending  -> firing     it held for its `for`, and `cooldown` has passed since the alert last fired
    pending  -> inactive   it does not hold, or is unknown; its `for` begins anew
    firing   -> resolved   `until` holds for its `for`; without `until`: `when` is false
    resolved -> pending    as from inactive

Unknown resolves nothing: an alert that fires goes on firing while its values are missing. During a blackout nothing becomes pending or fires;
what fires already is resolved as always.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rules import model
from rules.evaluate import Leaf, evaluate, headline, leaves, truth

INACTIVE, PENDING, FIRING, RESOLVED = "inactive", "pending", "firing", "resolved"


@dataclass(frozen=True, slots=True)
class State:
    """Where an alert stands. Times are ns; `fired_ns` and `until_ns` are -1 for never."""

    state: str = INACTIVE
    since_ns: int = 0  # of this state
    fired_ns: int = -1  # when it last fired
    until_ns: int = -1  # since when `until` holds


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert became `state`. `value` and `threshold` are those of the comparison that decided, in base units; NaN if there is none."""

    alert: str
    state: str
    at_ns: int
    value: float
    threshold: float


def needs(alert: model.Alert) -> tuple[Leaf, ...]:
    """Give what has to be measured for an alert."""
    found = dict.fromkeys(leaves(alert.when.when))
    if alert.until is not None:
        found |= dict.fromkeys(leaves(alert.until.when))
    return tuple(found)


def step(alert: model.Alert, state: State, values: Mapping[Leaf, float], now_ns: int, *, quiet: bool = False) -> tuple[State, list[Transition]]:
    """Give the state at `now_ns`, and what became of the alert on the way: at most pending and firing at once."""
    holds = truth(evaluate(alert.when.when, values))
    found: list[Transition] = []

    def become(name: str, before: State) -> State:
        found.append(Transition(alert.name, name, now_ns, *headline(alert.when.when, values)))
        return replace(before, state=name, since_ns=now_ns, until_ns=-1, fired_ns=now_ns if name == FIRING else before.fired_ns)

    if state.state == FIRING:
        if alert.until is None:
            return (become(RESOLVED, state), found) if holds is False else (state, found)
        if truth(evaluate(alert.until.when, values)) is not True:
            return replace(state, until_ns=-1), found
        state = replace(state, until_ns=now_ns) if state.until_ns < 0 else state
        return (become(RESOLVED, state), found) if now_ns - state.until_ns >= alert.until.for_ns else (state, found)
    if holds is not True or quiet:
        return (become(INACTIVE, state), found) if state.state == PENDING else (state, found)
    if state.state != PENDING:
        state = become(PENDING, state)
    rested = state.fired_ns < 0 or now_ns - state.fired_ns >= alert.cooldown_ns
    if now_ns - state.since_ns >= alert.when.for_ns and rested:
        state = become(FIRING, state)
    return state, found
