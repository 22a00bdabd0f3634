"""The XDP program that hands a feed's datagrams to an AF_XDP socket, written in eBPF instructions and loaded through bpf(2). No compiler, no library.

It looks at Ethernet, IPv4 without options, UDP, unfragmented, to one of the wanted (address, port) pairs, each of which has a socket of its own;
everything else, and what comes to another receive queue, goes its usual way, so the interface keeps working. (linux/bpf.h; kernel
Documentation/bpf/instruction-set.rst; RFC 9669.) The attachment is a bpf_link: it ends with the last descriptor of the process, also when that is
killed.
"""

import ctypes
import dataclasses
import ipaddress
import os
import platform
import struct
from collections.abc import Sequence

CALL = {"x86_64": 321, "aarch64": 280}
MAP_CREATE, MAP_UPDATE_ELEM, PROG_LOAD, LINK_CREATE = 0, 2, 5, 28
TYPE_XSKMAP, TYPE_XDP, ATTACH_XDP = 17, 6, 37
SKB_MODE, DRV_MODE = 2, 4  # XDP_FLAGS_*
XDP_PASS, REDIRECT_MAP = 2, 51  # helper 51: bpf_redirect_map, which passes the packet on where no socket is
MAX_SOCKETS = 64
LOG_BYTES = 1 << 16
_libc = ctypes.CDLL(None, use_errno=True)


def bpf(command: int, attributes: bytes) -> int:
    """Make the system call; `attributes` is union bpf_attr as far as it is used. Raises OSError."""
    held = ctypes.create_string_buffer(attributes, len(attributes))
    result = _libc.syscall(CALL[platform.machine()], command, held, len(attributes))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


# Opcodes (RFC 9669, section 4 and 5): target op= value or register. Jumps name a label.
MOV_REG, MOV, ADD, AND, JUMP_GREATER_REG, JUMP_NOT, JUMP32_NOT, JUMP, CALL_HELPER, EXIT, LOAD_MAP = (
    0xBF, 0xB7, 0x07, 0x57, 0x2D, 0x55, 0x56, 0x05, 0x85, 0x95, 0x18,
)  # fmt: skip
LOAD4, LOAD2, LOAD1 = 0x61, 0x69, 0x71
R0, R1, R2, R3, R4, R5 = range(6)
HEADERS = 42  # Ethernet 14, IPv4 20, UDP 8


@dataclasses.dataclass(frozen=True)
class Line:
    """One instruction; `to` names the label that it jumps to, `label` is its own."""

    code: int
    target: int = 0
    source: int = 0
    offset: int = 0
    value: int = 0
    to: str = ""
    label: str = ""


def assemble(lines: Sequence[Line]) -> bytes:
    """Give the machine's form. A LOAD_MAP takes two places."""
    places, at = [], 0
    for line in lines:
        places.append(at)
        at += 2 if line.code == LOAD_MAP else 1
    labels = {line.label: place for line, place in zip(lines, places, strict=True) if line.label}
    out = b""
    for line, place in zip(lines, places, strict=True):
        offset = labels[line.to] - place - 1 if line.to else line.offset
        out += struct.pack("<BBhI", line.code, line.source << 4 | line.target, offset, line.value & 0xFFFFFFFF)
        out += bytes(8) if line.code == LOAD_MAP else b""
    return out


def program(wanted: Sequence[tuple[str, int]], queue: int, map_fd: int) -> bytes:
    """Give the program for (IPv4 address, port) pairs on a receive queue, and a map of sockets by pair. Numbers are compared as they lie."""
    lines = [
        Line(LOAD4, R5, R1, 16),  # struct xdp_md: data, data_end, ..., rx_queue_index
        Line(JUMP_NOT, R5, value=queue, to="pass"),
        Line(LOAD4, R2, R1, 0),
        Line(LOAD4, R3, R1, 4),
        Line(MOV_REG, R4, R2),
        Line(ADD, R4, value=HEADERS),
        Line(JUMP_GREATER_REG, R4, R3, to="pass"),
    ]
    checks = ((LOAD2, 12, 0, _network(0x0800)), (LOAD1, 14, 0, 0x45), (LOAD1, 23, 0, 17), (LOAD2, 20, _network(0x3FFF), 0))
    for load, at, mask, value in checks:  # IPv4; no options; UDP; no fragment
        lines.append(Line(load, R5, R2, at))
        if mask:
            lines.append(Line(AND, R5, value=mask))
        lines.append(Line(JUMP_NOT, R5, value=value, to="pass"))
    for k, (address, port) in enumerate(wanted):
        lines += [
            Line(LOAD4, R5, R2, 30, label=f"pair{k}"),
            Line(JUMP32_NOT, R5, value=int.from_bytes(ipaddress.IPv4Address(address).packed, "little"), to=f"pair{k + 1}"),
            Line(LOAD2, R5, R2, 36),
            Line(JUMP_NOT, R5, value=_network(port), to=f"pair{k + 1}"),
            Line(MOV, R2, value=k),
            Line(JUMP, to="redirect"),
        ]
    return assemble(
        [
            *lines,
            Line(MOV, R0, value=XDP_PASS, label=f"pair{len(wanted)}"),
            Line(EXIT),
            Line(MOV, R0, value=XDP_PASS, label="pass"),
            Line(EXIT),
            Line(LOAD_MAP, R1, 1, value=map_fd, label="redirect"),
            Line(MOV, R3, value=XDP_PASS),
            Line(CALL_HELPER, value=REDIRECT_MAP),
            Line(EXIT),
        ]
    )


def _network(value: int) -> int:
    """Give a 16-bit number of a packet as this machine loads it."""
    return int.from_bytes(value.to_bytes(2, "big"), "little")


def make_map() -> int:
    """Make a map of AF_XDP sockets; gives its descriptor. Raises OSError."""
    return bpf(MAP_CREATE, struct.pack("=IIII", TYPE_XSKMAP, 4, 4, MAX_SOCKETS))


def put(map_fd: int, index: int, socket_fd: int) -> None:
    """Put a socket in the map. Raises OSError."""
    key, value = ctypes.c_uint32(index), ctypes.c_uint32(socket_fd)
    bpf(MAP_UPDATE_ELEM, struct.pack("=IIQQQ", map_fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0))


def load(instructions: bytes) -> int:
    """Have the kernel verify and compile a program; gives its descriptor. Raises OSError, whose text is the verifier's."""
    code, licence = ctypes.create_string_buffer(instructions, len(instructions)), ctypes.create_string_buffer(b"Dual BSD/GPL")
    log = ctypes.create_string_buffer(LOG_BYTES)
    said = [
        TYPE_XDP,
        len(instructions) // 8,
        ctypes.addressof(code),
        ctypes.addressof(licence),
        1,
        LOG_BYTES,
        ctypes.addressof(log),
        0,
        0,
        b"noderrd",
    ]
    try:
        return bpf(PROG_LOAD, struct.pack("=IIQQIIQII16s", *said))
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: {log.value.decode(errors='replace')[-400:]}".strip(": ")) from error


def attach(program_fd: int, interface: int, mode: int) -> int:
    """Attach a program to an interface by its index; gives the link's descriptor, which holds the attachment. Raises OSError."""
    return bpf(LINK_CREATE, struct.pack("=IIII", program_fd, interface, ATTACH_XDP, mode))
