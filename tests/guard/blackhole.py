"""A link that swallows everything, between an exchange and a node: `python -P blackhole.py FOLDER on|off`, in new user and network namespaces.

The exchange runs in a network namespace of its own, joined by a veth pair. The link is made a black hole by a wrong neighbour entry at both ends:
frames go out to an address that nobody has, so that nothing arrives and nobody is told. Prints one JSON object.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from noderrd.control import lanes
from noderrd.demo import plan
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec
from noderrd.rig.node import Node
from noderrd.rig.process import Child, Failed, wait_until
from noderrd.rig.venue import Venue

EXCHANGE = dataclasses.replace(plan.EXCHANGES[0], flow="zero", rate=150)
HERE, THERE, NOBODY = "10.9.0.1", "10.9.0.2", "02:00:00:00:00:99"
SOON_S = 60.0
RULES = """\
risk default {
  max_position     100_000 shares
  max_order_value  1_000_000 USD
  price_collar     10%
}

strategy quotes {
  file     "strategies/quotes.py"
  symbols  AAPL, MSFT
}
"""


def ip(*words: str, inside: int = 0) -> str:
    """Run ip(8), here or in the exchange's namespace."""
    where = ["nsenter", "-t", str(inside), "-n"] if inside else []
    return subprocess.run([*where, "ip", *words], check=True, capture_output=True, text=True).stdout


class Link:
    """The veth pair."""

    def __init__(self, other: int) -> None:
        self._other = other
        ip("link", "set", "lo", "up")
        ip("link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(other))
        ip("addr", "add", f"{HERE}/24", "dev", "here")
        ip("link", "set", "here", "up")
        ip("link", "set", "lo", "up", inside=other)
        ip("addr", "add", f"{THERE}/24", "dev", "there", inside=other)
        ip("link", "set", "there", "up", inside=other)

    def swallow(self) -> None:
        """Let nothing arrive any more."""
        ip("neigh", "replace", THERE, "lladdr", NOBODY, "nud", "permanent", "dev", "here")
        ip("neigh", "replace", HERE, "lladdr", NOBODY, "nud", "permanent", "dev", "there", inside=self._other)

    def heal(self) -> None:
        """Let all arrive again."""
        ip("neigh", "del", THERE, "dev", "here")
        ip("neigh", "del", HERE, "dev", "there", inside=self._other)


class Beyond(Venue):
    """An exchange in the other namespace."""

    def __init__(self, other: int, config: Path, admin: Path, log: Path) -> None:
        self.name, self._admin = EXCHANGE.name, admin
        self.child = Child.__new__(Child)
        self.child.name, self.child.log = "venue", log
        command = ["nsenter", "-t", str(other), "-n", sys.executable, "-P", "-m", "noderrd.main", "venue", "--config", str(config)]
        with log.open("ab") as out:
            self.child._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)

    def open(self) -> int:
        """Count the node's open orders, by the exchange's word."""
        return len(self.ask("orders", user=plan.USER)["orders"])


def written(state: Path, *, cod: bool) -> Path:
    """Write every file; gives the exchange's."""
    for folder in ("rules.d", "logs", "venues", "journal"):
        (state / folder).mkdir(parents=True)
    place = plan.Place(f"{HERE}:30001", f"{HERE}:30002", f"{THERE}:30003", f"{THERE}:30004")
    plan.write_node(state, {EXCHANGE.name: place}, -1, "yield")
    node = state / "noderrd.toml"
    text = node.read_text().replace('interface = "127.0.0.1"', f'interface = "{HERE}"')
    node.write_text(text if cod else text.replace("armed = true", "armed = true\ncancel_on_disconnect = false"))
    (state / "rules.d" / "link.rules").write_text(RULES)
    config = plan.write_venue(state / "venues", EXCHANGE, place, 1, cod=cod)
    config.write_text(config.read_text().replace('interface = "127.0.0.1"', f'interface = "{THERE}"'))
    return config


