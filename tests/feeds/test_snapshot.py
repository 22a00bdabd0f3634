"""Books rebuilt from a snapshot while the feed goes on: exact, whole or not at all, and bounded."""

import contextlib
import socket

import numpy as np
import pytest
from feeds.channel import MILLISECOND, SESSION, Channel, flow, head, naive, opening, packets
from feeds.test_recovery import RATES, arrivals
from hypothesis import given, settings
from hypothesis import strategies as st

from core.codes import BookState, Counter, JournalKind, Rebuild
from core.soupbintcp import END, frame, login_accepted
from noderrd import logs
from noderrd.feeds import moldudp64
from noderrd.journal.replay import Again, Counts
from noderrd.lane import cold, snapshot, terms


def image(messages):
    """What a venue would say if its day began now: the messages that are not about orders, and an Add Order for each that lives."""
    said = [message for message in messages if message[:1] in b"SRH"]
    for locate, book in naive(messages).items():
        for ref, (side, px, qty) in ((int(ref), map(int, order)) for ref, order in book.orders.items()):
            said.append(
                head(b"A", locate) + ref.to_bytes(8, "big") + b"BS"[side : side + 1] + qty.to_bytes(4, "big") + b" " * 8 + px.to_bytes(4, "big")
            )
    return said


class Glimpse:
    """A snapshot server that answers one login at a time with `said` and the number at which the feed goes on."""

    def __init__(self):
        self.door = socket.create_server(("127.0.0.1", 0))
        self.door.setblocking(False)
        self.address = f"127.0.0.1:{self.door.getsockname()[1]}"
        self.answer, self.logins, self.lines = b"", [], []

    def poll(self):
        with contextlib.suppress(BlockingIOError):
            self.lines.append(self.door.accept()[0])
        for line in self.lines:
            line.setblocking(False)
            try:
                packet = line.recv(4096)
            except BlockingIOError:
                continue
            if packet:
                self.logins.append(packet)
                line.setblocking(True)
                line.sendall(self.answer)
                line.shutdown(socket.SHUT_WR)

    def close(self):
        for one in (self.door, *self.lines):
            one.close()


def whole(messages, session=SESSION):
    """The packets of a snapshot after these messages."""
    body = b"".join(frame(b"S" + message) for message in image(messages))
    return login_accepted(session.decode(), 1) + body + frame(b"S" + b"G" + f"{len(messages) + 1:<20}".encode()) + END


@pytest.fixture
def server():
    it = Glimpse()
    yield it
    it.close()


def rebuild(channel, server, most=400):
    """Let the cold side do what is due; gives how many steps it took."""
    it = snapshot.Snapshots(channel.spec, channel.shared, channel.work, logs.get("test"))
    for k in range(most):
        if channel.row["rebuild"] == Rebuild.NONE:
            it.drop(0)
            return k
        it.step(0)
        server.poll()
    raise AssertionError("it never ended")


def stuck(channel_of, server, messages, at, **options) -> Channel:
    """A channel that applied 100 datagrams, lost some and has no server that answers; `at` messages were said by then."""
    channel = channel_of(messages, glimpse=server.address, **options)
    each = packets(messages, 0, most=1)
    for k in (*range(100), *range(120, at)):
        channel.arrive(0, each[k])
    channel.tick(400 * MILLISECOND)
    assert channel.row["rebuild"] == Rebuild.NONE
    channel.tick(400 * MILLISECOND)
    assert channel.row["rebuild"] == Rebuild.SNAPSHOT
    assert channel.row["state"] & BookState.RECOVERING
    return channel


@pytest.mark.parametrize("table", [64, 1 << 10])
def test_a_gap_that_does_not_close_is_left_behind_by_a_snapshot(channel_of, server, table):
    """Also where the snapshot holds more orders than the table has room for: it grows meanwhile."""
    messages = flow(11, 900, live=200)
    channel = stuck(channel_of, server, messages, 400, table=table) if table > 64 else stuck(channel_of, server, messages, 400, table=256)
    server.answer = whole(messages[:600])
    rebuild(channel, server)
    assert channel.row["next_seq"] == 601
    channel.equals(naive(messages[:600]))
    assert len(server.logins) == 1
    channel.recover()
    channel.equals(naive(messages))
    assert channel.row["state"] == 0
    assert not channel.shared.insts["state"].any()
    assert channel.count(Counter.SNAPSHOTS) == 1
    assert channel.count(Counter.UNKNOWN_ORDER) == 0


