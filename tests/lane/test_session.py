"""The order session: login and its refusal, the numbers it goes on at, heartbeats, a dead venue, frames that break the protocol."""

import random
import struct

import pytest

from core.codes import Command, Counter, Denial, Halt, OrdStatus, Scope, Session


def test_a_first_login_asks_for_message_one_and_a_later_one_for_what_is_next(make):
    desk = make()
    assert desk.venue.logins == [("", "1")]
    order = desk.send()
    desk.order_is("NEW", 100, 0)
    heard = len(desk.venue.sequenced)
    desk.venue.hang_up()
    desk.venue.fill(order, 30)  # said while nobody listened
    desk.until(lambda: desk.shared.venues[0]["session_state"] == Session.UP and len(desk.venue.logins) == 2)
    assert desk.venue.logins[1] == ("TEST000001", str(heard + 1))
    desk.order_is("PARTIALLY_FILLED", 70, 30)
    assert (desk.count(Counter.DISCONNECTS), desk.count(Counter.LOGINS)) == (1, 1)
    assert desk.position["position"] == desk.tape.position == 30


def test_a_wrong_password_is_refused_tried_again_with_back_off_and_told(make):
    desk = make()
    desk.venue.password, ours = "another", desk.venue.password
    desk.venue.hang_up()
    before = len(desk.venue.logins)
    desk.until(lambda: len(desk.venue.logins) >= before + 3)
    assert "login rejected: A" in desk.said()
    desk.venue.password = ours
    desk.until(lambda: desk.shared.venues[0]["session_state"] == Session.UP)


def test_another_session_than_the_one_we_know_halts_the_venue_until_a_person_has_looked(make):
    desk = make()
    desk.venue.session = b"TEST000002"
    desk.venue.hang_up()
    desk.until(lambda: desk.shared.venues[0]["session_state"] == Session.REFUSED)
    assert desk.shared.control[0]["halt_venue"][0] == Halt.RECONCILE
    assert "reconcile" in desk.said()
    assert desk.command(Command.ACCEPT, Scope.VENUE, 0, text=b"kim: the new day's")["acted"] == 1
    desk.until(lambda: desk.shared.venues[0]["session_state"] == Session.UP)
    assert desk.shared.control[0]["halt_venue"][0] == 0
    assert bytes(desk.shared.venues[0]["order_session"]) == b"TEST000002"
    assert desk.command(Command.ACCEPT, Scope.VENUE, 0, text=b"kim: again")["acted"] == 0


def test_heartbeats_go_out_when_nothing_else_does(desk):
    before = desk.venue.heartbeats
    desk.until(lambda: desk.venue.heartbeats >= before + 2)


@pytest.mark.slow
def test_a_dead_venue_is_noticed_by_its_silence_and_its_orders_fate_is_not_assumed(make):
    desk = make()
    desk.venue.on_enter = lambda order: None
    desk.send()
    desk.order_is("PENDING_NEW", 100, 0)
    desk.venue.silent = True
    desk.until(lambda: desk.count(Counter.DISCONNECTS) == 1, seconds=25)
    assert desk.order() == ("UNKNOWN", 100, 0)
    assert desk.worst() == (100, 0), "it may still be filled"


def test_no_order_goes_out_while_the_session_is_down(desk):
    desk.venue.refuses_login = b"S"
    desk.venue.hang_up()
    desk.until(lambda: desk.shared.venues[0]["session_state"] == Session.DOWN)
    desk.ask(b"B", 100, 999_900)
    assert desk.denied() == Denial.VENUE_DOWN


BROKEN = [
    b"\0\0",  # a packet of nothing
    b"\xff\xff",  # longer than anything a venue says
    struct.pack(">H", 1) + b"?",  # an unknown type
    struct.pack(">H", 31) + b"A" + bytes(30),  # a second login
    struct.pack(">H", 1) + b"Z",  # end of session
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_frame_that_breaks_the_protocol_ends_the_connection_and_not_the_lane(desk, broken):
    desk.venue.raw(broken)
    desk.until(lambda: desk.count(Counter.DISCONNECTS) == 1)
    desk.until(lambda: desk.shared.venues[0]["session_state"] == Session.UP)
    assert desk.count(Counter.DROP_SOUP) == (0 if broken[2:] == b"Z" else 1)


def test_frames_cut_at_every_byte_are_put_together_again(desk):
    desk.venue.on_enter = lambda order: None
    order = desk.send()
    desk.venue.beats, desk.venue.on_query = False, lambda: None  # nothing may come between the bytes of a frame
    said: list[bytes] = []
    desk.venue.raw, whole = said.append, desk.venue.raw
    desk.venue.accept(order)
    desk.venue.fill(order, 10)
    desk.venue.raw = whole
    for byte in b"".join(said):
        desk.venue.raw(bytes([byte]))
        desk.serve(0.002)
    desk.order_is("PARTIALLY_FILLED", 90, 10)


@pytest.mark.parametrize("payload", [b"", b"?", b"A", b"E" + bytes(20), b"A" + bytes(200), b"Q", b"E" + bytes(33)])
def test_messages_that_cannot_be_read_are_counted_and_halt_the_venue(desk, payload):
    desk.venue.tell(payload)
    desk.until(lambda: desk.shared.control[0]["halt_venue"][0] == Halt.RECONCILE)
    desk.until(lambda: desk.count(Counter.DROP_OUCH) + desk.count(Counter.UNKNOWN_REF) == 1)
    assert desk.shared.venues[0]["order_seq"] == len(desk.venue.sequenced) + 1
    assert desk.shared.venues[0]["session_state"] == Session.UP


def test_noise_on_the_session_never_ends_the_lane(make):
    desk = make()
    noise = random.Random(3)
    for k in range(12):
        desk.until(lambda: desk.venue.line is not None and desk.shared.venues[0]["session_state"] == Session.UP)
        real = struct.pack(">H", 19) + b"SC" + struct.pack(">QII", 0, 1, 5) + b"U"
        for _ in range(20):
            changed = bytearray(real)
            changed[noise.randrange(len(changed))] = noise.randrange(256)
            desk.venue.raw(noise.randbytes(noise.randrange(1, 40)) if k % 2 else bytes(changed))
        desk.venue.hang_up()
        desk.venue.sequenced.clear()  # as an exchange that begins its day anew: the session number is refused, or goes on
        desk.shared.venues[0]["order_seq"] = 1
    desk.until(lambda: desk.shared.venues[0]["session_state"] == Session.UP)
    assert not [o for o in desk.orders() if o["ord_status"] != OrdStatus.NONE]


def test_an_execution_with_numbers_that_no_sum_could_hold_is_not_believed(desk):
    order = desk.send()
    desk.order_is("NEW", 100, 0)
    desk.venue.tell(b"E" + struct.pack(">QIIQ", 0, order.ref, 100, 2**62) + b"A" + struct.pack(">QH", 5, 0))
    desk.until(lambda: desk.shared.control[0]["halt_venue"][0] == Halt.RECONCILE)
    assert desk.position["cash"] == 0
