"""What the control plane asks of a lane, and how it is answered."""

import dataclasses
import time

import pytest
from lane.rig import PUPPET, Lane

from core.codes import Command, Counter, Denial, Halt, Mode, Scope


def resting(lane, n=1):
    for _ in range(n):
        before = len(lane.exchange.orders)
        lane.ask(b"B", 100, 999_900)
        lane.until(lambda before=before: len(lane.exchange.orders) == before + 1)
    lane.order_is("NEW", 100, 0)


@pytest.mark.parametrize(
    ("scope", "code"),
    [(Scope.NODE, Denial.HALT_NODE), (Scope.VENUE, Denial.HALT_VENUE), (Scope.SYMBOL, Denial.HALT_SYMBOL), (Scope.STRATEGY, Denial.HALT_STRATEGY)],
)
def test_halt_and_resume_of_every_scope(lane, scope, code):
    assert lane.command(Command.HALT, scope)["acted"] == 1
    lane.ask(b"B", 100, 999_900)
    lane.until(lane.denials)
    assert lane.denials()[-1]["denial"] == code
    assert lane.command(Command.RESUME, scope)["status"] == 0
    resting(lane)


def test_cancel_all_counts_what_it_asked(lane, venue):
    resting(lane, 3)
    assert lane.command(Command.CANCEL_ALL)["acted"] == 3
    lane.until(lambda: lane.shared.lane[0]["n_live"] == 0)
    assert all(o.leaves == 0 for o in venue.orders.values())


def test_flatten_cancels_waits_and_closes_at_the_best_price(lane, venue):
    resting(lane, 2)
    venue.fill(venue.orders[1], 100)
    lane.until(lambda: lane.position()["position"] == 100)
    lane.command(Command.HALT)
    row = lane.command(Command.FLATTEN)
    assert (row["acted"], row["failed"]) == (1, 0)
    lane.until(lambda: len(venue.orders) == 3)
    closing = venue.orders[3]
    assert (closing.side, closing.qty, closing.px, closing.tif) == (b"S", 100, 999_900, 3)
    assert venue.orders[2].leaves == 0


def test_pause_and_continue(lane, venue):
    lane.command(Command.PAUSE)
    lane.ask(b"B", 100, 999_900)
    lane.serve(0.05)
    assert not venue.orders
    lane.command(Command.CONTINUE)
    resting(lane)


def test_a_kill_cancels_latches_over_a_restart_and_only_a_release_lifts_it(lane, venue):
    resting(lane)
    assert lane.command(Command.KILL)["acted"] == 1
    lane.order_is("CANCELED", 0, 0)
    assert lane.command(Command.RESUME)["status"] == Denial.KILLED
    assert lane.command(Command.FLATTEN)["acted"] == 0
    lane.kill()
    lane.start()
    lane.live_book()
    lane.ask(b"B", 100, 999_900)
    lane.until(lane.denials)
    assert lane.denials()[-1]["denial"] == Denial.KILLED
    assert lane.command(Command.RELEASE)["acted"] == 1
    resting(lane)


def test_kills_of_a_venue_and_of_a_strategy(lane):
    for scope in (Scope.VENUE, Scope.STRATEGY, Scope.SYMBOL):
        lane.command(Command.KILL, scope)
        before = len(lane.denials())
        lane.ask(b"B", 100, 999_900)
        lane.until(lambda before=before: len(lane.denials()) > before)
        assert lane.denials()[-1]["denial"] == Denial.KILLED
        assert lane.command(Command.RESUME, scope)["status"] == Denial.KILLED
        assert lane.command(Command.RELEASE, scope)["acted"] == 1
    resting(lane)


def test_a_command_that_is_none_is_answered(lane):
    assert lane.command(99)["status"] != 0
    assert lane.command(Command.HALT, Scope.VENUE, 7)["status"] != 0
    assert lane.command(Command.HALT, 9)["status"] != 0


def test_reload_takes_limits_and_parameters_and_refuses_what_does_not_compile(lane, tmp_path):
    lane.limit(MAX_POSITION=50)
    assert lane.command(Command.RELOAD)["status"] == 0
    lane.ask(b"B", 100, 999_900)
    lane.until(lane.denials)
    assert lane.denials()[-1]["denial"] == Denial.MAX_POSITION
    greedy = tmp_path / "greedy.py"
    greedy.write_text(PUPPET.read_text().replace('state[0]["seen"] += 1', 'state[0]["seen"] += np.zeros(9).size'))
    lane.respec(strategies=[dataclasses.replace(lane.spec.strategies[0], file=str(greedy))])
    assert lane.command(Command.RELOAD)["status"] == 1
    assert "greedy.py:" in lane.said()
    lane.ask(b"B", 50, 999_900)
    lane.order_is("NEW", 50, 0)


def test_limits_lowered_on_a_live_lane_let_cancels_and_one_reducer_pass(lane, venue):
    resting(lane, 2)
    venue.fill(venue.orders[1], 100)
    lane.until(lambda: lane.position()["position"] == 100)
    lane.limit(MAX_POSITION=20)
    lane.command(Command.RELOAD)
    lane.ask(b"S", 100, 1_000_100)
    lane.order_is("NEW", 100, 0)
    lane.ask(b"S", 100, 1_000_100)
    lane.until(lane.denials)
    assert lane.denials()[-1]["denial"] == Denial.MAX_POSITION
    assert lane.command(Command.CANCEL_ALL)["acted"] == 2
    lane.until(lambda: lane.shared.lane[0]["n_live"] == 0)