@pytest.mark.parametrize("cut", [0, 40, 500, -30, -5])
def test_a_snapshot_that_breaks_off_changes_nothing(channel_of, server, cut):
    messages = flow(12, 600)
    channel = stuck(channel_of, server, messages, 300)
    before = [channel.levels(inst, side) for inst in range(3) for side in (0, 1)]
    answer = whole(messages[:400])
    server.answer = answer[:cut] if cut != -5 else answer[: len(answer) - len(END) - 5]
    rebuild(channel, server)
    assert [channel.levels(inst, side) for inst in range(3) for side in (0, 1)] == before
    assert channel.row["next_seq"] == 101
    assert channel.row["state"] == BookState.GAP
    assert channel.count(Counter.SNAPSHOTS) == 0
    channel.recover()  # the servers answer again after all
    channel.equals(naive(messages))


@pytest.mark.parametrize("answer", [frame(b"JA"), frame(b"S" + b"x" * 12), frame(b"Z"), b"\0\0", b"HTTP/1.1 400"])
def test_a_server_that_refuses_or_is_none(channel_of, server, answer):
    messages = flow(13, 300)
    channel = stuck(channel_of, server, messages, 250)
    server.answer = answer
    rebuild(channel, server)
    assert channel.row["state"] == BookState.GAP
    channel.recover()
    channel.equals(naive(messages))


def test_a_snapshot_of_another_session_is_not_taken(channel_of, server):
    messages = flow(14, 300)
    channel = stuck(channel_of, server, messages, 250)
    server.answer = whole(messages[:200], b"SEED000009")
    rebuild(channel, server)
    assert channel.row["next_seq"] == 101


@pytest.mark.parametrize("kept", [True, False])
def test_what_comes_while_books_are_rebuilt_is_applied_to_them(channel_of, server, kept):
    """The feed goes on, nobody retransmits, and one snapshot is enough; without what was kept it would not be."""
    messages = flow(20, 900)
    channel = stuck(channel_of, server, messages, 300)
    each = packets(messages, 0, most=1)
    server.answer = whole(messages[:320])
    it = snapshot.Snapshots(channel.spec, channel.shared, channel.work, logs.get("test"))
    it.step(0)
    for k in range(300, len(messages)):  # both lines, each without what the other has
        channel.arrive(k % 2, each[k])
        channel.arrive(1 - k % 2, each[k - 1])
    before = channel.levels(0, 0)
    channel.requests()  # those before the snapshot
    if not kept:
        channel.work[0]["held"][0]["used"] = 0
    while channel.row["rebuild"] != Rebuild.NONE:
        assert not channel.take_held()
        it.step(0)
        server.poll()
    assert channel.levels(0, 0) != before
    channel.tick(MILLISECOND)
    assert channel.row["state"] == (BookState.GAP if channel.row["held"] else 0)  # never LIVE before it is whole
    assert (channel.take_held() > 500) is kept
    channel.tick(2 * MILLISECOND)
    assert not channel.requests()
    assert channel.row["next_seq"] == (len(messages) + 1 if kept else 321)
    channel.equals(naive(messages if kept else messages[:320]))
    assert channel.row["state"] == 0
    assert channel.count(Counter.HELD_LOST) == 0


def test_what_is_kept_is_bounded_and_the_rest_is_asked_for(channel_of, server):
    messages = flow(21, 900)
    channel = stuck(channel_of, server, messages, 300)
    each = packets(messages, 0, most=1)
    server.answer = whole(messages[:320])
    it = snapshot.Snapshots(channel.spec, channel.shared, channel.work, logs.get("test"))
    channel.work[0]["held"][0]["size"] = 20_000
    it.step(0)
    for k in range(300, len(messages)):
        channel.arrive(0, each[k])
    while channel.row["rebuild"] != Rebuild.NONE:
        it.step(0)
        server.poll()
    channel.take_held()
    assert channel.count(Counter.HELD_LOST) > 100
    assert 321 < channel.row["next_seq"] < len(messages)
    channel.recover()
    channel.equals(naive(messages))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("rates", RATES)
