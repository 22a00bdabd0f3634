#!/usr/bin/python3
"""What a booted system with a node on it must hold. Standard library only: it runs on the host against a box, and inside a machine by itself.

checks.py OUT      inside a machine: a line of JSON for each check goes to OUT
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

END = "all checks were made"
SOCKET = "/run/noderrd/noderrd.sock"
RULES = "/etc/noderrd/rules.d"
CTL = "/opt/noderrd/venv/bin/python -P -m noderrd.ctl.main"
VOLATILE = "random|stable_secret|nf_conntrack_count|kernel.ns_last_pid|kernel.pty.nr|entropy|vm.stat_refresh|sched_domain|tcp_fastopen_key"
VOLATILE += "|fs.(dentry|inode|file-nr|quota|aio-nr)"
SNAPSHOT = (
    f"sysctl -a 2>/dev/null | grep -v -E '{VOLATILE}'; ip -d link; ip route; ip neigh show nud permanent; tc qdisc; "
    "grep . /sys/class/net/{0}/queues/*/*_cpus /sys/class/net/{0}/{{gro_flush_timeout,napi_defer_hard_irqs,threaded}} 2>/dev/null"
)
MACHINE = (
    "; grep . /proc/irq/*/smp_affinity_list /proc/irq/default_smp_affinity /sys/devices/virtual/workqueue/cpumask "
    "/sys/kernel/mm/transparent_hugepage/{enabled,shmem_enabled,defrag,khugepaged/defrag} "
    "/sys/fs/cgroup/noderrd_lanes.slice/cpuset.cpus.partition 2>/dev/null; findmnt -no OPTIONS /dev/shm"
)


class Checks:
    """Runs commands by `run` (text to exit code and output) and tells each check's end by `tell`. `patience` stretches every wait.

    `status` gives the node's status, {} while it does not answer: by noderrctl, if nothing else is given.
    """

    def __init__(self, run, tell, *, interface, patience=1.0, status=None):
        self.run, self.tell, self.interface, self.patience = run, tell, interface, patience
        self.status = status or self.ask
        self.snapshot, self.began = SNAPSHOT.format(interface), time.monotonic()

    def say(self, command):
        """Give what a command prints."""
        return self.run(command)[1].strip()

    def that(self, name, holds, detail=""):
        """Tell one check."""
        at = round(time.monotonic() - self.began, 1)
        self.tell({"name": name, "ok": bool(holds), "detail": "" if holds else str(detail)[-600:], "at_s": at})
        return bool(holds)

    def wait(self, holds, seconds):
        """Ask until it is so."""
        end = time.monotonic() + seconds * self.patience
        while not holds():
            if time.monotonic() > end:
                return False
            time.sleep(0.2 * min(self.patience, 5))
        return True

    def ask(self):
        """Ask noderrctl for the node's status."""
        try:
            return json.loads(self.say(f"{CTL} status --json"))
        except ValueError:
            return {}

    def ready(self):
        """Tell whether the node is ready and logged in."""
        said = self.status()
        return said.get("state") == "ready" and all(v["orders"]["logged_in"] for v in said["venues"])

    def lane(self):
        """Give the lane's process id, 0 while there is none."""
        return next((p["pid"] for p in self.status().get("processes", []) if p["name"].startswith("lane")), 0)

    def version(self):
        """Give the number of the policy in force."""
        return self.status().get("policy", 0)

    def log(self):
        """Give the end of the node's journal."""
        return self.say("journalctl --no-pager -o cat -u noderrd | tail -n 6; tail -n 4 /var/lib/noderrd/logs/lane0.jsonl")

    def active(self, unit):
        """Tell whether a unit is active."""
        return self.say(f"systemctl is-active {unit}") == "active"

    def main_pid(self):
        """Give the daemon's process id."""
        return self.say("systemctl show -P MainPID noderrd")

    # What every booted system must hold.

    def tuned(self):
        """The tuner applies what is wanted and nothing is left to change."""
        self.before = self.say(self.snapshot)
        self.run("systemctl start noderrd-tune")
        left = json.loads(self.say(f"{CTL} host verify --json") or "{}").get("knobs", [])
        wrong = [k["id"] for k in left if k["state"] == "change"]
        self.that(
            "noderrd-tune sets what is wanted", left and not wrong, wrong or self.say("journalctl -o cat --no-pager -u noderrd-tune | tail -n 5")
        )
        self.that(
            "tuning is seen in the kernel", self.say("sysctl -n net.ipv4.tcp_slow_start_after_idle") == "0" and self.say(self.snapshot) != self.before
        )

    def starts(self):
        """The node starts, says READY, and trades with the exchange."""
        self.run("systemctl start noderrd-place.socket sim")
        code, said = self.run("systemctl start noderrd")
        self.that("systemctl start noderrd waits for READY", code == 0 and self.active("noderrd"), said + self.log())
        self.that("it is logged in at the exchange", self.wait(self.ready, 60), self.log())
        self.that("noderrctl status says the same", self.ask().get("state") == "ready", self.log())

    def reloads(self):
        """A reload answers when it is done: a good policy is in force then, a bad one has failed with every error. Daemon and lane stay."""
        before, version = (self.main_pid(), self.lane()), self.version()
        self.run(f"printf 'risk symbol AAPL {{\\n  max_position  5 USD\\n  max_order_sise  5 shares\\n}}\\n' > {RULES}/90-bad.rules")
        code, said = self.run("systemctl reload noderrd")
        told = self.say("journalctl --no-pager -o cat -u noderrd | tail -n 20")
        errors = [f"{RULES}/90-bad.rules:{place}: error" for place in ("2:17", "3:3")]
        self.that("systemctl reload fails with every error of a bad policy", code != 0 and all(e in told for e in errors), (code, said, told))
        self.that("a bad policy changes nothing", self.version() == version and (self.main_pid(), self.lane()) == before, self.version())
        self.run(f"printf 'risk symbol AAPL {{\\n  max_position  1_234 shares\\n}}\\n' > {RULES}/90-bad.rules")
        code, said = self.run("systemctl reload noderrd")
        now, shown = self.version(), self.say(f"{CTL} rules show")
        self.that(
            "a good policy is in force when systemctl reload ends", code == 0 and now == version + 1 and "1_234" in shown, (code, said, now, shown)
        )
        self.that("systemctl reload keeps daemon and lane", self.active("noderrd") and (self.main_pid(), self.lane()) == before, self.log())

    def survives_kill(self):
        """A killed daemon is started again and finds its lane, still logged in, and its descriptors."""
        before, lane = self.main_pid(), self.lane()
        self.run("systemctl kill -s KILL --kill-who=main noderrd")
        back = self.wait(lambda: self.main_pid() not in {"0", before} and self.ready(), 60)
        self.that("kill -9 of the daemon: started again and ready", back, self.log())
        self.that("the lane was not touched by it", lane and self.lane() == lane, (lane, self.lane()))
        kept = self.say("systemctl show -P NFileDescriptorStore noderrd")
        self.that("/dev/cpu_dma_latency stayed open in systemd's store", kept == "1", kept)

    def hands_over(self):
        """A restart ends the daemon and nothing else: the lane goes on, and the exchange sees neither a cancel nor a logout."""
        before, lane, counted = self.main_pid(), self.lane(), self.counters()
        code, said = self.run("systemctl restart noderrd")
        back = self.wait(lambda: self.main_pid() not in {"0", before} and self.ready(), 60)
        self.that("systemctl restart: another daemon is ready", code == 0 and back, said + self.log())
        self.that("restart: the lane was not touched", lane and self.lane() == lane, (lane, self.lane()))
        now_is = self.counters()
        same = {name: (counted.get(name), now_is.get(name)) for name in ("logins", "disconnects")}
        self.that("restart: no logout, no login", counted and all(a == b for a, b in same.values()), same)
        kept = self.say("systemctl show -P NFileDescriptorStore noderrd")
        self.that("restart: the descriptor store is kept", kept == "1", kept)

    def counters(self):
        """Give the lane's counters; {} while the node does not answer."""
        try:
            return json.loads(self.say(f"{CTL} counters --json"))["counters"]
        except (ValueError, KeyError):
            return {}

    def stops(self):
        """A stop cancels, logs out, and leaves nothing: no process, no shared memory, no descriptor."""
        self.run("systemctl stop noderrd")
        kept = self.say("systemctl show -P NFileDescriptorStore noderrd")
        self.that("systemctl stop empties the descriptor store", kept == "0", kept)
        said = self.say("tail -n 3 /var/lib/noderrd/logs/lane0.jsonl")
        self.that("systemctl stop ends the lane clean", '"stopped"' in said and "orders left open" not in said, said)
        self.run("systemctl stop sim")
        look = "ps -u noderrd -o stat=,pid=,args= | grep -v ^Z; ls /dev/shm | grep noderrd"
        gone = self.wait(lambda: not self.say(look), 5)
        self.that("systemctl stop leaves no process and no shared memory", gone and not self.active("noderrd"), self.say(look))

    def undone(self):
        """Stopping the tuner brings every line back."""
        self.run("systemctl stop noderrd-tune")
        after = self.say(self.snapshot)
        self.that("stopping noderrd-tune undoes every line", after == self.before, _differences(self.before, after))

    def uninstalled(self, tree):
        """scripts/uninstall --purge leaves nothing of what scripts/install laid down."""
        code, said = self.run(f"{tree}/scripts/uninstall --purge")
        look = "find /etc /opt /usr/bin /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/share/doc /var/lib /var/cache -maxdepth 3 -name '*noderr*'"
        left = [path for path in self.say(f"{look}; getent passwd noderrd").splitlines() if ".service.d" not in path]  # drop-ins are not ours
        self.that("scripts/uninstall --purge leaves nothing", code == 0 and not left, (said, left))

    # What only a machine can show.

    def booted(self):
        """The kernel took its parameters."""
        files = [self.say(f"cat /sys/devices/system/cpu/{name}") for name in ("isolated", "nohz_full")]
        self.that("booted with isolcpus=1 nohz_full=1", files == ["1", "1"], files)
        said = self.say("tc qdisc add dev lo root netem delay 1ms && tc qdisc show dev lo; tc qdisc del dev lo root")
        self.that("the kernel has netem", "netem" in said, said)
        said = self.run("systemd-analyze verify /usr/lib/systemd/system/noderrd*.{service,socket,slice}")
        self.that("systemd-analyze verify says nothing", said == (0, ""), said)

    def queued(self):
        """The discipline has the options that were asked for, and so has the kernel."""
        said = self.say(f"tc qdisc show dev {self.interface}")
        self.that("fq has its options", all(word in said for word in ("fq", "limit 5000p", "flow_limit 50p", "quantum 4000b")), said)

    def isolated(self):
        """The partition is valid and everybody else is off the lane's core."""
        state = self.say("cat /sys/fs/cgroup/noderrd_lanes.slice/cpuset.cpus.partition")
        self.that("cpuset partition is isolated and valid", state == "isolated", state)
        others = self.say("cat /sys/fs/cgroup/system.slice/cpuset.cpus.effective")
        self.that("everything else is on CPUs 0 and 2", others == "0,2", others)

    def on_its_core(self):
        """The lane may run, and runs, on core 1 only; in the partition."""
        pid = self.lane()
        allowed = set(re.findall(r"Cpus_allowed_list:\s+(\S+)", self.say(f"cat /proc/{pid}/task/*/status")))
        where = self.say(f"cat /proc/{pid}/cgroup")
        self.that("the lane is in the partition", "noderrd_lanes.slice" in where, where + self.log())
        seen = {self.say(f"ps -o psr= -p {pid}").strip() for _ in range(5)}
        self.that("the lane runs on CPU 1 only", allowed == {"1"} and seen == {"1"}, (allowed, seen))
        kernel = "ps -eo psr=,ppid=,pid=,args= | awk '$1 == 1 && $2 != 2 && $3 != 2'"
        there = [line for line in self.say(kernel).splitlines() if f" {pid} " not in f" {line} "]
        self.that("no other program is on CPU 1", not there, there)
        locked = int((re.findall(r"VmLck:\s+(\d+)", self.say(f"cat /proc/{pid}/status")) or ["0"])[0])
        self.that("the lane's memory is locked", locked > 10_000, f"{locked} KiB")
        seen = next((lane for lane in self.status().get("host", []) if lane.get("lane") == "lane0"), {})
        self.that("the lane's state is on huge pages, as status shows", seen.get("huge_kib", 0) >= 2048, str(seen) + self.log())
        taken = seen.get("sockets", {}).get("NSDQ orders", {}).get("now", {})
        self.that("options of the order session are read back", taken.get("TCP_NODELAY") == 1 and taken.get("IP_TOS") == 184, taken)

    def watched(self):
        """A daemon that hangs is ended by the watchdog and started again."""
        before = self.main_pid()
        self.run(f"kill -STOP {before}")
        back = self.wait(lambda: self.main_pid() not in {"0", before} and self.ready(), 120)
        self.that("SIGSTOP of the daemon: the watchdog starts it again", back, self.log())
        result = self.say("journalctl --no-pager -o cat | grep -c 'Watchdog timeout'")
        self.that("it was the watchdog", result not in {"", "0"}, result)

    def lane_recovers(self):
        """A lane that was stopped goes on; one that was killed is started anew and logs in again."""
        pid = self.lane()
        self.run(f"kill -STOP {pid}; sleep 2; kill -CONT {pid}")
        self.that("SIGSTOP and SIGCONT of the lane: it trades on", self.wait(self.ready, 60) and self.lane(), self.log())
        pid = self.lane()
        self.run(f"kill -KILL {pid}")
        self.that("SIGKILL of the lane: a new one is ready", self.wait(lambda: self.lane() not in {0, pid} and self.ready(), 120), self.log())

    def undone_after_kill(self):
        """Killed in the middle, the tuner still leaves a way back."""
        apply, undo = (f"{CTL} host {what} --state /run/tune >/dev/null 2>&1" for what in ("apply", "undo"))
        saved = "/run/tune/before.json"  # from then on knobs are written, one after the other
        wait = f"until [ -e {saved} ] || ! kill -0 $!; do sleep 0.01; done; sleep {0.02 * self.patience:.2f}; kill -KILL $!"
        code, _ = self.run(f"{apply} & {wait}; wait $!; [ $? -eq 137 ] && [ -e {saved} ]")
        self.run(undo)
        after = self.say(self.snapshot)
        self.that("apply killed midway, then undo: nothing stays", code == 0 and after == self.before, (code, _differences(self.before, after)))


