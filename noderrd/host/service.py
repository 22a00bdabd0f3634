"""What a service gets from systemd and gives it to keep: descriptors that outlive the process (sd_listen_fds(3), sd_pid_notify_with_fds(3)).

The daemon gives the open /dev/cpu_dma_latency away, so that the lanes' cores do not fall asleep while a daemon that crashed is started again.
"""

import os
import socket
from typing import Any

from noderrd.host import cpu

FIRST_FD = 3
AWAKE = "awake"
_given: dict[str, int] = {}


def inherited() -> dict[str, int]:
    """Give the descriptors that systemd kept for this service, by name. They are taken once: children do not inherit them."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        names = os.environ.get("LISTEN_FDNAMES", "").split(":")
        for k in range(int(os.environ.get("LISTEN_FDS", "0"))):
            os.set_inheritable(FIRST_FD + k, False)
            _given[names[k] if k < len(names) else "unknown"] = FIRST_FD + k
        for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
            os.environ.pop(variable, None)
    return dict(_given)


def keep(name: str, fd: int) -> bool:
    """Give systemd a duplicate of a descriptor to keep; False where nobody keeps any."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return False
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.connect(address)
        socket.send_fds(line, [f"FDSTORE=1\nFDNAME={name}".encode()], [fd])
    return True


def stay_awake(log: Any) -> int | None:
    """Keep the cores out of sleep for as long as this service is not stopped; gives the descriptor, None where it is not allowed (said once)."""
    held = inherited().get(AWAKE)
    if held is not None:
        return held
    try:
        fd = cpu.keep_awake()
    except OSError as why:
        log.info("cores may sleep", reason=f"{cpu.DMA_LATENCY}: {why.strerror}", cost="up to 100 us until a sleeping core answers")
        return None
    keep(AWAKE, fd)
    return fd
