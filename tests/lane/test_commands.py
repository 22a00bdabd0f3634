"""What the control plane asks of a lane, and how it is answered."""

import dataclasses
import time

import pytest
from lane.rig import PUPPET

from core.codes import Command, Counter, Denial, Halt, JournalKind, Mode, Scope, Session
from noderrd.control import lanes
from noderrd.journal import decode


def resting(desk, n=1):
    orders = [desk.send() for _ in range(n)]
    desk.order_is("NEW", 100, 0)
    return orders


@pytest.mark.parametrize(
    ("scope", "code"),
    [(Scope.NODE, Denial.HALT_NODE), (Scope.VENUE, Denial.HALT_VENUE), (Scope.SYMBOL, Denial.HALT_SYMBOL), (Scope.STRATEGY, Denial.HALT_STRATEGY)],
)
def test_halt_and_resume_of_every_scope(desk, scope, code):
    index = desk.inst if scope == Scope.SYMBOL else 0
    assert desk.command(Command.HALT, scope, index)["acted"] == 1
    desk.ask(b"B", 100, 999_900)
    assert desk.denied() == code
    assert desk.command(Command.RESUME, scope, index)["status"] == 0
    resting(desk)


def test_cancel_all_counts_what_it_asked(desk):
    orders = resting(desk, 3)
    assert desk.command(Command.CANCEL_ALL)["acted"] == 3
    desk.until(lambda: desk.shared.lane[0]["n_live"] == 0)
    assert all(o.leaves == 0 for o in orders)


def test_flatten_cancels_waits_and_closes_at_the_best_price(desk):
    filled, other = resting(desk, 2)
    desk.venue.fill(filled, 100)
    desk.until(lambda: desk.position["position"] == 100)
    desk.command(Command.HALT)
    row = desk.command(Command.FLATTEN, Scope.SYMBOL, desk.inst)
    assert (row["acted"], row["failed"]) == (1, 0)
    desk.until(lambda: len(desk.entered()) == 3)
    closing = desk.entered()[-1]
    assert (closing.side, closing.qty, closing.px, closing.tif) == (b"S", 100, 999_900, 3)
    assert other.leaves == 0


def test_pause_and_continue(desk):
    desk.command(Command.PAUSE)
    desk.ask(b"B", 100, 999_900)
    desk.serve(0.05)
    assert not desk.entered()
    desk.command(Command.CONTINUE)
    resting(desk)


@pytest.mark.parametrize("scope", list(Scope))
def test_a_halt_is_met_by_the_loop_and_when_is_known(desk, scope):
    daemon, index = lanes.Lane(desk.spec), desk.inst if scope == Scope.SYMBOL else 0
    resting(desk)
    before_ns = time.time_ns()
    daemon.turn_words(scope, index, {Halt.NONE}, Halt.CIRCUIT_BREAK)
    seen = []
    desk.until(lambda: seen.extend(daemon.seen()) or seen)
    met_ns = int(desk.shared.staged[0]["halt_ns"])
    assert len(seen) == 1
    assert abs(met_ns - seen[0] - before_ns) < 10**9, "from the decision to the turn of the loop"
    n = len(desk.denials())
    desk.ask(b"B", 100, 999_900)
    desk.until(lambda: len(desk.denials()) > n)
    assert Denial(desk.denials()[-1]["denial"]) == Denial[f"HALT_{scope.name}"]
    assert all(row["sent_ns"] < met_ns for row in desk.orders()), "nothing went out from that turn on"
    daemon.turn_words(scope, index, {Halt.CIRCUIT_BREAK}, Halt.NONE)
    daemon.turn_words(scope, index, {Halt.CIRCUIT_BREAK}, Halt.NONE)  # nothing changes, nothing is measured
    desk.until(lambda: seen.extend(daemon.seen()) or len(seen) == 2)
    n = len(desk.entered())
    desk.ask(b"B", 100, 999_900)
    desk.until(lambda: len(desk.entered()) > n)


@pytest.mark.parametrize("why", [Halt.REDUCE_ONLY, Halt.HALF_OPEN])
def test_a_soft_halt_lets_a_position_be_reduced(desk, why):
    desk.venue.fill(resting(desk)[0], 100)
    desk.until(lambda: desk.position["position"] == 100)
    lanes.Lane(desk.spec).turn_words(Scope.SYMBOL, desk.inst, {Halt.NONE}, why)
    n = len(desk.denials())
    desk.ask(b"B", 100, 999_900)
    assert desk.denied(n + 1) == Denial.HALT_SYMBOL
    desk.ask(b"S", 200, 1_000_100)
    assert desk.denied(n + 2) == Denial.HALT_SYMBOL
    sold = desk.send(b"S", 100, 1_000_100)
    desk.venue.fill(sold, 100)
    desk.until(lambda: desk.position["position"] == 0)