def _differences(before, after):
    """Give the lines that differ."""
    return sorted(set(before.splitlines()) ^ set(after.splitlines()))[:6]


def box(checks, tree):
    """What is checked in a box; `tree` is where this repository is in it."""
    said = checks.run("systemd-analyze verify /etc/systemd/system/noderrd*.{service,socket,slice}")
    checks.that("systemd-analyze verify says nothing", said == (0, ""), said)
    for step in (checks.tuned, checks.starts, checks.reloads, checks.survives_kill, checks.hands_over, checks.stops, checks.undone):
        step()
    checks.uninstalled(tree)


def machine(checks):
    """What is checked inside a machine."""
    checks.snapshot += MACHINE
    for step in (
        checks.booted, checks.tuned, checks.queued, checks.isolated, checks.starts, checks.on_its_core, checks.reloads, checks.survives_kill,
        checks.watched, checks.lane_recovers, checks.hands_over, checks.stops, checks.undone, checks.undone_after_kill,
    ):  # fmt: skip
        step()
    checks.that(END, True)


def status():
    """Ask the node itself: where everything is emulated, a noderrctl that is started again and again takes the processor from what it asks for."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(60)
            line.connect(SOCKET)
            line.sendall(b'{"do": "status"}\n')
            with line.makefile() as answer:
                return json.loads(answer.readline())
    except (OSError, ValueError):
        return {}


def main():
    """Be the machine's one job: check, then switch it off."""
    with Path(sys.argv[1]).open("w") as out:

        def tell(check):
            out.write(json.dumps(check) + "\n")
            out.flush()

        def run(command):
            try:
                done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=600, check=False)
            except subprocess.TimeoutExpired:
                return 124, "no end in 600 s"
            return done.returncode, done.stdout + done.stderr

        try:
            machine(Checks(run, tell, interface="eth0", patience=float(os.environ.get("PATIENCE", "1")), status=status))
        except Exception as error:
            tell({"name": "the checks themselves", "ok": False, "detail": repr(error), "at_s": 0.0})
            raise
        finally:
            subprocess.run(["systemctl", "poweroff", "--force"], check=False)


if __name__ == "__main__":
    main()
