"""How good the wall clock is: offset and error bound, from chrony where it runs, else from the kernel.

A one-way figure between two hosts means something only where both error bounds are smaller than it; so the bound is asked, shown and journaled.
"""

import ctypes
import dataclasses
import errno
import os
import shutil
import subprocess
from collections.abc import Sequence

TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
STA_UNSYNC, STA_NANO = 0x0040, 0x2000
SECOND = 1_000_000_000
CHRONYC_S = 2.0
QUARTER_NS = 900 * SECOND
FIELDS = 14  # of `chronyc -c tracking`, chrony 4.x


@dataclasses.dataclass(frozen=True)
class Clock:
    """`offset_ns`: system time minus true time, as estimated; `error_ns`: most that it can be off; `source`: chrony or kernel."""

    source: str
    synchronised: bool
    offset_ns: int
    error_ns: int

    def faults(self, bound_ns: int) -> list[str]:
        """Say what is wrong with it for somebody who needs it within `bound_ns`; [] when nothing is."""
        if not self.synchronised:
            return ["clock not synchronised (no chrony, ntpd or ptp4l keeps it)"]
        if self.error_ns > bound_ns:
            return [f"clock may be off by {self.error_ns / 1000:.0f} us, more than {bound_ns / 1000:.0f} us"]
        return []


def one_way(received_ns: Sequence[int], stamped_ns: Sequence[int], clock: Clock) -> int | None:
    """Give the median time from a sender's stamps to our receive times; None where our clock cannot tell: it is not kept, or may be off by more.

    Stamps may count from any midnight: zones differ by multiples of QUARTER_NS, so the difference is known within that. How good the sender's clock
    is only the sender knows; a negative figure is shown as it is, and says that one of both is off.
    """
    found = sorted((rx - sent + QUARTER_NS // 2) % QUARTER_NS - QUARTER_NS // 2 for rx, sent in zip(received_ns, stamped_ns, strict=True))
    if not found or not clock.synchronised or clock.error_ns >= abs(found[len(found) // 2]):
        return None
    return found[len(found) // 2]


class Timex(ctypes.Structure):
    """struct timex of adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long),
        ("status", ctypes.c_int), ("constant", ctypes.c_long), ("precision", ctypes.c_long), ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2), ("tick", ctypes.c_long), ("ppsfreq", ctypes.c_long), ("jitter", ctypes.c_long), ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long), ("jitcnt", ctypes.c_long), ("calcnt", ctypes.c_long), ("errcnt", ctypes.c_long), ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int), ("reserved", ctypes.c_int * 11),
    )  # fmt: skip


def kernel() -> Clock:
    """Ask the kernel (adjtimex, reading only). Raises OSError where that is not allowed."""
    timex = Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if state < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return of_timex(timex, state)


def of_timex(timex: Timex, state: int) -> Clock:
    """Read the kernel's answer: `offset` is in ns or us as STA_NANO says, `maxerror` always in us."""
    unit = 1 if timex.status & STA_NANO else 1_000
    return Clock("kernel", state != TIME_ERROR and not timex.status & STA_UNSYNC, timex.offset * unit, timex.maxerror * 1_000)


def of_chrony(line: str) -> Clock:
    """Read `chronyc -c tracking`. The bound is |offset| + root dispersion + half the root delay (RFC 5905: root distance). Raises ValueError."""
    words = line.strip().split(",")
    if len(words) != FIELDS:
        message = f"{len(words)} fields"
        raise ValueError(message)
    offset, delay, dispersion = float(words[4]), float(words[10]), float(words[11])
    error = abs(offset) + dispersion + delay / 2
    return Clock("chrony", words[13] in {"Normal", "Insert second", "Delete second"}, round(offset * SECOND), round(error * SECOND))


def read() -> Clock:
    """Ask chrony, else the kernel. Raises OSError where neither answers."""
    program = shutil.which("chronyc")
    if program is not None:
        try:
            done = subprocess.run([program, "-n", "-c", "tracking"], capture_output=True, text=True, timeout=CHRONYC_S, check=True)
            return of_chrony(done.stdout)
        except (subprocess.SubprocessError, ValueError):
            pass  # no chronyd answers: the kernel knows what it was last told
    try:
        return kernel()
    except OSError as why:
        if why.errno == errno.EPERM:
            return Clock("none", synchronised=False, offset_ns=0, error_ns=0)
        raise
