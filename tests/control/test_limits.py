"""A limit written in a rules file reaches the lane's table, is met exactly, broken by one unit, and its denial names the file and line."""

from dataclasses import replace

import numpy as np
import pytest
from control import desk as house

from core import codes, risk
from core.codes import Denial, Limit, Mode, OrdStatus, Side
from core.jit import entry
from core.layout import EXECUTIONS, MAX_STRATEGIES, NO_LIMIT
from noderrd import config as configuration
from noderrd.control import policy, resolve
from noderrd.lane import limits, prepare
from noderrd.lane.memory import Shared
from rules import catalog, model

NOW = 1_700_000_000_000_000_000
STRAT, INST, N = 0, 1, 3  # quotes; AAPL at EDGE, of three instruments
INDEX = STRAT * N + INST
BID, ASK = 1_000_000, 1_000_100
STRATEGY = house.POLICY[house.POLICY.index("strategy quotes") :]


@entry
def check(lane, halts, insts, px, products, positions, limits, side, order_px, order_qty, slot, now_ns, verdict):
    return risk.check(
        lane, halts, insts, px, products, positions, limits, STRAT, INST, side, order_px, order_qty, order_qty, slot, False, now_ns, verdict
    )


@entry
def mark(lane, insts, positions, limits):
    return risk.mark(lane, insts, positions, limits, STRAT, INST)


@entry
def executed(lane, limits, now_ns):
    return risk.executed(lane, limits, INDEX, STRAT, now_ns)


class Desk:
    """A lane's memory with the limits of a rules file, and a book of 100.00 at 100.01."""

    def __init__(self, folder, text):
        config = configuration.read(house.write(folder, text + "\n" + STRATEGY))
        loaded = policy.from_disk(config.rules_paths())
        assert loaded.policy is not None, [str(d) for d in loaded.diagnostics]
        assert not [it for it in model.inactive(loaded.policy) if it.startswith("risk")]
        places = resolve.Places("lane0", folder / "lane", folder / "stop", folder / "sockets")
        self.spec = replace(resolve.lane_spec(config, loaded.policy, places), table=64, levels=4)
        self.at = Shared(folder / "lane", self.spec.sizes(), create=True)
        self.keep = prepare.share_exposure(self.spec, self.at)
        limits.fill(self.spec, self.at.limits[: len(self.at.positions)])
        self.at.control[0]["n_lanes"] = 1
        self.at.venues["mode"], self.at.venues["armed_until_ns"] = Mode.ARMED, NO_LIMIT
        for name, value in (("tick", 100), ("lot", 1), ("unit", 10_000), ("multiplier", 1), ("n", 1), ("venue", 1)):
            self.at.insts[name] = value
        self.at.insts["last_px"], self.at.insts["reference"] = 1_010_000, 1_020_000
        self.at.px[:, 0, 0], self.at.px[:, 1, 0] = BID, ASK
        self.at.insts["mark"] = (BID, ASK)
        self.position, self.verdict = self.at.positions[INDEX], np.zeros(4, np.int64)

    def ask(self, qty=100, px=BID, side=Side.BUY, slot=-1, now=NOW):
        it = self.at
        return Denial(check(it.lane, it.halt_symbol, it.insts, it.px, it.products, it.positions, it.limits, side, px, qty, slot, now, self.verdict))

    def mark(self):
        return mark(self.at.lane, self.at.insts, self.at.positions, self.at.limits)

    def rule(self):
        """Line of the rule that the last denial names."""
        name, line = self.spec.rules[self.verdict[2]].rsplit(":", 1)
        assert name.endswith("10-test.rules")
        return int(line)


@pytest.fixture
def make(tmp_path):
    return lambda text: Desk(tmp_path, text)


SIMPLE = [
    # what the rules say, what is met, what breaks it, and by which code
    ("max_order_size 100 shares", {}, {"qty": 101}, Denial.MAX_ORDER_QTY),
    ("max_order_value 10_000 USD", {}, {"px": BID + 100}, Denial.MAX_ORDER_VALUE),
    ("max_position 100 shares", {}, {"qty": 101}, Denial.MAX_POSITION),
    ("max_long 100 shares", {}, {"qty": 101}, Denial.MAX_LONG),
    ("max_short 100 shares", {"side": Side.SELL}, {"side": Side.SELL, "qty": 101}, Denial.MAX_SHORT),
    ("max_total_position 100 shares", {}, {"qty": 101}, Denial.MAX_TOTAL_POSITION),
    ("max_gross_exposure 10_000 USD", {}, {"px": BID + 100}, Denial.MAX_GROSS_EXPOSURE),
    ("max_net_exposure 10_000 USD", {}, {"px": BID + 100}, Denial.MAX_NET_EXPOSURE),
    ("max_open_orders 1", {}, None, Denial.MAX_OPEN_ORDERS),
    ("locate 100 shares", {"side": Side.SELL}, {"side": Side.SELL, "qty": 101}, Denial.NO_LOCATE),
    ("restricted GME, AAPL", None, {"qty": 1}, Denial.RESTRICTED),
    ("min_interval 1us", {"now": NOW + 1_000}, {"now": NOW + 999}, Denial.MIN_INTERVAL),
    ("price_collar 10 bps", {"px": 1_001_000}, {"px": 1_001_100}, Denial.PRICE_COLLAR),
]


@pytest.mark.parametrize(("said", "met", "broken", "code"), SIMPLE, ids=lambda it: it.split()[0] if isinstance(it, str) else "")
def test_a_limit_of_a_rules_file_is_met_exactly_and_broken_by_one_unit(make, said, met, broken, code):
    desk = make(f"risk default {{\n  {said}\n}}\n")
    if code == Denial.MIN_INTERVAL:
        assert desk.ask() == Denial.PASS
    if broken is None:
        desk.position["n_open"] = 1
    assert desk.ask(**(broken or {})) == code
    assert desk.rule() == 2
    if met is not None:
        desk.position["n_open"] = 0
        assert desk.ask(**met) == Denial.PASS


