"""The clock's quality, from what chrony and the kernel say."""

import pytest

from noderrd.telemetry import clock as it

LINE = "C0A80101,192.168.1.1,2,1732537000.123,{offset},-0.000000120,0.000001,-12.3,0.001,0.02,{delay},{dispersion},64.5,{leap}\n"


def test_chronys_bound_is_the_root_distance():
    said = it.of_chrony(LINE.format(offset="-0.000002", delay="0.000100", dispersion="0.000030", leap="Normal"))
    assert said == it.Clock("chrony", True, -2_000, 82_000)
    assert said.faults(100_000) == []
    assert said.faults(80_000) == ["clock may be off by 82 us, more than 80 us"]


def test_a_chrony_without_a_server_is_not_synchronised():
    said = it.of_chrony(LINE.format(offset="0", delay="0", dispersion="0", leap="Not synchronised"))
    assert said.faults(10**9) == ["clock not synchronised (no chrony, ntpd or ptp4l keeps it)"]


@pytest.mark.parametrize("line", ["", "506 Cannot talk to daemon", "1,2,3", LINE.format(offset="x", delay="0", dispersion="0", leap="Normal")])
def test_what_is_no_answer_is_no_clock(line):
    with pytest.raises(ValueError):  # noqa: PT011 - any of them
        it.of_chrony(line)


@pytest.mark.parametrize(
    ("status", "state", "offset", "expected"),
    [
        (it.STA_NANO, 0, 1_500, it.Clock("kernel", True, 1_500, 16_000_000)),
        (0, 0, 1_500, it.Clock("kernel", True, 1_500_000, 16_000_000)),
        (it.STA_NANO | it.STA_UNSYNC, 5, 0, it.Clock("kernel", False, 0, 16_000_000)),
    ],
)
def test_the_kernels_units(status, state, offset, expected):
    assert it.of_timex(it.Timex(status=status, offset=offset, maxerror=16_000), state) == expected


def test_this_machines_clock_is_read():
    assert it.read().source in {"chrony", "kernel", "none"}


def kept(error_ns):
    return it.Clock("chrony", synchronised=True, offset_ns=0, error_ns=error_ns)


def test_a_one_way_figure_only_where_the_clock_is_better_than_it():
    midnight, zone = 1_800_000_000 * it.SECOND, 5 * 3600 * it.SECOND
    sent = [36_000 * it.SECOND + k for k in range(5)]
    received = [midnight + zone + ns + late for ns, late in zip(sent, (40_000, 60_000, 50_000, 900_000_000, 55_000), strict=True)]
    assert it.one_way(received, sent, kept(1_000)) == 55_000
    assert it.one_way(received, sent, kept(55_000)) is None
    assert it.one_way(received, sent, it.Clock("kernel", synchronised=False, offset_ns=0, error_ns=0)) is None
    assert it.one_way([], [], kept(1_000)) is None
    assert it.one_way([midnight + sent[0] - 70_000], sent[:1], kept(1_000)) == -70_000, "not clamped"
