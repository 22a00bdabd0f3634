"""From a rules file to what somebody gets: every way to be told, each with a real receiver."""

import hashlib
import hmac
import json

import pytest
import receivers
import trio
from control import desk

from core.codes import Counter

ALERT = """
alert busy critical {
  when  orders > 10
  do    notify(ops)
}
"""


async def told(make, notify, got):
    """Let an alert fire on a node whose rules say how to tell somebody; waits until `got()` is true, then lets it end and waits for `got` again."""
    node = make(desk.POLICY + f"notify ops {{\n  {notify}\n}}\n" + ALERT)
    node.lane.shared.own()
    control = node.lane.shared.control[0]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.verbs(node)._alerting.run)
        for orders, state in ((20, "firing"), (5, "resolved")):
            control["counters"][Counter.ORDERS] = orders
            await desk.until(lambda state=state: got(state))
        nursery.cancel_scope.cancel()


async def test_a_signed_webhook(make, tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "ops-hook").write_text("key\n")
    with receivers.web() as (url, got, _):
        await told(make, f'webhook "{url}/hook" secret "ops-hook"', lambda state: state in [json.loads(body)["state"] for *_, body in got])
        for path, headers, body in got:
            assert path == "/hook"
            assert headers["x-noderrd-signature"] == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()
        assert json.loads(got[0][2])["alert"] == "busy"


async def test_an_alertmanager(make, tmp_path):
    with receivers.alertmanager(tmp_path) as (url, active):
        seen = []

        def got(state):
            try:
                names = [alert["labels"]["alertname"] for alert in active()]
            except OSError:
                return False  # not up yet
            seen.extend(names)
            return (names == ["busy"]) if state == "firing" else not names

        await told(make, f'alertmanager "{url}"', got)
        assert set(seen) == {"busy"}


async def test_a_letter(make):
    with receivers.mail() as (server, letters):
        await told(
            make, f'mail "desk@example.org" via "{server}" from "node@example.org"',
            lambda state: any(f"busy {state} on test".encode() in letter for letter in letters),
        )  # fmt: skip
    assert b"To: desk@example.org" in letters[0]
    assert b"From: node@example.org" in letters[0]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_program(make, tmp_path, fails):
    out = tmp_path / "out"
    once = f"if not os.path.exists({str(out)!r}):\n    open({str(out)!r}, 'w')\n    sys.exit('not now')" if fails else ""
    path = receivers.program(tmp_path, f"{once}\nopen({str(out)!r}, 'a').write(sys.stdin.read() + chr(10))")
    await told(make, f'command "{path}"', lambda state: out.exists() and f'"state": "{state}"' in out.read_text())
    assert [json.loads(line)["state"] for line in out.read_text().splitlines()] == ["firing", "resolved"]
