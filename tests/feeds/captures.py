"""Packet captures made by hand: every form that noderrd.feeds.pcap reads."""

import struct

from noderrd.feeds import pcap

SOURCE, TARGET = (b"\x0a\x00\x00\x01", 4000), (b"\xef\x01\x01\x01", 26477)


def ethernet(ip, vlans=0):
    return bytes(12) + b"\x81\x00\x00\x05" * vlans + b"\x08\x00" + ip


def udp(payload):
    return pcap.datagram(SOURCE, TARGET, payload)


def tcp(payload, seq=1, flags=0x18):
    body = struct.pack(">2H2I2B3H", SOURCE[1], TARGET[1], seq, 0, 5 << 4, flags, 1, 0, 0) + payload
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, pcap.TCP, 0, SOURCE[0], TARGET[0]) + body


def classic(frames, *, order="<", magic=0xA1B2C3D4, link=pcap.ETHERNET):
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for k, frame in enumerate(frames):
        out += struct.pack(order + "4I", 10 + k, 500, len(frame), len(frame)) + frame
    return out


def block(order, kind, body):
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def ng(frames, *, order="<", resolution=9, link=pcap.ETHERNET):
    out = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += block(order, 1, struct.pack(order + "HHI", link, 0, 0) + struct.pack(order + "HHB3x", 9, 1, resolution) + bytes(4))
    for k, frame in enumerate(frames):
        ticks = (10 + k) * 10**resolution + 500
        out += block(order, 6, struct.pack(order + "5I", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)) + frame)
    return out
