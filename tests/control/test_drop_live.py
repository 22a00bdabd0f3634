"""Drop copies of a simulated exchange: no difference while a node that trades there and they tell the truth; a planted one halts its symbol."""

import time

import pytest
from control.house import EXCHANGE, SOON_S, House

from core import layout as at
from core.codes import Halt
from noderrd.rig.process import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path):
    it = House(tmp_path, drop=True)
    yield it
    it.venue.child.stop()


def test_drop_copies_agree_until_a_fill_is_planted(house):
    node = house.start()
    try:
        assert wait_until(lambda: node.counters()["fills"] > 20, SOON_S)
        kept = house.state / "drop" / f"{EXCHANGE.name}.json"
        assert wait_until(kept.exists, SOON_S)
        time.sleep(5)  # as long as a difference may go unnoticed, and more
        assert house.ctl("reconcile") == (0, {"ok": True, "differences": []})

        assert house.ctl("pause")[0] == 0
        shared = house.memory()
        head = int(shared.control[0]["fill_head"])
        shared.fills[head % at.FILL_SLOTS] = shared.fills[(head - 1) % at.FILL_SLOTS]
        shared.fills[head % at.FILL_SLOTS]["match"] = 1 << 40  # no exchange executed that
        shared.control[0]["fill_head"] = head + 1
        symbol = house.symbol(int(shared.fills[head % at.FILL_SLOTS]["index"]))
        assert wait_until(lambda: house.ctl("reconcile")[0] == 2, SOON_S)
        differences = house.ctl("reconcile")[1]["differences"]
        assert any(row["symbol"] == symbol and "nothing in the drop copy" in row["what"] for row in differences)
        assert {"scope": f"symbol {symbol}", "reason": Halt.RECONCILE.name} in node.ask("status")["halts"]
        tomorrow = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 86_400))
        assert house.ctl("disarm", "--venue", EXCHANGE.name)[0] == 0
        assert house.ctl("arm", "--venue", EXCHANGE.name, "--until", tomorrow, "--yes")[0] == 77, "a line of the gate"
        assert house.ctl("reconcile", "--accept", symbol, "--reason", "planted")[0] == 0
        assert house.ctl("reconcile")[0] == 0
        assert node.ask("status")["halts"] == []
    finally:
        node.stop()
