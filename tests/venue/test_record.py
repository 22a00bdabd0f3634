"""The record: a venue that was killed anywhere goes on as if nothing had happened."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest
from venue.rig import cancel, enter, listing, replace

from noderrd.rig import ports
from noderrd.rig.process import wait_until
from noderrd.rig.venue import Venue as Process
from noderrd.venue import config
from noderrd.venue.record import MAGIC, Cause, Effects, Kind, Record, Unusable

HALF_NINE = 34_200 * 10**9
ZERO = config.Flow("zero", rate=2_000)


def day(venue, steps=60):
    """Requests of both users between steps of the flow."""
    exchange = venue.exchange
    for k in range(1, steps + 1):
        now = HALF_NINE + k * 10**7
        for user, side in ((0, b"B"), (1, b"S")):
            exchange.do(Cause(Kind.REQUEST, now, user, payload=enter(3 * k, side, 100, 1_000_000 + (k % 7 - 3) * 100)))
            exchange.do(Cause(Kind.REQUEST, now, user, payload=replace(3 * k, 3 * k + 1, 150, 999_000 + 2_000 * user)))
            exchange.do(Cause(Kind.REQUEST, now, user, payload=cancel(3 * k - 2, 50)))
        exchange.do(Cause(Kind.FLOW, now, 0, now))
    exchange.do(Cause(Kind.CANCEL_ALL, now, 1, 83))


def truth(venue):
    exchange = venue.exchange
    private = [exchange.record.private_messages(u, 1, 1 << 20) for u in (0, 1)]
    named = ("user_ref", "ref", "px", "qty", "executed")
    orders = [exchange.open_orders(u)[list(named)].tolist() for u in (0, 1)]
    return exchange.session, venue.messages(), private, exchange.book(0), orders, exchange.holdings(0).tolist(), exchange.counts()


@pytest.mark.parametrize("flow", [ZERO, config.Flow("hawkes", rate=2_000)], ids=["zero", "hawkes"])
def test_same_seed_and_same_requests_give_the_same_bytes(make, tmp_path, flow):
    """The hash is of every cause and effect."""
    said = []
    for k in range(2):
        venue = make(tmp_path / f"{k}.record", flow=flow)
        day(venue)
        said.append(hashlib.sha256((tmp_path / f"{k}.record").read_bytes()).hexdigest())
        venue.record.close()
    assert said[0] == said[1]
    other = make(flow=flow, seed=8)
    day(other)
    assert truth(other)[1] != truth(make(tmp_path / "0.record", flow=flow))[1]


def test_restart_goes_on_with_the_same_session_numbers_and_orders(make, tmp_path):
    path = tmp_path / "v.record"
    venue = make(path, flow=ZERO)
    day(venue, 30)
    before = truth(venue)
    assert len(venue.exchange.open_orders(0)) > 3
    venue.record.close()
    again = make(path, flow=ZERO)
    after = truth(again)
    assert after == before
    again.exchange.do(Cause(Kind.REQUEST, HALF_NINE + 10**10, 0, payload=enter(1_000, b"B", 100, 1)))
    assert len(again.record.private_messages(0, 1, 1 << 20)) == len(before[2][0]) + 1


def test_a_torn_tail_is_cut_off_wherever_it_was_torn(make, tmp_path):
    path, torn = tmp_path / "v.record", tmp_path / "torn.record"
    venue = make(path)
    venue.exchange.do(Cause(Kind.REQUEST, HALF_NINE, 0, payload=enter(1, b"B", 300, 990_000)))
    end = path.stat().st_size
    before = truth(venue)
    venue.exchange.do(Cause(Kind.REQUEST, HALF_NINE, 0, payload=enter(2, b"B", 300, 990_000)))
    whole = path.read_bytes()
    venue.record.close()
    for cut in range(end, len(whole)):
        torn.write_bytes(whole[:cut])
        again = make(torn)
        assert truth(again) == before, cut
        assert torn.stat().st_size == end
        again.record.close()


def test_a_record_that_is_not_this_venues_is_refused(make, tmp_path):
    path = tmp_path / "v.record"
    make(path).record.close()
    with pytest.raises(Unusable, match="other settings \\(instruments\\)"):
        make(path, instruments=(listing("ELSE"),))
    with pytest.raises(Unusable, match=r"other settings \(fees, flow, seed\)|other settings \(seed, flow, fees\)"):
        make(path, seed=9, fees=config.Fees(1, 2), flow=ZERO)
    path.write_bytes(b"something else entirely, and long enough")
    with pytest.raises(Unusable, match="not a venue's record"):
        make(path)


def test_effects_that_no_longer_follow_from_their_cause_are_refused(make, tmp_path):
    path = tmp_path / "v.record"
    venue = make(path)
    venue.record.append(Cause(Kind.FLOW_OFF, HALF_NINE), Effects(b"\0\1S", 1, b""))
    venue.record.close()
    with pytest.raises(Unusable, match="another version"):
        make(path)


def test_two_venues_do_not_write_one_record(tmp_path):
    first = Record(tmp_path / "v.record")
    with pytest.raises(Unusable, match="another venue"):
        Record(tmp_path / "v.record")
    first.close()
    Record(tmp_path / "v.record").close()
    assert (tmp_path / "v.record").read_bytes() == MAGIC


def test_skipped_numbers_are_in_no_run(make):
    venue = make()
    assert venue.record.feed_blocks(venue.record.feed_next, 5, 1 << 16) == (b"", 0)
    assert venue.record.feed_blocks(0, 5, 1 << 16) == (b"", 0)


VENUE = """\
name = "KILL"
seed = 3
[itch]
a = "127.0.0.1:{0}"
b = "127.0.0.1:{1}"
rerequest = "127.0.0.1:{2}"
[ouch]
listen = "127.0.0.1:{3}"
users = [{{ user = "ONE", password = "secret", account = "A1" }}]
[admin]
socket = "{folder}/v.sock"
[flow]
kind = "zero"
rate = 5000
[record]
file = "{folder}/v.record"
[[instrument]]
symbol = "TEST"
reference = "100.00"
"""


@pytest.mark.slow
def test_killed_process_comes_back_as_it_was(tmp_path):
    (tmp_path / "v.toml").write_text(VENUE.format(*ports.free(4), folder=tmp_path))

    def start():
        venue = Process("KILL", tmp_path / "v.toml", tmp_path / "v.sock", tmp_path / "log")
        venue.wait_ready()
        return venue

    before = {}
    for _ in range(3):
        venue = start()
        if before:
            now = venue.ask("books")
            assert now["session"] == before["session"]
            assert now["seq_num"] >= before["seq_num"]
        wanted = before.get("seq_num", 0) + 500
        assert wait_until(lambda venue=venue, wanted=wanted: venue.ask("books")["seq_num"] > wanted, 30)
        before = venue.ask("books")
        os.kill(venue.child.pid, signal.SIGKILL)
        venue.child.kill()
    venue = start()
    venue.ask("flow", on=False)
    books, counts = venue.ask("books"), venue.ask("counts")["counts"]
    assert counts["messages"] == books["seq_num"]
    assert venue.child.stop() == 0
    venue = start()
    assert venue.ask("books") == books
    assert venue.child.stop() == 0
    assert not (tmp_path / "v.sock").exists()


def test_check_says_everything_that_is_wrong_with_a_file(tmp_path):
    text = (
        VENUE.format(1, 2, 3, 4, folder=tmp_path).replace('reference = "100.00"', 'reference = "100.001"\nlots = 5').replace("seed = 3", "seed = -3")
    )
    (tmp_path / "v.toml").write_text(text)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "noderrd.main", "venue", "--config", tmp_path / "v.toml", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "seed" in done.stderr
    assert "lots" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began < 60
    (tmp_path / "v.toml").write_text(VENUE.format(1, 2, 3, 4, folder=tmp_path))
    command = [sys.executable, "-P", "-m", "noderrd.main", "venue", "--config", tmp_path / "v.toml", "--check"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
