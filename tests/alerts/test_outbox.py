"""The outbox: order, back-off, bounds, and what a crash leaves."""

import json

import pytest
import trio

from noderrd.alerts import outbox as it

HOUR = 3600 * 10**9


class Log:
    def __init__(self):
        self.lines = []

    def __getattr__(self, level):
        return lambda event, **facts: self.lines.append((level, event, facts))


class Target:
    """Refuses the first `refusals` messages; keeps what it took and when."""

    def __init__(self, refusals=0):
        self.refusals, self.took = refusals, []

    async def __call__(self, message):
        await trio.lowlevel.checkpoint()
        if self.refusals:
            self.refusals -= 1
            raise it.NotTaken("HTTP 500")
        self.took.append((message["n"], trio.current_time()))


@pytest.fixture
def clock():
    now = [10**18]
    now.append(lambda: now[0])
    return now


def box(tmp_path, clock, **targets):
    return it.Outbox(tmp_path / "outbox", targets, clock[1], Log())


async def test_a_target_gets_all_in_order(tmp_path, clock, nursery, autojump_clock):
    target = Target()
    outbox = box(tmp_path, clock, ops=target)
    nursery.start_soon(outbox.run)
    for n in range(12):
        assert outbox.put("ops", {"n": n})
        if n == 6:
            await trio.sleep(1)
    await trio.sleep(1)
    assert [n for n, _ in target.took] == list(range(12))
    assert outbox.waiting() == 0


async def test_a_refused_message_is_tried_again_with_growing_waits(tmp_path, clock, nursery, autojump_clock):
    target = Target(refusals=9)
    outbox = box(tmp_path, clock, ops=target)
    outbox.put("ops", {"n": 1})
    outbox.put("ops", {"n": 2})
    began = trio.current_time()
    nursery.start_soon(outbox.run)
    await trio.sleep(1_000)
    waits = 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60
    assert [(n, round(at - began)) for n, at in target.took] == [(1, waits), (2, waits)]


async def test_a_target_that_is_away_holds_up_no_other(tmp_path, clock, nursery, autojump_clock):
    away, here = Target(refusals=10**6), Target()
    outbox = box(tmp_path, clock, away=away, here=here)
    nursery.start_soon(outbox.run)
    outbox.put("away", {"n": 1})
    outbox.put("here", {"n": 2})
    await trio.sleep(1)
    assert [n for n, _ in here.took] == [2]


async def test_what_was_kept_before_a_crash_is_sent_after_it(tmp_path, clock, nursery, autojump_clock):
    first = box(tmp_path, clock, ops=Target())
    first.put("ops", {"n": 1})
    first.put("ops", {"n": 2})
    (tmp_path / "outbox" / "0000000003-ops.part").write_text("{half")
    target = Target()
    outbox = box(tmp_path, clock, ops=target)
    outbox.put("ops", {"n": 3})
    nursery.start_soon(outbox.run)
    await trio.sleep(1)
    assert [n for n, _ in target.took] == [1, 2, 3]


async def test_a_message_that_cannot_be_read_is_put_aside(tmp_path, clock, nursery, autojump_clock):
    target = Target()
    (tmp_path / "outbox").mkdir()
    for k, text in enumerate(("", "[]", '{"id": 1}', "\x00")):
        (tmp_path / "outbox" / f"000000000{k}-ops.json").write_text(text)
    outbox = box(tmp_path, clock, ops=target)
    outbox.put("ops", {"n": 9})
    nursery.start_soon(outbox.run)
    await trio.sleep(1)
    assert [n for n, _ in target.took] == [9]
    assert len(list((tmp_path / "outbox").glob("*.bad"))) == 4


async def test_a_message_too_old_is_given_up(tmp_path, clock, nursery, autojump_clock):
    target = Target(refusals=10**6)
    outbox = box(tmp_path, clock, ops=target)
    outbox.put("ops", {"n": 1})
    clock[0] += 25 * HOUR
    nursery.start_soon(outbox.run)
    await trio.sleep(5)
    assert outbox.waiting() == 0
    assert ("error", "notification given up") in [line[:2] for line in outbox._log.lines]


def test_a_full_outbox_says_what_it_loses(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(it, "MOST", 3)
    outbox = box(tmp_path, clock, ops=Target())
    assert [outbox.put("ops", {"n": n}) for n in range(4)] == [True, True, True, False]
    assert not outbox.put("ops", {"n": "x" * it.MESSAGE_MAX})
    assert [line[1] for line in outbox._log.lines] == ["notification lost"] * 2


def test_a_message_lies_on_disk_whole(tmp_path, clock):
    box(tmp_path, clock, ops=Target()).put("ops", {"n": 1})
    (file,) = (tmp_path / "outbox").iterdir()
    assert json.loads(file.read_text())["message"] == {"n": 1}
    assert file.stat().st_mode & 0o77 == 0 or file.parent.stat().st_mode & 0o77 == 0


async def test_names_of_targets_do_not_meet(tmp_path, clock, nursery, autojump_clock):
    names = ["ops", "a-ops", "a/ops", "[a-z]*", "%2F"]
    took = {name: Target() for name in names}
    outbox = box(tmp_path, clock, **took)
    for n, name in enumerate(names):
        assert outbox.put(name, {"n": n})
    assert [outbox.waiting(name) for name in names] == [1] * 5
    nursery.start_soon(outbox.run)
    await trio.sleep(1)
    assert [[n for n, _ in took[name].took] for name in names] == [[0], [1], [2], [3], [4]]


def test_what_nobody_takes_is_given_up_after_a_day(tmp_path, clock):
    box(tmp_path, clock, gone=Target(), ops=Target()).put("gone", {"n": 1})
    (path,) = (tmp_path / "outbox").iterdir()
    clock[0] = path.stat().st_mtime_ns + it.AGE_MAX_NS - HOUR
    assert box(tmp_path, clock, ops=Target()).waiting() == 1
    clock[0] += 2 * HOUR
    assert box(tmp_path, clock, gone=Target()).waiting() == 1
    assert box(tmp_path, clock, ops=Target()).waiting() == 0