def test_rates(make):
    desk = make("risk default {\n  max_order_rate  3/s\n}\nrisk venue EDGE {\n  max_message_rate  2/s\n}\n")
    assert [desk.ask(now=NOW + k) for k in range(3)] == [Denial.PASS, Denial.PASS, Denial.MAX_MESSAGE_RATE]
    assert desk.rule() == 5
    desk.at.limits[INDEX]["account"][Limit.MAX_MESSAGE_RATE] = NO_LIMIT
    assert [desk.ask(now=NOW + k) for k in (3, 4)] == [Denial.PASS, Denial.MAX_ORDER_RATE]
    assert desk.rule() == 2


def test_leverage_and_margin(make):
    desk = make("risk default {\n  capital  5_000 USD\n  max_leverage  2\n}\n")
    assert desk.ask(px=BID + 100) == Denial.MAX_LEVERAGE
    assert desk.rule() == 3
    assert desk.ask() == Denial.PASS


def test_margin(make):
    desk = make("risk default {\n  capital  5_000 USD\n  margin  50%\n}\nrisk strategy quotes {\n  margin  10%\n}\n")
    assert desk.ask(px=BID + 100) == Denial.MARGIN
    assert desk.rule() == 3, "of two the greater binds"
    assert desk.ask() == Denial.PASS


@pytest.mark.parametrize(("name", "code", "line"), [("max_daily_loss", Denial.MAX_DAILY_LOSS, 2), ("max_drawdown", Denial.MAX_DRAWDOWN, 2)])
def test_losses(make, name, code, line):
    desk = make(f"risk default {{\n  {name}  1 USD then halt\n}}\n")
    assert desk.mark() == 0
    desk.position["cash"] = -10_000
    assert desk.mark() == 0
    desk.position["cash"] -= 1
    assert desk.mark() == 1 + MAX_STRATEGIES
    assert desk.at.limits[INDEX]["account"][Limit.LOSS_HALTS] == 1
    assert desk.ask() == code
    assert desk.rule() == line


def test_the_same_order_within_a_window(make):
    desk = make("risk default {\n  duplicate_window  2ms\n}\n")
    order = desk.at.orders[7]
    order["inst"], order["side"], order["px"], order["strat"], order["order_qty"], order["sent_ns"] = INST, Side.BUY, BID, STRAT, 100, NOW
    order["ord_status"] = OrdStatus.NEW
    desk.at.lane[0]["live"][0], desk.at.lane[0]["n_live"] = 7, 1
    desk.at.insts[INST]["own_open"] = 1
    assert desk.ask(now=NOW + 1_999_999) == Denial.DUPLICATE
    assert desk.rule() == 2
    assert desk.ask(now=NOW + 2_000_000) == Denial.PASS


def test_so_many_executions(make):
    desk = make("risk strategy quotes {\n  max_executions  3\n  execution_window  1s\n}\n")
    assert [bool(executed(desk.at.lane, desk.at.limits, NOW + k)) for k in (0, 1, 1_000_000_000)] == [False, False, False]
    assert executed(desk.at.lane, desk.at.limits, NOW + 1_000_000_000)


@pytest.mark.parametrize(("word", "middle"), [("mid", (BID + ASK) // 2), ("last", 1_010_000), ("fixed", 1_020_000)])
def test_what_the_collar_is_measured_from(make, word, middle):
    other = "last" if word != "last" else "mid"
    desk = make(f"risk default {{\n  price_collar  1%\n  collar_reference  {other}\n}}\nrisk symbol AAPL {{\n  collar_reference  {word}\n}}\n")
    most = (middle + middle // 100) // 100 * 100
    assert desk.ask(px=most) == Denial.PASS
    assert desk.ask(px=most + 100) == Denial.PRICE_COLLAR
    assert desk.rule() == 2


@pytest.mark.parametrize(("word", "code"), [("deny", Denial.NO_REFERENCE), ("pass", Denial.PASS)])
def test_no_reference(make, word, code):
    desk = make(f"risk default {{\n  price_collar  1%\n  collar_missing  {word}\n}}\n")
    desk.at.insts["n"], desk.at.insts["last_px"], desk.at.insts["reference"] = 0, 0, 0
    assert desk.ask() == code


def test_a_narrower_locate_stands_for_the_wider_one(make):
    desk = make("risk default {\n  locate  0 shares\n}\nrisk symbol AAPL {\n  locate  100 shares\n}\n")
    assert desk.ask(side=Side.SELL, qty=101) == Denial.NO_LOCATE
    assert desk.rule() == 5
    assert desk.ask(side=Side.SELL) == Denial.PASS
    assert desk.at.limits[STRAT * N + 2]["account"][Limit.LOCATE] == 0, "MSFT has the default's"


def test_every_limit_that_core_checks_has_a_name_in_the_language_and_the_reverse():
    assert set(resolve.LIMITS) == set(catalog.RISK)
    assert {Limit[name] for name, _ in resolve.LIMITS.values()} == set(Limit) - {Limit.LOSS_HALTS}, "LOSS_HALTS is `then halt`"
    assert catalog.MOST_EXECUTIONS == EXECUTIONS
    assert [codes.Reference[word.upper()] for word in catalog.RISK["collar_reference"].choices] == list(codes.Reference)
    assert catalog.RISK["collar_missing"].choices.index("pass") == 1
    assert all(spec.active for spec in catalog.RISK.values())
