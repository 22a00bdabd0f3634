"""How far a venue is: real connections, handshakes and requests on loopback, and what is told where there are none."""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import struct
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from noderrd.config import Venue
from noderrd.control.probes import Probes
from noderrd.net import probe
from noderrd.telemetry.scores import Scores

HEARD = (b"SESSION   ", 12)


@contextlib.contextmanager
def server(kind, serve):
    """A socket on a free port and a thread that serves it; gives the address."""
    with socket.socket(socket.AF_INET, kind) as line:
        line.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            line.listen()
        thread = threading.Thread(target=_until_closed, args=(serve, line))
        thread.start()
        try:
            yield f"127.0.0.1:{line.getsockname()[1]}"
        finally:
            line.shutdown(socket.SHUT_RDWR) if kind == socket.SOCK_STREAM else _wake(line)
            thread.join()


def _wake(line):
    """A UDP socket's reader ends with a datagram that is empty."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(b"", line.getsockname())


def _until_closed(serve, line):
    with contextlib.suppress(OSError):
        while serve(line):
            pass


def accept(line):
    line.accept()[0].close()
    return True


@pytest.fixture
def orders():
    with server(socket.SOCK_STREAM, accept) as address:
        yield address


@pytest.fixture
def asked():
    """What the retransmission server was asked for."""
    return []


@pytest.fixture
def retransmission(asked):
    def answer(line):
        packet, who = line.recvfrom(64)
        if packet:
            asked.append(struct.unpack("!10sQH", packet))
            line.sendto(packet + b"message", who)
        return bool(packet)

    with server(socket.SOCK_DGRAM, answer) as address:
        yield address


def closed():
    """An address where nobody is."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{line.getsockname()[1]}"


def test_a_venue_s_distance_is_measured(orders, retransmission, asked):
    venue = Venue("239.255.9.9:9", orders, "me", rerequest=f"{retransmission}, {closed()}", password="x")
    found = probe.probe("NSDQ", venue, tries=2, heard=HEARD)
    assert found.failed == {}
    assert found.tcp_ns > 0
    assert found.ping_ns > 0
    assert found.tls_ns is None
    assert asked == [(b"SESSION   ", 11, 1)] * 2


def test_a_part_that_fails_is_told_and_the_others_count(retransmission):
    found = probe.probe("NSDQ", Venue("239.255.9.9:9", closed(), "me", rerequest=retransmission, password="x"), heard=HEARD)
    assert (found.tcp_ns, found.failed) == (None, {"tcp": "Connection refused"})
    assert found.ping_ns > 0


def test_nobody_takes_a_unicast_feed_away_from_its_lane(orders, retransmission, asked):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lane, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as venue:
        lane.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*lane.getsockname())
        found = probe.probe("NSDQ", Venue(address, orders, "me", rerequest=retransmission, password="x"), tries=1)
        venue.sendto(b"tick", lane.getsockname())
        lane.settimeout(10)
        assert lane.recv(16) == b"tick"
    assert "no multicast group" in found.failed["ping"]
    assert asked == []


def certificate(folder):
    """A certificate for 127.0.0.1, signed by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "venue")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "venue.pem"
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + plain)
    return file


def test_a_tls_handshake_is_timed_and_a_stranger_s_is_refused(tmp_path):
    file = certificate(tmp_path)
    ours, theirs = ssl.create_default_context(cafile=file), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(file)

    def shake(line):
        with line.accept()[0] as one, contextlib.suppress(OSError), theirs.wrap_socket(one, server_side=True) as safe:
            safe.recv(1)
        return True

    with server(socket.SOCK_STREAM, shake) as address:
        assert probe.handshake(address, ours) > 0
        with pytest.raises(ssl.SSLCertVerificationError):
            probe.handshake(address)


class Log:
    """Keeps warnings."""

    def __init__(self):
        self.said = []

    def warning(self, what, **more):
        self.said.append((what, more))


def test_a_try_that_is_not_answered_is_counted_as_lost(orders):
    """A retransmission server that answers every other question."""
    met = []

    def answer(line):
        packet, who = line.recvfrom(64)
        met.append(packet)
        if packet and len(met) % 2:
            line.sendto(packet, who)
        return bool(packet)

    with server(socket.SOCK_DGRAM, answer) as address:
        found = probe.probe("NSDQ", Venue("239.255.9.9:9", orders, "me", rerequest=address, password="x"), tries=4, heard=HEARD)
    assert (found.sent, found.lost, found.failed) == (8, 2, {})
    assert found.distance_ns == found.ping_ns > 0


def test_a_venue_s_tls_end_is_probed(orders):
    found = probe.probe("NSDQ", Venue("239.255.9.9:9", orders, "me", tls=closed(), password="x"), tries=2)
    assert (found.tls_ns, found.failed, found.sent, found.lost) == (None, {"tls": "Connection refused"}, 4, 2)
    assert found.distance_ns == found.tcp_ns


class Configuration:
    """What Probes reads of a configuration."""

    def __init__(self, venue):
        self.venues = {"NSDQ": venue}


async def test_the_daemon_asks_with_what_its_lane_heard_and_tells_a_failure_once(orders, retransmission, asked):
    log, scores, row = Log(), Scores(), {"session": HEARD[0], "next_seq": 12, "have_session": 1}
    probes = Probes(Configuration(Venue("127.0.0.1:9", orders, "me", rerequest=retransmission, password="x")), lambda _: row, scores, log)
    await probes.once(0, "NSDQ")
    assert set(probes.times()) == {("NSDQ", "tcp"), ("NSDQ", "ping")}
    assert all(ns > 0 for ns in probes.times().values())
    assert set(asked) == {(b"SESSION   ", 11, 1)}
    assert log.said == []
    probes._config.venues["NSDQ"] = Venue("127.0.0.1:9", closed(), "me", password="x")
    for _ in range(2):
        await probes.once(0, "NSDQ")
    assert probes.times() == {}
    assert log.said == [("probe failed", {"venue": "NSDQ", "tcp": "Connection refused"})]
