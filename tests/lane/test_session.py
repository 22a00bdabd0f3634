"""The order session: login and its refusal, the numbers it goes on at, heartbeats, a dead venue, frames that break the protocol."""

import random
import struct

import pytest
from lane.exchange import Exchange
from lane.rig import Lane

from core.codes import Counter, Denial, Halt, OrdStatus, Session


def test_a_first_login_asks_for_message_one_and_a_later_one_for_what_is_next(lane, venue):
    assert venue.logins == [("", "1")]
    lane.ask(b"B", 100, 999_900)
    lane.order_is("NEW", 100, 0)
    heard = len(venue.sequenced)
    venue.hang_up()
    venue.fill(venue.orders[1], 30)  # said while nobody listened
    lane.until(lambda: lane.shared.venues[0]["session_state"] == Session.UP and len(venue.logins) == 2)
    assert venue.logins[1] == ("TEST000001", str(heard + 1))
    lane.order_is("PARTIALLY_FILLED", 70, 30)
    assert (lane.count(Counter.DISCONNECTS), lane.count(Counter.LOGINS)) == (1, 2)
    assert lane.position()["position"] == venue.tape.position == 30


def test_a_wrong_password_is_refused_tried_again_with_back_off_and_told(tmp_path):
    venue = Exchange(password="other")
    lane = Lane(tmp_path, venue)
    venue.password = "secret!"
    lane.start(wait=False)
    lane.until(lambda: len(venue.logins) >= 3)
    assert "login rejected: A" in lane.said()
    venue.password = "other"
    lane.until(lambda: lane.shared.venues[0]["session_state"] == Session.UP)
    lane.close()


def test_another_session_than_the_one_we_know_halts_the_venue_until_a_person_has_looked(lane, venue):
    venue.session = b"TEST000002"
    venue.hang_up()
    lane.until(lambda: lane.shared.venues[0]["session_state"] == Session.REFUSED)
    assert lane.shared.control[0]["halt_venue"][0] == Halt.RECONCILE
    assert "reconcile" in lane.said()


def test_heartbeats_go_out_when_nothing_else_does(lane, venue):
    before = venue.heartbeats
    lane.until(lambda: venue.heartbeats >= before + 2)


@pytest.mark.slow
def test_a_dead_venue_is_noticed_by_its_silence_and_its_orders_fate_is_not_assumed(lane, venue):
    venue.on_enter = lambda order: None
    lane.ask(b"B", 100, 999_900)
    lane.order_is("PENDING_NEW", 100, 0)
    venue.silent = True
    lane.until(lambda: lane.count(Counter.DISCONNECTS) == 1, seconds=25)
    assert lane.order() == ("UNKNOWN", 100, 0)
    assert lane.worst() == (100, 0), "it may still be filled"


def test_no_order_goes_out_while_the_session_is_down(lane, venue):
    venue.refuses_login = b"S"
    venue.hang_up()
    lane.until(lambda: lane.shared.venues[0]["session_state"] == Session.DOWN)
    lane.ask(b"B", 100, 999_900)
    lane.until(lane.denials)
    assert lane.denials()[-1]["denial"] == Denial.VENUE_DOWN


BROKEN = [
    b"\0\0",  # a packet of nothing
    b"\xff\xff",  # longer than anything a venue says
    struct.pack(">H", 1) + b"?",  # an unknown type
    struct.pack(">H", 31) + b"A" + bytes(30),  # a second login
    struct.pack(">H", 1) + b"Z",  # end of session
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_frame_that_breaks_the_protocol_ends_the_connection_and_not_the_lane(lane, venue, broken):
    venue.raw(broken)
    lane.until(lambda: lane.count(Counter.DISCONNECTS) == 1)
    lane.until(lambda: lane.shared.venues[0]["session_state"] == Session.UP)
    assert lane.count(Counter.DROP_SOUP) == (0 if broken[2:] == b"Z" else 1)


def test_frames_cut_at_every_byte_are_put_together_again(lane, venue):
    venue.on_enter = lambda order: None
    lane.ask(b"B", 100, 999_900)
    lane.until(lambda: len(venue.orders) == 1)
    said: list[bytes] = []
    venue.raw, whole = said.append, venue.raw
    venue.accept(venue.orders[1])
    venue.fill(venue.orders[1], 10)
    venue.raw = whole
    for byte in b"".join(said):
        venue.raw(bytes([byte]))
        lane.serve(0.002)
    lane.order_is("PARTIALLY_FILLED", 90, 10)


@pytest.mark.parametrize("payload", [b"", b"?", b"A", b"E" + bytes(20), b"A" + bytes(200), b"Q", b"E" + bytes(33)])
def test_messages_that_cannot_be_read_are_counted_and_halt_the_venue(lane, venue, payload):
    venue.tell(payload)
    lane.until(lambda: lane.shared.control[0]["halt_venue"][0] == Halt.RECONCILE)
    assert lane.count(Counter.DROP_OUCH) + lane.count(Counter.UNKNOWN_REF) == 1
    assert lane.shared.venues[0]["order_seq"] == len(venue.sequenced) + 1
    assert lane.shared.venues[0]["session_state"] == Session.UP


def test_noise_on_the_session_never_ends_the_lane(lane, venue):
    noise = random.Random(3)
    for k in range(12):
        lane.until(lambda: lane.shared.venues[0]["session_state"] == Session.UP)
        real = struct.pack(">H", 19) + b"SC" + struct.pack(">QII", 0, 1, 5) + b"U"
        for _ in range(20):
            changed = bytearray(real)
            changed[noise.randrange(len(changed))] = noise.randrange(256)
            venue.raw(noise.randbytes(noise.randrange(1, 40)) if k % 2 else bytes(changed))
        venue.hang_up()
        venue.sequenced.clear()  # as an exchange that begins its day anew: the session number is refused, or goes on
        lane.shared.venues[0]["order_seq"] = 1
    lane.until(lambda: lane.shared.venues[0]["session_state"] == Session.UP)
    assert not [o for o in lane.orders() if o["ord_status"] != OrdStatus.NONE]


def test_an_execution_with_numbers_that_no_sum_could_hold_is_not_believed(lane, venue):
    lane.ask(b"B", 100, 999_900)
    lane.order_is("NEW", 100, 0)
    venue.tell(b"E" + struct.pack(">QIIQ", 0, 1, 100, 2**62) + b"A" + struct.pack(">QH", 5, 0))
    lane.until(lambda: lane.shared.control[0]["halt_venue"][0] == Halt.RECONCILE)
    assert lane.position()["cash"] == 0
