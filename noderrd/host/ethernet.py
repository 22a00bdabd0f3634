"""Knobs of a network interface: its link by rtnetlink, its driver by the ethtool ioctls (linux/ethtool.h), both through pyroute2."""

import contextlib
import ctypes
import errno
import fcntl
import socket
from collections.abc import Callable, Iterator
from typing import Any

from pyroute2 import IPRoute
from pyroute2.ethtool.ioctl import IoctlEthtool, NoSuchDevice, NotSupportedError
from pyroute2.netlink.exceptions import NetlinkError

from noderrd.host.knob import Absent, Denied, Port, lacks

CAP_NET_ADMIN = 12
SIOCETHTOOL, IFNAMSIZ = 0x8946, 16
ETHTOOL_GPAUSEPARAM, ETHTOOL_SPAUSEPARAM = 0x12, 0x13
ON = {"on": True, "off": False}


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn the kernel's words into Absent and Denied."""
    try:
        yield
    except NetlinkError as error:
        _refused(error.code, str(error))
        raise OSError(error.code, str(error)) from error
    except (NotSupportedError, NoSuchDevice) as error:
        message = "the driver has no such setting" if isinstance(error, NotSupportedError) else "no such interface"
        raise Absent(message) from error
    except OSError as error:
        _refused(error.errno or 0, error.strerror or str(error))
        raise


def _refused(code: int, words: str) -> None:
    if code in {errno.EOPNOTSUPP, errno.ENODEV, errno.ENOENT, errno.ESRCH}:
        raise Absent(words)
    if code in {errno.EPERM, errno.EACCES, errno.EINVAL, errno.EBUSY, errno.ERANGE}:
        raise Denied(words)


class Netlink(Port):
    """A port that needs CAP_NET_ADMIN to be written."""

    def __init__(self, interface: str) -> None:
        self.interface = interface

    def may_write(self) -> str:
        """Tell whether this process administers the network."""
        return lacks(CAP_NET_ADMIN, "CAP_NET_ADMIN")

    def index(self) -> int:
        """Give the interface's index. Raises Absent."""
        try:
            return socket.if_nametoindex(self.interface)
        except OSError as error:
            message = f"no interface {self.interface}"
            raise Absent(message) from error


class Link(Netlink):
    """`mtu` or `txqlen` of a link."""

    ATTRIBUTES = {"mtu": "IFLA_MTU", "txqlen": "IFLA_TXQLEN"}  # noqa: RUF012 - a constant table

    def __init__(self, interface: str, name: str) -> None:
        super().__init__(interface)
        self._name = name

    def read(self) -> str:
        """Give the number."""
        index = self.index()
        with refusals(), IPRoute() as route:
            return str(next(iter(route.get_links(index))).get_attr(self.ATTRIBUTES[self._name]))

    def write(self, value: str) -> None:
        """Set the number."""
        index = self.index()
        with refusals(), IPRoute() as route:
            route.link("set", index=index, **{self._name: int(value)})


class Ethtool(Netlink):
    """A driver's setting."""

    @contextlib.contextmanager
    def driver(self) -> Iterator[Any]:
        """Give the ioctls of the interface, with the kernel's refusals as ours."""
        self.index()
        ioctl = IoctlEthtool(self.interface)
        try:
            with refusals():
                yield ioctl
        finally:
            ioctl.close()


class Feature(Ethtool):
    """An offload, by the kernel's name (`ethtool -k` shows some by older ones): on or off.

    Reads what is active. What it saves is what was asked for, which may differ: a feature can be asked for and not possible just now.
    """

    def __init__(self, interface: str, name: str) -> None:
        super().__init__(interface)
        self._name = name

    def read(self) -> str:
        """Give on or off."""
        return "on" if self._features().is_active(self._name) else "off"

    def save(self) -> str:
        """Give what is asked for and what is active."""
        features = self._features()
        return f"{'on' if features.is_requested(self._name) else 'off'} {'on' if features.is_active(self._name) else 'off'}"

    def write(self, value: str) -> None:
        """Ask for it or not."""
        with self.driver() as ioctl:
            features = ioctl.get_features()
            features.set_value(self._name, ON[value])
            ioctl.set_features(features)

    def restore(self, saved: str) -> None:
        """Ask for it as before."""
        self.write(saved.split(maxsplit=1)[0])

    def may_write(self) -> str:
        """Some features are fixed by the driver."""
        try:
            features = self._features()
        except Absent:
            return ""
        changeable = features.is_available(self._name) and not features.is_never_changed(self._name)
        return super().may_write() if changeable else "fixed by the driver"

    def _features(self) -> Any:
        with self.driver() as ioctl:
            features = ioctl.get_features()
        if self._name not in features:
            message = f"this kernel knows no feature {self._name}"
            raise Absent(message)
        return features


class Pause(ctypes.Structure):
    """struct ethtool_pauseparam."""

    _fields_ = [(name, ctypes.c_uint32) for name in ("cmd", "autoneg", "rx_pause", "tx_pause")]


class Request(ctypes.Structure):
    """struct ifreq with ifr_data."""

    _fields_ = [("name", ctypes.c_char * IFNAMSIZ), ("data", ctypes.c_void_p), ("pad", ctypes.c_uint64)]


def _pause(ioctl: Any, command: int, pause: Pause) -> Pause:
    """Get or set pause frames, which pyroute2 does not know."""
    pause.cmd = command
    request = Request(bytes(ioctl.ifname).rstrip(b"\0"), ctypes.cast(ctypes.pointer(pause), ctypes.c_void_p).value, 0)
    fcntl.ioctl(ioctl.sock, SIOCETHTOOL, request)
    return pause


# Group to how it is read and written as a mapping of numbers.
GROUPS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "coalesce": (lambda ioctl: ioctl.get_coalesce(), lambda ioctl, values: ioctl.set_coalesce(values)),
    "rings": (lambda ioctl: ioctl.get_rings(), lambda ioctl, values: ioctl.set_rings(values)),
    "channels": (lambda ioctl: ioctl.get_channels(), lambda ioctl, values: ioctl.set_channels(values)),
    "pause": (
        lambda ioctl: _pause(ioctl, ETHTOOL_GPAUSEPARAM, Pause()),
        lambda ioctl, values: _pause(ioctl, ETHTOOL_SPAUSEPARAM, values),
    ),
}


SWITCHES = {"use_adaptive_rx_coalesce", "use_adaptive_tx_coalesce", "autoneg", "rx_pause", "tx_pause"}


class Setting(Ethtool):
    """A number of one of the driver's groups: coalesce, rings, channels, pause. `most` names the field that bounds it."""

    def __init__(self, interface: str, group: str, field: str) -> None:
        super().__init__(interface)
        self._get, self._set = GROUPS[group]
        self._field = field

    def read(self) -> str:
        """Give the number."""
        with self.driver() as ioctl:
            return str(getattr(self._get(ioctl), self._field))

    def write(self, value: str) -> None:
        """Set the number, leaving the group's others as they are."""
        with self.driver() as ioctl:
            values = self._get(ioctl)
            setattr(values, self._field, int(value))
            self._set(ioctl, values)

    def words(self, value: str) -> str:
        """Give what ethtool takes: some numbers are on or off there."""
        return {"0": "off", "1": "on"}.get(value, value) if self._field in SWITCHES else value

    def most(self, field: str) -> int:
        """Give another number of the group, a maximum. Raises Absent, OSError."""
        with self.driver() as ioctl:
            return int(getattr(self._get(ioctl), field))
