"""Causes of slow orders: a /proc of paper for every cause, and two planted for real."""

import dataclasses
import os
import subprocess
import sys
import time

import pytest

from noderrd.telemetry import evidence as it

BASE = it.Sample(0, 5, 1_000, 100, 0, 0, 1, 0, 50, 60)


def proc(root, pid=77, **changes):
    """Write the files that a sampler reads, as Linux writes them."""
    facts = {"invol": 5, "wait": 1000, "minor": 100, "major": 0, "cpu": 1, "steal": 3, "irq": 40, "soft": 60} | changes
    own = root / str(pid)
    own.mkdir(parents=True, exist_ok=True)
    rest = ["R"] + ["0"] * 6 + [str(facts["minor"]), "0", str(facts["major"])] + ["0"] * 26 + [str(facts["cpu"])] + ["0"] * 13
    (own / "stat").write_text(f"{pid} (a (b) c) {' '.join(rest)}\n")
    (own / "status").write_text(f"Name:\ta\nvoluntary_ctxt_switches:\t9\nnonvoluntary_ctxt_switches:\t{facts['invol']}\n")
    (own / "schedstat").write_text(f"123456 {facts['wait']} 12\n")
    (root / "stat").write_text(f"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 0 0 0 0 0 0 0 99 0 0\ncpu1 0 0 0 0 0 0 0 {facts['steal']} 0 0\nintr 5\n")
    irq = f"  24:          7         {facts['irq']}   PCI-MSI  eth0\n LOC:     999999     999999   Local timer interrupts\n ERR:          0\n"
    (root / "interrupts").write_text("            CPU0       CPU1\n" + irq)
    soft = f"      TIMER:     999999     999999\n     NET_RX:          1         {facts['soft']}\n"
    (root / "softirqs").write_text("                    CPU0       CPU1\n" + soft)


def test_a_sample_reads_the_lanes_own_core(tmp_path):
    proc(tmp_path)
    sample = it.Sampler(77, tmp_path).take(123)
    assert sample == it.Sample(123, 5, 1000, 100, 0, 0, 1, 3 * it.TICK_NS, 40, 60)


def test_moves_between_cores_are_counted(tmp_path):
    sampler = it.Sampler(77, tmp_path)
    for k, cpu in enumerate((1, 0, 0, 1)):
        proc(tmp_path, cpu=cpu)
        sampler.take(k)
    assert [s.migrations for s in sampler.samples] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("growth", "cause"),
    [
        ({"involuntary": 1, "waited_ns": 60_000}, "preempted"),
        ({"involuntary": 1, "waited_ns": 10_000}, "unknown"),
        ({"minor": 1}, "page_fault"),
        ({"major": 1}, "page_fault"),
        ({"involuntary": 1, "waited_ns": 90_000, "minor": 1}, "preempted"),
        ({"steal_ns": it.TICK_NS}, "steal"),
        ({"interrupts": 30, "softirqs": 30}, "irq"),
        ({"interrupts": 3}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_each_cause(growth, cause):
    after = dataclasses.replace(BASE, at_ns=10**8, **{name: getattr(BASE, name) + n for name, n in growth.items()})
    found = it.explain(BASE, after, 100_000)
    assert found.cause == cause
    assert found.evidence == growth | {"window_ns": 10**8}


def test_an_order_is_explained_by_the_samples_around_it_alone(tmp_path):
    sampler = it.Sampler(77, tmp_path)
    for at_ns, minor in ((0, 0), (100, 0), (200, 1), (300, 1), (400, 9)):
        proc(tmp_path, minor=minor)
        sampler.take(at_ns)
    assert sampler.explain(250, 20).cause == "unknown"
    assert sampler.explain(150, 20).cause == "page_fault"
    assert sampler.explain(150, 20).evidence == {"minor": 1, "window_ns": 100}
    assert sampler.explain(95, 120).evidence == {"minor": 1, "window_ns": 300}
    assert sampler.explain(390, 50) == it.Finding("unknown", {})
    assert sampler.explain(-5, 1) == it.Finding("unknown", {})


def spinning(code):
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def planted(victim, seconds):
    """Sample a real process for a while; explain the whole of it."""
    sampler = it.Sampler(victim.pid)
    began = sampler.take(time.time_ns()).at_ns
    time.sleep(seconds)
    end = sampler.take(time.time_ns()).at_ns
    return sampler.explain(began, end - began - 1), sampler


def test_a_planted_preemption_is_named():
    cpu = max(os.sched_getaffinity(0))
    busy = f"import os; os.sched_setaffinity(0, {{{cpu}}}); print(1, flush=True)\nwhile True: pass"
    many = [spinning(busy) for _ in range(4)]
    try:
        for one in many:
            one.stdout.readline()
        found, sampler = planted(many[0], 1.0)
        grown = sampler.samples[-1].waited_ns - sampler.samples[0].waited_ns
        assert grown > 10**8
        assert it.explain(sampler.samples[0], sampler.samples[-1], grown).cause == "preempted"
        assert found.evidence["involuntary"] > 0
    finally:
        for one in many:
            one.kill()
            one.wait()
            one.stdout.close()


def test_a_planted_page_fault_is_named():
    code = (
        "import mmap, sys, time\nm = mmap.mmap(-1, 4 << 20)\nprint(1, flush=True)\nend = time.time() + 20\nk = 0\n"
        "while time.time() < end:\n  m[(k % 1024) * 4096] = 1\n  k += 1\n  time.sleep(0.002)\n"
    )
    victim = spinning(code)
    try:
        victim.stdout.readline()
        found, _ = planted(victim, 0.5)
        assert (found.cause, found.evidence["minor"] > 0) == ("page_fault", True)
    finally:
        victim.kill()
        victim.wait()
        victim.stdout.close()
