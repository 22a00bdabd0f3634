"""`noderrd record` on loopback: what was sent is what the other commands read."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from feeds.channel import SESSION, flow, packets

from noderrd.feeds import drops, moldudp64, pcap, recording

TOOL = Path(sys.executable).with_name("noderrd")


def free():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_both_lines_are_recorded_and_read_again(tmp_path):
    messages, ports = flow(9, 200), (free(), free())
    out = tmp_path / "feed.pcap"
    began = time.time_ns()
    recorder = subprocess.Popen(
        [TOOL, "record", "--a", f"127.0.0.1:{ports[0]}", "--b", f"127.0.0.1:{ports[1]}", "--out", out], stderr=subprocess.PIPE
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        deadline = time.monotonic() + 60
        while not (out.exists() and out.stat().st_size >= 24 + 16):
            sender.sendto(moldudp64.write(SESSION, 1), ("127.0.0.1", ports[0]))
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for k, datagram in enumerate(packets(messages, 9)):
            for port in ports[: 1 if k % 5 == 3 else 2]:  # b loses some
                sender.sendto(datagram, ("127.0.0.1", port))
        for port in ports:
            sender.sendto(moldudp64.write(SESSION, len(messages) + 1, end=True), ("127.0.0.1", port))
    said = recorder.communicate(timeout=60)[1].decode()
    assert recorder.returncode == 0, said
    assert said.count("session ended") == 2
    content = out.read_bytes()
    stamps = [packet.ts_ns for packet in pcap.packets(content)]
    assert all(began < stamp < time.time_ns() for stamp in stamps)
    assert {pcap.segment(packet).target[1] for packet in pcap.packets(content)} == set(ports)
    tape = recording.read(out)
    whole = bytes(tape.data)
    assert [whole[at : at + int.from_bytes(whole[at - 2 : at], "big")] for at in tape.offsets.tolist()] == messages
    decoded = subprocess.run([TOOL, "decode", out, "--json"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len({json.loads(line)["Sequence Number"] for line in decoded}) == len(messages)


def test_a_line_that_cannot_be_opened(tmp_path):
    done = subprocess.run([TOOL, "record", "--a", "192.0.2.1:5", "--out", tmp_path / "x"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_drops_of_a_very_socket(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "7" / "fd").mkdir(parents=True)
    (tmp_path / "net" / "udp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
        " 4207: 0100007F:E09D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 13\n"
    )
    (tmp_path / "7" / "fd" / "5").symlink_to("socket:[4711]")
    (tmp_path / "7" / "fd" / "6").symlink_to("socket:[4712]")
    assert drops.of(7, [5, 6, 9], tmp_path) == {5: 13, 6: None, 9: None}


def test_drops_are_counted_by_the_kernel():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.bind(("127.0.0.1", 0))
        for _ in range(200):
            sender.sendto(bytes(1000), line.getsockname())
        assert drops.of(os.getpid(), [line.fileno()])[line.fileno()] > 100