def main() -> int:
    """Swallow, look, heal, look."""
    state, cod = Path(sys.argv[1]), sys.argv[2] == "on"
    with subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) as other:
        said: dict[str, object] = {}
        nodes: list[Node] = []
        venue = None
        try:
            assert wait_until(lambda: Path(f"/proc/{other.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink(), SOON_S)
            link = Link(other.pid)
            config = written(state, cod=cod)
            venue = Beyond(other.pid, config, state / "venues" / f"{EXCHANGE.name}.sock", state / "logs" / "venue.jsonl")
            venue.wait_ready()
            nodes.append(Node(state))
            nodes[0].wait_ready()
            nodes[0].wait_trading([EXCHANGE.name])
            spec = LaneSpec.read(state / "run" / "lane0.json")
            shared = Shared(lanes.places("lane0", state).shared, spec.sizes())
            assert wait_until(lambda: venue.open() > 0 and nodes[0].counters()["fills"] > 0, SOON_S)
            said = (alive if cod else dead)(nodes[0], venue, link, shared, state)
        except Failed as why:
            print(why, file=sys.stderr)
        finally:
            for node in nodes:
                node.stop()
                node.child.kill()
            if venue is not None:
                venue.child.stop()
            other.kill()
    print(json.dumps(said))
    return 0


def alive(node: Node, venue: Beyond, link: Link, shared: Shared, _state: Path) -> dict[str, object]:
    """The lane lives and hears nothing: it gives the session up, the exchange cancels by itself, and both agree when the link is whole again."""
    logins = node.counters()["logins"]
    link.swallow()
    canceled = wait_until(lambda: venue.open() == 0, SOON_S)
    gave_up = wait_until(lambda: int(shared.venues[0]["session_state"]) != 4, SOON_S)
    cuts = int(shared.control[0]["guard_cuts"])
    reserved = int(shared.lane[0]["n_live"])
    link.heal()
    back = wait_until(lambda: int(shared.venues[0]["session_state"]) == 4 and node.counters()["logins"] > logins, SOON_S)
    return {"canceled": canceled, "gave_up": gave_up, "cuts": cuts, "reserved": reserved, "back": back, "equal": equal(node, venue)}


def dead(node: Node, venue: Beyond, link: Link, shared: Shared, state: Path) -> dict[str, object]:
    """Lane and daemon die on the dead link, the exchange cancels nothing: the guard cuts, tries in vain, and cancels when the link is whole."""
    link.swallow()
    os.kill(node.child.pid, signal.SIGKILL)
    os.kill(int(shared.control[0]["pid"]), signal.SIGKILL)
    cut = wait_until(lambda: int(shared.control[0]["guard_cuts"]) == 1, SOON_S)
    log = state / "logs" / "guard.jsonl"
    in_vain = wait_until(lambda: "cannot cancel" in log.read_text(), SOON_S)
    still_open = venue.open()
    link.heal()
    canceled = wait_until(lambda: venue.open() == 0, SOON_S)
    for name in ("guard_pid", "writer_pid"):
        os.kill(int(shared.control[0][name]), signal.SIGTERM)
    time.sleep(0.5)
    Path(shared.path).unlink()
    return {"cut": cut, "in_vain": in_vain, "still_open": still_open, "canceled": canceled}


def equal(node: Node, venue: Beyond) -> bool:
    """Tell whether positions and open orders are the exchange's."""
    venue.ask("flow", on=False)
    node.ask("pause")

    def ours() -> object:
        held = {row["symbol"]: row["position"] for row in node.ask("positions")["positions"] if row["position"]}
        return held, sorted((o["user_ref_num"], o["leaves_qty"]) for o in node.ask("orders", "--open")["orders"])

    def theirs() -> object:
        held = {symbol: row["position"] for symbol, row in venue.ask("positions", user=plan.USER)["positions"].items() if row["position"]}
        return held, sorted((o["user_ref_num"], o["leaves_qty"]) for o in venue.ask("orders", user=plan.USER)["orders"])

    return wait_until(lambda: ours() == theirs(), SOON_S)


if __name__ == "__main__":
    sys.exit(main())
