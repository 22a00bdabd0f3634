"""What targets are told: together, not below a critical alert, again and again."""

import policies
import pytest

from noderrd.alerts import notices as it
from rules.alert import FIRING, INACTIVE, RESOLVED, State

S = 10**9
TEXT = """\
notify ops { webhook "http://127.0.0.1:1/" }
notify room { alertmanager "http://127.0.0.1:1/" }
alert feed critical {
  when   orders > 1
  do     notify(ops)
  group  data
}
alert lines warning {
  when   orders > 2
  do     notify(ops)
  group  data
}
alert gaps info {
  when   orders > 3
  do     notify(ops)
  group  data
}
alert alone warning {
  when    orders > 4
  do      notify(ops), notify(room)
  repeat  5min
}
"""


class Desk:
    """Alerts in given states, and what their targets were told."""

    def __init__(self):
        self.alerts = {one.name: one for one in policies.policy(TEXT).alerts}
        self.states = dict.fromkeys(self.alerts, State())
        self.told = {name: {} for name in self.alerts}

    def fire(self, name, at):
        self.states[name] = State(FIRING, at * S, at * S)

    def end(self, name, at):
        self.states[name] = State(RESOLVED, at * S, self.states[name].fired_ns)

    def say(self, at, silenced=()):
        """Give what is said at a time, in s: (target, {alert: state})."""
        standings = [it.Standing(one, self.states[name], self.told[name], name in silenced) for name, one in self.alerts.items()]
        found = list(it.plan(standings, {"room"}, at * S))
        for notice in found:
            for name, state in notice.states.items():
                self.told[name][notice.target] = it.Told(self.states[name].fired_ns, state == RESOLVED, at * S)
        return [(notice.target, list(notice.states.items())) for notice in found]


@pytest.fixture
def desk():
    return Desk()


def test_a_group_is_told_together(desk):
    desk.fire("gaps", 100)
    assert desk.say(100) == []
    desk.fire("lines", 103)
    assert desk.say(104) == []
    assert desk.say(105) == [("ops", [("lines", FIRING), ("gaps", FIRING)])]
    desk.end("gaps", 106)
    assert desk.say(110) == []
    assert desk.say(111) == [("ops", [("gaps", RESOLVED)])]


def test_what_came_and_went_within_the_wait_is_told_to_nobody(desk):
    desk.fire("gaps", 100)
    assert desk.say(101) == []
    desk.end("gaps", 102)
    assert desk.say(200) == []


def test_a_critical_alert_waits_for_nobody_and_mutes_its_group(desk):
    desk.fire("lines", 100)
    desk.fire("feed", 101)
    desk.fire("alone", 101)
    assert desk.say(101) == [("ops", [("feed", FIRING)]), ("ops", [("alone", FIRING)]), ("room", [("alone", FIRING)])]
    assert desk.say(150) == []
    desk.end("feed", 160)
    assert desk.say(160) == [("ops", [("feed", RESOLVED), ("lines", FIRING)])]


def test_what_was_told_before_a_critical_alert_is_ended_after_it(desk):
    desk.fire("lines", 100)
    assert desk.say(105) == [("ops", [("lines", FIRING)])]
    desk.fire("feed", 110)
    desk.say(110)
    desk.end("lines", 111)
    assert desk.say(140) == []
    desk.end("feed", 150)
    assert desk.say(150) == [("ops", [("feed", RESOLVED), ("lines", RESOLVED)])]


def test_a_silenced_critical_alert_mutes_too(desk):
    desk.fire("feed", 100)
    desk.fire("gaps", 100)
    assert desk.say(110, silenced={"feed"}) == []


def test_repeats_for_what_still_fires(desk):
    desk.fire("alone", 100)
    assert len(desk.say(100)) == 2
    said = [(at, target) for at in range(101, 1001) for target, _ in desk.say(at)]
    assert [at for at, target in said if target == "ops"] == [400, 700, 1000]
    assert [at for at, target in said if target == "room"] == list(range(160, 1001, 60))
    desk.end("alone", 1001)
    assert desk.say(1001) == [("ops", [("alone", RESOLVED)]), ("room", [("alone", RESOLVED)])]
    assert desk.say(5000) == []


def test_a_second_firing_is_news(desk):
    desk.fire("alone", 100)
    desk.say(100)
    desk.end("alone", 101)
    desk.fire("alone", 102)  # nobody looked in between
    assert [target for target, _ in desk.say(102)] == ["ops", "room"]


def test_a_large_group_is_told_in_parts():
    lines = "".join(f"alert a{k} info {{\n when orders > {k}\n do notify(ops)\n group g\n}}\n" for k in range(150))
    alerts = policies.policy('notify ops { webhook "http://127.0.0.1:1/" }\n' + lines).alerts
    found = list(it.plan([it.Standing(one, State(FIRING, 0, 0), {}, False) for one in alerts], (), it.GROUP_WAIT_NS))
    assert [len(notice.states) for notice in found] == [64, 64, 22]
    assert INACTIVE not in {state for notice in found for state in notice.states.values()}
