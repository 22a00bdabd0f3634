"""Denials in the log: reason, limit, value and the rule's file:line as it was when the lane decided; however many, few lines."""

from control import desk

from core.codes import Denial, OrdStatus
from core.layout import DENIAL_SLOTS
from noderrd.control.denials import Denials

LIMIT = {"strategy": "quotes", "symbol": "AAPL", "venue": "NSDQ"}


class Log:
    """What was said."""

    def __init__(self):
        self.lines = []

    def warning(self, event, **said):
        self.lines.append((event, said))


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def deny(lane, code, rule, limit=1_000, value=1_200):
    """Do what the lane's `deny` does (noderrd/lane/orders.py)."""
    control = lane.shared.control[0]
    head = int(control["denial_head"])
    row = lane.shared.denials[head % DENIAL_SLOTS]
    row["cl_ord_id"], row["strat"], row["inst"], row["venue"] = head + 1, 0, 0, 0
    row["ord_status"], row["px"], row["order_qty"] = OrdStatus.DENIED, 1_234_500, 200
    row["denial"], row["denial_limit"], row["denial_value"], row["denial_rule"] = code, limit, value, rule
    control["denial_head"] = head + 1


def test_a_denial_is_told_with_its_rule_and_repeats_are_counted(node):
    log, clock, lane = Log(), Clock(), node.lane
    rule = lane.spec.limits[0].limits["MAX_POSITION"][1]
    place = f"{node.folder.parent}/rules.d/10-test.rules:2"
    denials = Denials(lane, log, clock)
    deny(lane, Denial.MAX_POSITION, rule)
    denials.look()
    (event, said), *others = log.lines
    assert (event, others) == ("denied", [])
    assert said | LIMIT == said
    assert (said["n"], said["code"], said["limit"], said["value"], said["rule"]) == (1, "MAX_POSITION", 1_000, 1_200, place)
    assert (said["px"], said["order_qty"]) == ("123.4500", 200)
    for _ in range(3_000):
        deny(lane, Denial.MAX_POSITION, rule, value=1_300)
        if lane.shared.control[0]["denial_head"] % 500 == 0:
            clock.now += 0.2
            denials.look()
    assert len(log.lines) == 1, "the same again is not told within its rest"
    deny(lane, Denial.PRICE_COLLAR, rule)
    denials.look()
    assert log.lines[-1][1]["code"] == "PRICE_COLLAR", "another reason is told at once"
    clock.now += 20
    denials.look()
    assert len(log.lines) == 3
    assert (log.lines[-1][1]["n"], log.lines[-1][1]["value"]) == (3_000, 1_300)
    clock.now += 20
    denials.look()
    assert len(log.lines) == 3


def test_after_a_reload_a_denial_still_names_the_line_that_it_was(node, make):
    log = Log()
    denials = Denials(node.lane, log)
    rule = node.lane.spec.limits[0].limits["MAX_POSITION"][1]
    deny(node.lane, Denial.MAX_POSITION, rule)
    moved = make("# a line\n# and one more\n" + desk.POLICY)
    assert moved.lane.spec.limits[0].limits["MAX_POSITION"][1] != rule
    node.lane.spec = moved.lane.spec  # as a reload does
    deny(node.lane, Denial.MAX_POSITION, moved.lane.spec.limits[0].limits["MAX_POSITION"][1])
    denials.look()
    assert [said["rule"].rsplit(":", 1)[1] for _, said in log.lines] == ["2", "4"]


def test_what_was_written_over_is_counted(node):
    log = Log()
    denials = Denials(node.lane, log)
    for _ in range(DENIAL_SLOTS + 50):
        deny(node.lane, Denial.RESTRICTED, -1)
    denials.look()
    told = dict(log.lines)
    assert told["denials not told"]["n"] + told["denied"]["n"] == DENIAL_SLOTS + 50
    assert (told["denied"]["code"], told["denied"]["rule"]) == ("RESTRICTED", "")


def test_a_daemon_that_is_started_anew_tells_nothing_twice(node):
    deny(node.lane, Denial.MAX_POSITION, 0)
    log = Log()
    Denials(node.lane, log).look()
    assert log.lines == []