def test_snapshots_alone_recover_from_any_loss(channel_of, server, rates, seed):
    """Nobody retransmits and the feed goes on all the time: the final books are exact, and no message is applied to a book that has it."""
    messages = flow(seed + 31, 1200)
    channel = channel_of(messages, servers=0, glimpse=server.address)
    it = snapshot.Snapshots(channel.spec, channel.shared, channel.work, logs.get("test"))
    said = 0

    def cold():
        server.answer = whole(messages[:said]) if said > len(opening()) else b""
        if channel.row["rebuild"] != Rebuild.NONE:
            it.step(0)
            server.poll()
        for name in ("snapshot_ns", "moved_ns"):  # the cold side's clock is the real one
            channel.row[name] = min(int(channel.row[name]), channel.now)
        channel.take_held()

    losses = {key: value for key, value in RATES[rates].items() if key != "answers"}
    for line, datagram in arrivals(packets(messages, seed), seed, **losses):
        channel.arrive(line, datagram)
        found = moldudp64.read(datagram)
        said = max(said, found.seq + len(found.messages) - 1)
        channel.tick(10 * MILLISECOND)
        cold()
    for _ in range(4000):
        said = len(messages)
        channel.arrive(0, moldudp64.write(SESSION, len(messages) + 1))
        channel.tick(10 * MILLISECOND)
        cold()
        if channel.row["next_seq"] == len(messages) + 1 and channel.row["state"] == 0:
            break
    channel.equals(naive(messages))
    assert channel.row["state"] == 0
    assert not channel.shared.insts["state"].any()
    assert channel.count(Counter.UNKNOWN_ORDER) == channel.count(Counter.BOOK_FULL) == 0
    if losses.get("drop", (0, 0)) == (0.3, 0.3):
        assert channel.count(Counter.SNAPSHOTS) > 0


def test_another_session_s_first_messages_are_kept_until_its_books_are_empty(channel_of):
    messages = flow(6, 200)
    channel = channel_of(messages)
    for datagram in packets(messages, 6):
        channel.arrive(0, datagram)
    channel.arrive(0, moldudp64.write(SESSION, len(messages) + 1, end=True))
    it = snapshot.Snapshots(channel.spec, channel.shared, channel.work, logs.get("test"))
    for k in range(0, 60, 5):
        channel.arrive(0, moldudp64.write(b"SEED000002", k + 1, tuple(messages[k : k + 5])))
    assert channel.row["rebuild"] == Rebuild.RESTART
    it.step(0)
    channel.take_held()
    channel.tick(2 * MILLISECOND)
    assert channel.row["next_seq"] == 61
    assert channel.row["state"] == 0
    channel.equals(naive(messages[:60]))


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True])
def test_a_replay_of_the_journal_comes_by_the_same_books(channel_of, server, tmp_path, late):
    """Books rebuilt from a snapshot, and emptied for another session: the journal holds what that takes."""
    messages = flow(22, 700)
    channel = channel_of(messages, glimpse=server.address, table=64 if late else 1 << 10)
    it = snapshot.Snapshots(channel.spec, channel.shared, channel.work, logs.get("test"))
    cold.journal_words(channel.shared.lane, JournalKind.START, -1, -1, -1, 1, 0, 1, 0, 0)
    terms.journal(channel.shared, channel.spec.told())
    server.answer = whole(messages[:500])
    each = packets(messages, 0, most=3)
    if not late:
        for datagram in each[:50]:
            channel.arrive(0, datagram)
    for datagram in each[60:]:
        channel.arrive(0, datagram)
    channel.tick(600 * MILLISECOND)
    for _ in range(400):
        if channel.row["rebuild"] == Rebuild.NONE:
            break
        it.step(0)
        server.poll()
    assert channel.count(Counter.SNAPSHOTS) == 1
    channel.recover()
    channel.equals(naive(messages))
    if not late:
        channel.arrive(0, moldudp64.write(SESSION, len(messages) + 1, end=True))
        channel.arrive(0, moldudp64.write(b"SEED000002", 1, tuple(messages[:20])))
        it.step(0)
        channel.take_held()
    rows = channel.shared.journal[: int(channel.shared.control[0]["journal_head"])]
    place = tmp_path / "again"
    place.mkdir()
    with contextlib.closing(Again(place, None, Counts(), tmp_path)) as again:
        again.run(iter(rows))
        one, other = again._lane(), channel.shared
        assert one.insts["n"].tolist() == other.insts["n"].tolist()
        for inst in range(3):
            for side in (0, 1):
                n = one.insts[inst]["n"][side]
                for block in ("px", "qty", "cnt"):
                    assert getattr(one, block)[inst, side, :n].tolist() == getattr(other, block)[inst, side, :n].tolist()
        assert one.insts["trading"].tolist() == other.insts["trading"].tolist()
        assert one.venues[0]["next_seq"] == other.venues[0]["next_seq"]