def test_what_the_control_plane_tells_and_the_clock_are_journaled(desk):
    names = decode.Names()
    assert desk.command(Command.TELL, Scope.NODE, text=b"router closed: by ann: it was the feed")["acted"] == 1
    told = [row for row in desk.lane.records() if row["kind"] == JournalKind.TOLD]
    assert decode.told(told[-1], names)["said"] == "router closed: by ann: it was the feed"
    control = desk.shared.control[0]
    for synchronised in (1, 0):
        n = sum(row["kind"] == JournalKind.CLOCK for row in desk.lane.records())
        control["clock_offset_ns"], control["clock_error_ns"] = -1_234, 56_000
        control["clock_seq"] = (int(control["clock_seq"]) // 2 + 1) * 2 + synchronised
        desk.until(lambda n=n: sum(row["kind"] == JournalKind.CLOCK for row in desk.lane.records()) > n)
        (last,) = [row for row in desk.lane.records() if row["kind"] == JournalKind.CLOCK][-1:]
        said = decode.told(last, names)
        assert (said["offset_ns"], said["error_ns"], said["synchronised"]) == (-1_234, 56_000, synchronised)
        assert abs(said["drift_ns"]) < 10**9


def test_a_kill_cancels_latches_over_a_restart_and_only_a_release_lifts_it(make):
    desk = make()
    resting(desk)
    assert desk.command(Command.KILL)["acted"] == 1
    desk.order_is("CANCELED", 0, 0)
    assert desk.command(Command.RESUME)["status"] == Denial.KILLED
    assert desk.command(Command.FLATTEN)["acted"] == 0
    desk.lane.kill()
    desk.lane.start()
    desk.lane.wait_live()
    before = len(desk.denials())
    desk.ask(b"B", 100, 999_900)
    assert desk.denied(before + 1) == Denial.KILLED
    assert desk.command(Command.RELEASE)["acted"] == 1
    resting(desk)


def test_kills_of_a_venue_and_of_a_strategy(desk):
    for scope in (Scope.VENUE, Scope.STRATEGY, Scope.SYMBOL):
        index = desk.inst if scope == Scope.SYMBOL else 0
        desk.command(Command.KILL, scope, index)
        before = len(desk.denials())
        desk.ask(b"B", 100, 999_900)
        desk.until(lambda before=before: len(desk.denials()) > before)
        assert desk.denials()[-1]["denial"] == Denial.KILLED
        assert desk.command(Command.RESUME, scope, index)["status"] == Denial.KILLED
        assert desk.command(Command.RELEASE, scope, index)["acted"] == 1
    resting(desk)


def test_a_command_that_is_none_is_answered(desk):
    assert desk.command(99)["status"] != 0
    assert desk.command(Command.HALT, Scope.VENUE, 7)["status"] != 0
    assert desk.command(Command.HALT, 9)["status"] != 0


def test_reload_takes_limits_and_parameters_and_refuses_what_does_not_compile(make, tmp_path):
    desk = make()
    desk.lane.limit(MAX_POSITION=50)
    assert desk.command(Command.RELOAD)["status"] == 0
    desk.ask(b"B", 100, 999_900)
    assert desk.denied() == Denial.MAX_POSITION
    greedy = tmp_path / "greedy.py"
    greedy.write_text(PUPPET.read_text().replace('state[0]["seen"] += 1', 'state[0]["seen"] += np.zeros(9).size'))
    desk.lane.respec(strategies=[dataclasses.replace(desk.spec.strategies[0], file=str(greedy))])
    assert desk.command(Command.RELOAD)["status"] == 1
    assert "greedy.py:" in desk.said()
    desk.ask(b"B", 50, 999_900)
    desk.order_is("NEW", 50, 0)


def test_limits_lowered_on_a_live_lane_let_cancels_and_one_reducer_pass(make):
    desk = make()
    desk.venue.fill(resting(desk, 2)[0], 100)
    desk.until(lambda: desk.position["position"] == 100)
    desk.lane.limit(MAX_POSITION=20)
    desk.command(Command.RELOAD)
    desk.ask(b"S", 100, 1_000_100)
    desk.order_is("NEW", 100, 0)
    desk.ask(b"S", 100, 1_000_100)
    assert desk.denied() == Denial.MAX_POSITION
    assert desk.command(Command.CANCEL_ALL)["acted"] == 2
    desk.until(lambda: desk.shared.lane[0]["n_live"] == 0)


def test_a_daily_loss_cancels_denies_and_is_lifted_by_a_person(make):
    desk = make(limits={"MAX_DAILY_LOSS": 100 * 100 * 10, "LOSS_HALTS": 1})
    filled, other = resting(desk, 2)
    desk.venue.fill(filled, 100)
    desk.until(lambda: desk.position["position"] == 100)
    for k in range(3):  # the bid falls away: 11 ticks below what was paid
        desk.venue.delete(1, 100 + 2 * k)
    desk.venue.add(1, 500, b"B", 10, 998_800)
    desk.until(lambda: desk.shared.accounts[0]["latched"] == Denial.MAX_DAILY_LOSS)
    desk.until(lambda: other.leaves == 0)
    assert desk.shared.control[0]["halt_node"] == Halt.LOSS
    desk.command(Command.RESUME)
    desk.command(Command.RESUME, Scope.STRATEGY)
    resting(desk)


def test_too_many_executions_stop_the_strategy_until_a_person_resumes_it(make):
    desk = make(limits={"MAX_EXECUTIONS": 3, "EXECUTION_WINDOW": 3600 * 10**9})
    (order,) = resting(desk)
    for _ in range(2):
        desk.venue.fill(order, 10)
    desk.order_is("PARTIALLY_FILLED", 80, 20)
    assert desk.shared.control[0]["halt_strategy"][0] == 0
    desk.venue.fill(order, 10)
    desk.until(lambda: desk.shared.control[0]["halt_strategy"][0] == Halt.EXECUTIONS)
    desk.order_is("CANCELED", 0, 30)
    desk.ask(b"B", 100, 999_900)
    desk.serve(0.1)
    assert len(desk.entered()) == 1, "it is not called any more"
    desk.command(Command.RESUME, Scope.STRATEGY)
    resting(desk)


def test_on_paper_orders_are_filled_on_the_live_book_and_none_reaches_the_venue(make):
    desk = make(armed=False)
    desk.ask(b"B", 1500, 1_000_200)  # 1000 at the best ask, 500 at the next
    desk.order_is("FILLED", 0, 1500)
    assert desk.position["cash"] == -(1000 * 1_000_100 + 500 * 1_000_200)
    desk.ask(b"B", 100, 999_900)  # behind the 1000 that stand there
    desk.order_is("NEW", 100, 0)
    assert desk.orders()[-1]["queue_ahead"] == 1000
    desk.venue.execute(1, 100, 601)
    desk.until(lambda: desk.orders()[-1]["queue_ahead"] == 399)
    desk.venue.add(1, 900, b"B", 500, 999_900)
    desk.venue.execute(1, 100, 399)
    desk.venue.execute(1, 900, 31)
    desk.order_is("PARTIALLY_FILLED", 69, 31)
    desk.ask(b"B", 900_200, 999_800)
    desk.order_is("PARTIALLY_FILLED", 169, 31)
    assert desk.orders()[-1]["px"] == 999_800
    desk.ask(b"B", 999_999, 999_800)
    desk.order_is("CANCELED", 0, 31)
    desk.ask(b"B", 800_100, 999_900)
    desk.order_is("CANCELED", 0, 0)
    assert (desk.venue.requests, desk.venue.logins) == ([], [])


def test_in_shadow_everything_happens_but_the_send(make):
    desk = make(armed=False, shadow=True)
    desk.ask(b"B", 100, 1_000_100)
    desk.order_is("CANCELED", 0, 0)
    assert (desk.count(Counter.ORDERS), desk.venue.logins) == (1, [])


def test_arming_ends_what_was_on_paper_and_ends_itself_in_time(make):
    desk = make(armed=False)
    desk.ask(b"B", 100, 1_000_100)
    desk.order_is("FILLED", 0, 100)
    desk.ask(b"B", 100, 999_900)
    desk.order_is("NEW", 100, 0)
    desk.lane.respec(venues=[dataclasses.replace(desk.spec.venues[0], armed=True, until_ns=time.time_ns() + 3 * 10**9)])
    assert desk.command(Command.ARM)["status"] == 0
    desk.order_is("EXPIRED", 0, 0)
    assert desk.position["position"] == 0
    desk.until(lambda: len(desk.venue.logins) == 1)
    desk.until(lambda: desk.shared.venues[0]["session_state"] == Session.UP)
    desk.ask(b"B", 50, 999_900)
    desk.order_is("NEW", 50, 0)
    assert desk.venue.orders
    desk.until(lambda: desk.shared.venues[0]["mode"] == Mode.OFF)
    desk.order_is("CANCELED", 0, 0)
    desk.ask(b"B", 50, 999_900)
    assert desk.denied() == Denial.NOT_ARMED


@pytest.mark.parametrize("idle", ["spin", "yield", "sleep"])
def test_every_idle_strategy_trades(make, idle):
    desk = make(idle=idle)
    resting(desk)
