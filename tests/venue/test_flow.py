"""The calibrated flow: it looks like the recording that it was calibrated on, venues of one symbol agree, and it answers a client's orders."""

import json

import numpy as np
import pytest
from venue.rig import enter, listing

from core.jit import exposed
from noderrd.venue import calibrate, config, hawkes, path, recording, statistics
from noderrd.venue.record import Cause, Kind

SHIPPED = json.loads(hawkes.SHIPPED.read_text())
SECOND = 10**9

# Greatest factor between a figure of a simulation and the recording's, or (for what is near 0) greatest difference.
FACTORS = {
    "events_per_s": 1.25, "cancels_per_trade": 1.3, "orders": 1.4, "spread p10": 1.6, "spread p50": 1.3, "spread p90": 1.3, "spread mean": 1.3,
    "shares_of_events limit": 1.1, "shares_of_events cancel": 1.1, "shares_of_events market": 1.3, "gap p10": 3, "gap p50": 1.5, "gap p90": 1.5,
    "gap p99": 1.5, "gap cv": 1.4, "fano 0.1": 1.6, "fano 1.0": 1.6, "fano 10.0": 2.0, "limit_size p10": 1.5, "limit_size p50": 2.0,
    "limit_size p90": 1.3, "limit_size p99": 1.3, "limit_size mean": 1.4, "market_size p90": 1.8, "market_size mean": 1.8, "depth 1": 1.8,
    "depth 2": 1.5, "depth 3": 1.5, "depth 5": 1.6, "depth 10": 2.6, "signature 1": 2.5, "signature 5": 2.0, "signature 10": 2.0, "signature 30": 1.8,
    "signature 60": 1.8, "signature 120": 2.0, "response 10": 3.0, "response 60": 2.5,
}  # fmt: skip
DIFFERENCES = {"sign_acf 1": 0.2, "sign_acf 2": 0.2, "sign_acf 5": 0.15, "sign_acf 10": 0.15, "sign_acf 50": 0.15}


def simulated(duration_s, seed, **options):
    return statistics.watch(calibrate.blocks(calibrate.simulate(hawkes.SHIPPED, duration_s, seed, **options)), "FLOW")


@pytest.mark.parametrize("seed", [3, 4])
def test_it_looks_like_the_recording(seed):
    got = statistics.figures(simulated(3 * 3600, seed))
    wrong = []
    for name, want, have in calibrate.rows(SHIPPED["figures"], got):
        if (name in FACTORS and not want / FACTORS[name] <= have <= want * FACTORS[name]) or abs(want - have) > DIFFERENCES.get(name, np.inf):
            wrong.append(f"{name}: recorded {want:.4g}, simulated {have:.4g}")
    assert not wrong
    names = {name for name, _, _ in calibrate.rows(SHIPPED["figures"], got)}
    assert names >= FACTORS.keys() | DIFFERENCES.keys()


def test_the_shipped_figures_are_the_recordings(data):
    about = SHIPPED["about"]
    tale = statistics.watch(calibrate.blocks(recording.read(data / "itch_from_lobster" / about["recording"]).tobytes()), about["symbol"])
    figures = statistics.figures(tale.between(config.seconds(about["from"]) * SECOND, config.seconds(about["to"]) * SECOND))
    for name, want, have in calibrate.rows(SHIPPED["figures"], figures):
        assert have == pytest.approx(want, rel=1e-4), name


def test_the_efficient_price_is_brownian_and_a_function_of_seed_and_time():
    brownian = exposed(path.brownian)
    times = np.arange(0, 3_000) * SECOND
    walk = np.array([brownian(7, int(t)) for t in times])
    assert brownian(7, int(times[2_000])) == walk[2_000]
    for scale, least, most in ((1, 0.8, 1.2), (10, 0.7, 1.3), (60, 0.5, 1.5)):
        assert least < np.mean((walk[scale:] - walk[:-scale]) ** 2) / scale < most
    far = np.array([brownian(7, k * path.KNOT_NS) for k in range(200)])  # it stays about where it is
    assert 0.3 < far.std() / path.ROOT_KNOT_S < 0.7
    other = np.array([brownian(8, int(t)) for t in times])
    assert abs(np.corrcoef(np.diff(walk), np.diff(other))[0, 1]) < 0.1
    assert abs(brownian(7, 10**15) - brownian(7, 10**15 + 1000)) < 0.1


def mids(tale, since, until):
    clock = np.arange(since, until)
    return tale.samples[np.searchsorted(tale.samples[:, 0], clock, side="right") - 1, 1]


def test_venues_of_one_path_stay_together_and_one_that_lags_comes_later():
    begin, lag = 34_200 + 60, 20
    first, late, stranger = simulated(1_800, 1), simulated(1_800, 2, lag_ms=lag * 1_000), simulated(1_800, 1, path=9)
    here, there = mids(first, begin, begin + 1_700), mids(late, begin, begin + 1_700)
    apart = np.abs(here - mids(stranger, begin, begin + 1_700)).mean()
    assert np.abs(here - there).mean() < apart / 1.5
    assert np.abs(here[:-lag] - there[lag:]).mean() < np.abs(here - there).mean()  # what one knows the other knows 20 s later


def test_a_clients_orders_move_the_market(make):
    """The same seed twice; in one of the two a client buys."""

    def run(buys):
        flow = config.Flow("hawkes", rate=SHIPPED["parameters"]["events_per_s"])
        venue = make(flow=flow, instruments=(listing("TEST", "570.00"),))
        exchange, total = venue.exchange, 0.0
        for step in range(1, 61):
            if buys:
                venue.request(0, enter(step, b"B", 200, 0x7FFFFFFF, b"3"))
            now = 34_200 * SECOND + step * SECOND // 2
            while exchange.do(Cause(Kind.FLOW, now, 0, now)):
                pass
            _, bids, asks = exchange.book(0)
            total += (bids[0][0] + asks[0][0]) / 200 if step > 30 else 0.0
        return total / 30, exchange.counts()["flow_events"]

    (quiet, few), (bought, many) = run(False), run(True)
    assert bought > quiet + 3  # ticks
    assert many > few


def test_a_file_that_holds_no_parameters_is_refused(tmp_path):
    bad = tmp_path / "bad.json"
    for text in ("", "[]", "{}", '{"parameters": {"caused": [1]}}', json.dumps({"parameters": SHIPPED["parameters"] | {"caused": [0.5] * 5}})):
        bad.write_text(text)
        with pytest.raises(ValueError, match=r"bad\.json"):
            hawkes.read(bad)


def test_calibration_gives_back_what_a_simulation_was_made_of():
    """Read off a simulation's messages, the parameters that can be seen are those it was made with."""
    tale = simulated(3 * 3600, 5)
    measured = calibrate.measure(tale, statistics.figures(tale))
    given = SHIPPED["parameters"]
    assert sum(measured["caused"]) == pytest.approx(sum(given["caused"]), abs=0.08)
    assert measured["base"] == pytest.approx(given["base"], rel=0.3)
    assert measured["youngest"] == pytest.approx(given["youngest"], abs=0.25)
    assert np.quantile(measured["away"], 0.5) == pytest.approx(np.quantile(given["away"], 0.5), rel=0.5)
