"""A whole node's files, a simulated exchange, and the node's daemon: for tests that steer it as an operator would."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

from noderrd.control import lanes
from noderrd.demo import plan
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec
from noderrd.rig import ports
from noderrd.rig.node import Node
from noderrd.rig.venue import Venue

START_S = 900.0
SOON_S = 60.0
RULES = """\
risk default {{
  max_position      2_000 shares
  max_order_size    500 shares
  max_order_value   250_000 USD
  price_collar      5%
  max_order_rate    1_000/s
  max_open_orders   {most}
}}

strategy quotes {{
  file     "strategies/quotes.py"
  symbols  AAPL, MSFT
}}
"""
EXCHANGE = dataclasses.replace(plan.EXCHANGES[0], flow="zero", rate=300)


class House:
    """The files, the venue and the node."""

    def __init__(self, state: Path, *, drop: bool = False) -> None:
        self.state = state
        for folder in ("rules.d", "logs", "venues"):
            (state / folder).mkdir(parents=True)
        group = ports.group()
        place = plan.places(group if ports.multicast_works(group) else ports.LOOPBACK)[EXCHANGE.name]
        self.rules = state / "rules.d" / "house.rules"
        self.rules.write_text(RULES.format(most=64))
        plan.write_node(state, {EXCHANGE.name: place}, -1, "yield")
        config = plan.write_venue(state / "venues", EXCHANGE, place, 1, cod=True)
        if drop:
            self._add_drop_copies(state / "noderrd.toml", config)
        self.venue = Venue(EXCHANGE.name, config, state / "venues" / f"{EXCHANGE.name}.sock", state / "logs" / "venue.jsonl")
        self.venue.wait_ready(START_S)
        self.venue.ask("flow", on=False)  # a node that compiles for minutes would have as much to catch up with
        self.shared = lanes.places("lane0", state).shared

    @staticmethod
    def _add_drop_copies(node: Path, venue: Path) -> None:
        """Give the exchange a drop copy port, and the node the right to read it."""
        (port,) = ports.free(1)
        users = f'users = [{{ user = "DROP", password = "copy", account = "{plan.USER}" }}]'
        venue.write_text(venue.read_text().replace("[admin]", f'[drop]\nlisten = "127.0.0.1:{port}"\n{users}\n\n[admin]'))
        told = f'armed = true\ndrop = "127.0.0.1:{port}"\ndrop_user = "DROP"\ndrop_password = "copy"'
        node.write_text(node.read_text().replace("armed = true", told))

    def start(self) -> Node:
        """Start a daemon and wait until it trades."""
        node = Node(self.state)
        node.wait_ready()
        node.wait_trading([EXCHANGE.name])
        self.venue.ask("flow", on=True)
        return node

    def ctl(self, *words: str) -> tuple[int, dict]:
        """Give exit code and object of `noderrctl`."""
        command = [sys.executable, "-P", "-m", "noderrd.ctl.main", "--socket", str(self.state / "noderrd.sock"), *words, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}

    def memory(self) -> Shared:
        """Look into the running lane's memory."""
        spec = LaneSpec.read(self.state / "run" / "lane0.json")
        return Shared(self.shared, spec.sizes())

    def symbol(self, index: int) -> str:
        """Name the symbol of a position by its index."""
        spec = LaneSpec.read(self.state / "run" / "lane0.json")
        return spec.instruments[index % len(spec.instruments)].symbol

    def open_at_venue(self) -> int:
        """Count the node's open orders, as the venue knows them."""
        return len(self.venue.ask("orders", user=plan.USER)["orders"])
