"""Flow steering against a card made of Python, which keeps rules as drivers do; its structures are the compiler's."""

import ctypes
import errno
import os
import shutil
import subprocess

import pytest

from noderrd.host import ethernet, flow
from noderrd.host.knob import Absent, Denied

FEED = "udp to 239.255.1.1:26400"


class Card:
    """A driver's table: `chooses` a location by itself, or is told one below `size`; `knows` no rules at all, or does."""

    def __init__(self, size=8, *, chooses=False, knows=True):
        self.size, self.chooses, self.knows, self.rules = size, chooses, knows, {}

    def exchange(self, _ioctl, what):
        ask = flow.Ask.from_buffer(what)
        if not self.knows:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        at = ask.rule.location
        if ask.cmd == flow.COUNT:
            ask.count, ask.data = len(self.rules), self.size | (flow.SPECIAL if self.chooses else 0)
        elif ask.cmd == flow.ALL:
            where = ctypes.addressof(what) + flow.LOCATIONS_AT
            for k, location in enumerate(self.rules):
                ctypes.c_uint32.from_address(where + 4 * k).value = location
        elif ask.cmd == flow.RULE:
            if at not in self.rules:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            ctypes.memmove(ctypes.addressof(ask) + flow.Ask.rule.offset, self.rules[at], ctypes.sizeof(flow.Rule))
        elif ask.cmd == flow.DELETE:
            del self.rules[at]
        elif ask.cmd == flow.INSERT:
            if at == flow.ANY and self.chooses:
                at = ask.rule.location = next(k for k in reversed(range(self.size)) if k not in self.rules)
            if at >= self.size or at in self.rules:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            self.rules[at] = bytes(ask.rule)


@pytest.fixture
def plug(monkeypatch):
    def in_(card):
        monkeypatch.setattr(flow, "_exchange", card.exchange)
        monkeypatch.setattr(ethernet.Netlink, "index", lambda _: 1)
        return card

    return in_


@pytest.mark.parametrize("chooses", [False, True])
def test_a_flow_is_steered_and_undone(plug, chooses):
    card = plug(Card(chooses=chooses))
    other = flow.Flow("lo", "tcp from 10.0.0.9:26480")
    other.write("queue 2")
    before, place = dict(card.rules), flow.Flow("lo", FEED)
    saved = place.save()
    assert (saved, place.read()) == ("none", "none")
    place.write("queue 5")
    assert (place.read(), other.read(), len(card.rules)) == ("queue 5", "queue 2", 2)
    place.restore(saved)
    assert card.rules == before


def test_a_rule_that_was_there_comes_back_to_its_place(plug):
    card = plug(Card())
    rule = flow.named(FEED)
    rule.cookie, rule.location = 3, 6
    card.rules[6] = bytes(rule)
    before, place = dict(card.rules), flow.Flow("lo", FEED)
    saved = place.save()
    assert saved == "queue 3 at 6"
    place.write("queue 0")
    assert place.save() == "queue 0 at 6"
    place.write("drop")
    assert place.read() == "drop"
    del card.rules[6]  # killed between deleting and inserting
    place.restore(saved)
    assert card.rules == before


def test_a_rule_that_compares_less_is_another(plug):
    card = plug(Card())
    rule = flow.named(FEED)
    rule.mask.pdst[:] = b"\0\0"
    card.rules[1] = bytes(rule)
    assert flow.Flow("lo", FEED).read() == "none"


def test_a_full_table_refuses(plug):
    card = plug(Card(size=2))
    for port in (1, 2):
        flow.Flow("lo", f"udp to 239.1.1.1:{port}").write("queue 0")
    with pytest.raises(Denied, match="full"):
        flow.Flow("lo", FEED).write("queue 0")
    assert len(card.rules) == 2


def test_a_driver_without_rules_is_absent(plug):
    plug(Card(knows=False))
    with pytest.raises(Absent):
        flow.Flow("lo", FEED).read()


def test_so_is_the_kernels_own():
    """The loopback interface has no rules: the real ioctl says so."""
    with pytest.raises(Absent):
        flow.Flow("lo", FEED).read()


@pytest.mark.parametrize("name", ["udp to 239.1.1.1", "udp by 1.2.3.4:5", "sctp to 1.2.3.4:5", "udp to 1.2.3.400:5", ""])
def test_what_names_no_flow_is_refused(name):
    with pytest.raises(ValueError, match=r"flow|Octet|octet"):
        flow.named(name)


def test_structures_are_the_compilers(tmp_path):
    if not shutil.which("gcc"):
        pytest.skip("no gcc here")
    fields = ["data", "fs", "fs.h_u", "fs.h_ext", "fs.m_u", "fs.m_ext", "fs.ring_cookie", "fs.location", "rule_cnt", "rule_locs"]
    lines = "".join(f'printf("%zu ", offsetof(struct ethtool_rxnfc, {name}));' for name in fields)
    numbers = "ETHTOOL_GRXCLSRLCNT, ETHTOOL_GRXCLSRULE, ETHTOOL_GRXCLSRLALL, ETHTOOL_SRXCLSRLDEL, ETHTOOL_SRXCLSRLINS, RX_CLS_LOC_ANY"
    values = f'printf("%d %d %d %d %d %u", {numbers});'
    source = tmp_path / "offsets.c"
    source.write_text(f"#include <stdio.h>\n#include <stddef.h>\n#include <linux/ethtool.h>\nint main(void) {{ {lines} {values} return 0; }}\n")
    built = subprocess.run(["gcc", "-o", tmp_path / "offsets", source], capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"no headers of the kernel here: {built.stderr[-200:]}")
    said = [int(word) for word in subprocess.run([tmp_path / "offsets"], capture_output=True, text=True, check=True).stdout.split()]
    at = flow.Ask.rule.offset
    rule = [at + getattr(flow.Rule, name).offset for name in ("value", "value_ext", "mask", "mask_ext", "cookie", "location")]
    assert said[: len(fields)] == [flow.Ask.data.offset, at, *rule, flow.Ask.count.offset, flow.LOCATIONS_AT]
    assert said[len(fields) :] == [flow.COUNT, flow.RULE, flow.ALL, flow.DELETE, flow.INSERT, flow.ANY]
