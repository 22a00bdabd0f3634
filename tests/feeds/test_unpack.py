"""Packed recordings: what lies before any damage is had, and that there is damage is told. One way to unpack for all who read them."""

import gzip

import pytest
from feeds.captures import classic, ethernet, udp
from hypothesis import given, settings
from hypothesis import strategies as st

from noderrd.feeds import binaryfile, moldudp64, recording
from noderrd.venue import recording as tape

MESSAGES = [b"S" + bytes(2) + k.to_bytes(8, "big") + b"Q" for k in range(4000)]
PLAIN = b"".join(len(one).to_bytes(2, "big") + one for one in MESSAGES)
PACKED = gzip.compress(PLAIN, mtime=0)


def put(folder, content):
    path = folder / "recording"
    path.write_bytes(content)
    return path


def test_plain_packed_and_packed_in_pieces(tmp_path):
    for content in (PLAIN, PACKED, gzip.compress(PLAIN[:999], mtime=0) + bytes(5) + gzip.compress(PLAIN[999:], mtime=0)):
        assert binaryfile.unpack(put(tmp_path, content)) == (PLAIN, True)
        assert len(recording.read(tmp_path / "recording").offsets) == len(MESSAGES)


@pytest.mark.parametrize("cut", [11, 40, len(PACKED) // 2, len(PACKED) - 9, len(PACKED) - 1])
def test_a_torn_file_gives_what_it_holds(tmp_path, cut):
    found, whole = binaryfile.unpack(put(tmp_path, PACKED[:cut]))
    assert not whole
    assert PLAIN.startswith(found)
    assert len(found) > (len(PLAIN) // 3 if cut > 1000 else -1)
    assert recording.read(tmp_path / "recording").damaged_at is not None
    with pytest.raises(ValueError, match="damaged or cut short"):
        tape.read(tmp_path / "recording")


def test_what_came_before_a_damaged_byte_is_kept(tmp_path):
    broken = bytearray(PACKED)
    broken[len(broken) // 2 : len(broken) // 2 + 40] = b"\xff" * 40
    found, whole = binaryfile.unpack(put(tmp_path, bytes(broken)))
    assert not whole
    assert found[: len(PLAIN) // 4] == PLAIN[: len(PLAIN) // 4]


def test_what_follows_a_packed_file_is_damage(tmp_path):
    assert binaryfile.unpack(put(tmp_path, PACKED + b"more")) == (PLAIN, False)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(PACKED) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_change_gives_bytes_and_no_exception(tmp_path_factory, changes):
    broken = bytearray(PACKED)
    for at, value in changes:
        broken[at] = value
    binaryfile.unpack(put(tmp_path_factory.mktemp("unpack"), bytes(broken)))


def test_an_exchange_replays_captures_too(tmp_path):
    datagrams = [moldudp64.write(b"SEED000001", k + 1, tuple(MESSAGES[k : k + 10])) for k in range(0, 100, 10)]
    path = put(tmp_path, gzip.compress(classic([ethernet(udp(one)) for one in datagrams])))
    assert bytes(tape.read(path)) == PLAIN[: len(PLAIN) * 100 // len(MESSAGES)]
