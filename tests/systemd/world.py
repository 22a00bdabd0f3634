"""What stands in a booted system's /etc: a simulated exchange as a unit of its own, and a node that trades with it on core 1."""

NODE = """\
[node]
name = "box"
state = "/var/lib/noderrd"

[lane]
core = {core}
idle = "{idle}"
huge_pages = true

[host]
interfaces = ["{interface}"]
qdisc = "{qdisc}"
areas = [{areas}]

[venue.NSDQ]
itch_a = "127.0.0.1:26401"
itch_b = "127.0.0.1:26404"
interface = "127.0.0.1"
rerequest = "127.0.0.1:26402"
ouch = "127.0.0.1:26403"
user = "BOX"
credential = "keys_nsdq"
armed = true

[[instrument]]
symbol = "AAPL"
venue = "NSDQ"
tick = "0.01"
reference = "190.00"
"""

RULES = """\
risk default {{
  max_position      2_000 shares
  max_order_size    500 shares
  max_order_value   250_000 USD
  price_collar      5%
  max_order_rate    1_000/s
  max_open_orders   64
}}

strategy taker {{
  file     "{strategies}/taker.py"
  symbols  AAPL
}}
"""

VENUE = """\
name = "NSDQ"
seed = 7

[itch]
a = "127.0.0.1:26401"
b = "127.0.0.1:26404"
interface = "127.0.0.1"
rerequest = "127.0.0.1:26402"

[ouch]
listen = "127.0.0.1:26403"
users = [{{ user = "BOX", password = "box", account = "BOX" }}]

[admin]
socket = "/run/sim/admin.sock"

[flow]
kind = "zero"
rate = {rate}

[record]
file = "/run/sim/record"

[[instrument]]
symbol = "AAPL"
tick = "0.01"
lot = 1
reference = "190.00"
"""

SIM = """\
[Unit]
Description=Simulated exchange

[Service]
ExecStart=/opt/noderrd/venv/bin/python -P -m noderrd.main venue --config /etc/sim.toml
User=noderrd
Group=noderrd
RuntimeDirectory=sim
CacheDirectory=noderrd
{environment}
"""

DROPIN = """\
[Service]
{environment}
WatchdogSec={watchdog}
"""


def files(
    strategies: str,
    *,
    core: int,
    idle: str,
    rate: int,
    watchdog: str,
    environment: dict[str, str],
    areas: tuple[str, ...],
    interface: str,
    qdisc: str,
) -> dict[str, str]:
    """Give the files by path. `strategies`: where the shipped ones are inside; `environment`: for both units; `areas`: of the host, to be tuned."""
    said = "\n".join(f"Environment={key}={value}" for key, value in environment.items())
    return {
        "etc/noderrd/noderrd.toml": NODE.format(
            core=core, idle=idle, interface=interface, qdisc=qdisc, areas=", ".join(f'"{name}"' for name in areas)
        ),
        "etc/noderrd/rules.d/10-limits.rules": RULES.format(strategies=strategies),
        "etc/noderrd/keys/nsdq": "box\n",
        "etc/sim.toml": VENUE.format(rate=rate),
        "etc/systemd/system/sim.service": SIM.format(environment=said),
        "etc/systemd/system/noderrd.service.d/watchdog.conf": DROPIN.format(environment=said, watchdog=watchdog),
    }