def test_tries_are_bounded(channel_of, server):
    messages = flow(15, 300)
    channel = stuck(channel_of, server, messages, 250)
    server.answer = frame(b"JA")
    rebuild(channel, server)
    channel.row["snapshot_ns"] = channel.now
    channel.tick(4900 * MILLISECOND)
    assert channel.row["rebuild"] == Rebuild.NONE
    channel.tick(200 * MILLISECOND)
    assert channel.row["rebuild"] == Rebuild.SNAPSHOT


def test_a_book_that_is_no_longer_the_venues_is_had_again(channel_of, server):
    messages = flow(16, 400)
    stray = head(b"D", 2) + (10**9).to_bytes(8, "big")
    channel = channel_of([*messages[:200], stray, *messages[200:]], glimpse=server.address)
    for datagram in packets(channel.said[:300], 16):
        channel.arrive(0, datagram)
    assert channel.shared.insts[1]["state"] == BookState.GAP
    channel.tick(2 * MILLISECOND)
    assert channel.row["rebuild"] == Rebuild.SNAPSHOT
    server.answer = whole(channel.said[:300])
    rebuild(channel, server)
    channel.recover()
    channel.equals(naive(messages))
    assert not channel.shared.insts["state"].any()


def test_another_sessions_books_begin_empty(channel_of, server):
    messages, following = flow(17, 300), flow(18, 300)
    channel = channel_of(messages)
    for datagram in packets(messages, 17):
        channel.arrive(0, datagram)
    channel.arrive(0, moldudp64.write(SESSION, len(messages) + 1, end=True))
    channel.said, channel.session = following, b"SEED000002"
    channel.arrive(1, moldudp64.write(channel.session, 1, tuple(following[:5])))
    rebuild(channel, server)
    assert channel.shared.table_head[0]["used"] == 0
    channel.recover()
    channel.equals(naive(following))
    assert channel.row["state"] == 0
    assert channel.count(Counter.SESSIONS) == 1


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_of_a_server_are_looked_at_within_their_bounds(data):
    found = np.zeros(1, snapshot.FOUND)
    buf = np.frombuffer(data + bytes(64), np.uint8)
    at, steps = 0, 0
    while steps < 200:
        before, steps = at, steps + 1
        at = snapshot.look(buf, at, len(data), found)
        assert before <= at <= len(data)
        if at == before or found[0]["wrong"]:
            break
    assert steps < 200


def test_the_table_grows_and_is_hashed_when_references_crowd(channel_of):
    channel = channel_of(flow(19, 10), table=256)
    head_of, table = channel.shared.table_head, channel.shared.table
    for k in range(100):
        table[k]["key"] = ((k * 256) << 3) + 1
    head_of["used"], head_of["crowded"] = 100, 300
    snapshot.grow(channel.shared, logs.get("test"))
    assert (len(channel.shared.table), head_of[0]["hashed"], head_of[0]["crowded"], head_of[0]["used"]) == (256, 1, 0, 100)
    head_of["used"] = 200
    snapshot.grow(channel.shared, logs.get("test"))
    assert len(channel.shared.table) == 512
    assert head_of[0]["used"] == 100