def test_a_daily_loss_cancels_denies_and_is_lifted_by_a_person(tmp_path, venue):
    lane = Lane(tmp_path, venue, limits={"MAX_DAILY_LOSS": 100 * 100 * 10, "LOSS_HALTS": 1}).start()
    lane.live_book()
    resting(lane, 2)
    venue.fill(venue.orders[1], 100)
    lane.until(lambda: lane.position()["position"] == 100)
    for k in range(3):  # the bid falls away: 11 ticks below what was paid
        venue.delete(1, 100 + 2 * k)
    venue.add(1, 500, b"B", 10, 998_800)
    lane.until(lambda: lane.shared.accounts[0]["latched"] == Denial.MAX_DAILY_LOSS)
    lane.until(lambda: venue.orders[2].leaves == 0)
    assert lane.shared.control[0]["halt_node"] == Halt.LOSS
    lane.command(Command.RESUME)
    lane.command(Command.RESUME, Scope.STRATEGY)
    resting(lane)
    lane.close()


def test_too_many_executions_stop_the_strategy_until_a_person_resumes_it(tmp_path, venue):
    lane = Lane(tmp_path, venue, limits={"MAX_EXECUTIONS": 3, "EXECUTION_WINDOW": 3600 * 10**9}).start()
    lane.live_book()
    resting(lane)
    for _ in range(4):
        venue.fill(venue.orders[1], 10)
    lane.until(lambda: lane.shared.control[0]["halt_strategy"][0] == Halt.EXECUTIONS)
    lane.order_is("CANCELED", 0, 40)
    lane.command(Command.RESUME, Scope.STRATEGY)
    resting(lane)
    lane.close()


def test_on_paper_orders_are_filled_on_the_live_book_and_none_reaches_the_venue(tmp_path, venue):
    lane = Lane(tmp_path, venue, armed=False)
    lane.start()
    lane.live_book()
    lane.ask(b"B", 1500, 1_000_200)  # 1000 at the best ask, 500 at the next
    lane.order_is("FILLED", 0, 1500)
    assert lane.position()["cash"] == -(1000 * 1_000_100 + 500 * 1_000_200)
    lane.ask(b"B", 100, 999_900)  # behind the 1000 that stand there
    lane.order_is("NEW", 100, 0)
    assert lane.orders()[-1]["queue_ahead"] == 1000
    venue.execute(1, 100, 600)
    lane.until(lambda: lane.orders()[-1]["queue_ahead"] == 400)
    venue.add(1, 900, b"B", 500, 999_900)
    venue.execute(1, 100, 400)
    venue.execute(1, 900, 30)
    lane.order_is("PARTIALLY_FILLED", 70, 30)
    lane.ask(b"B", 900_200, 999_800)
    lane.order_is("PARTIALLY_FILLED", 170, 30)
    assert lane.orders()[-1]["px"] == 999_800
    lane.ask(b"B", 999_999, 999_800)
    lane.order_is("CANCELED", 0, 30)
    lane.ask(b"B", 800_100, 999_900)
    lane.order_is("CANCELED", 0, 0)
    assert (venue.requests, venue.logins) == ([], [])
    lane.close()


def test_in_shadow_everything_happens_but_the_send(tmp_path, venue):
    lane = Lane(tmp_path, venue, armed=False, shadow=True)
    lane.start()
    lane.live_book()
    lane.ask(b"B", 100, 1_000_100)
    lane.order_is("CANCELED", 0, 0)
    assert (lane.count(Counter.ORDERS), venue.logins) == (1, [])
    lane.close()


def test_arming_ends_what_was_on_paper_and_ends_itself_in_time(tmp_path, venue):
    lane = Lane(tmp_path, venue, armed=False)
    lane.start()
    lane.live_book()
    lane.ask(b"B", 100, 1_000_100)
    lane.order_is("FILLED", 0, 100)
    lane.ask(b"B", 100, 999_900)
    lane.order_is("NEW", 100, 0)
    lane.respec(venues=[dataclasses.replace(lane.spec.venues[0], armed=True, until_ns=time.time_ns() + 3 * 10**9)])
    assert lane.command(Command.ARM)["status"] == 0
    lane.order_is("EXPIRED", 0, 0)
    assert lane.position()["position"] == 0
    lane.until(lambda: len(venue.logins) == 1)
    lane.until(lambda: lane.shared.venues[0]["session_state"] == 4)
    lane.ask(b"B", 50, 999_900)
    lane.order_is("NEW", 50, 0)
    assert venue.orders
    lane.until(lambda: lane.shared.venues[0]["mode"] == Mode.OFF)
    lane.order_is("CANCELED", 0, 0)
    lane.ask(b"B", 50, 999_900)
    lane.until(lane.denials)
    assert lane.denials()[-1]["denial"] == Denial.NOT_ARMED
    lane.close()


@pytest.mark.parametrize("idle", ["spin", "yield", "sleep"])
def test_every_idle_strategy_trades(tmp_path, venue, idle):
    lane = Lane(tmp_path, venue, idle=idle).start()
    lane.live_book()
    resting(lane)
    lane.close()
