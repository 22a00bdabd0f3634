"""Each target against a real receiver on loopback."""

import hashlib
import hmac
import json
import subprocess
import time
from datetime import datetime

import pytest
import receivers
import trio

from noderrd.alerts import targets as it
from noderrd.alerts.outbox import NotTaken

MESSAGE = {
    "id": "7-1", "alert": "slow_tick", "severity": "critical", "state": "firing", "value": "61us", "threshold": "50us",
    "since": 1_800_000_000 * 10**9, "at": 1_800_000_060 * 10**9, "rule": "a.rules:3", "node": "n1",
}  # fmt: skip


@pytest.fixture
def receiver():
    with receivers.web() as it:
        yield it


async def test_a_webhook_is_signed(receiver):
    url, got, _ = receiver
    await it.webhook(url + "/hook", lambda: "key")(MESSAGE)
    path, headers, body = got[0]
    assert (path, json.loads(body)) == ("/hook", MESSAGE)
    assert headers["x-noderrd-signature"] == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()
    await it.webhook(url)(MESSAGE)
    assert "x-noderrd-signature" not in got[1][1]


@pytest.mark.parametrize("code", [301, 400, 500, 503])
async def test_what_is_not_taken_says_so(receiver, code):
    url, got, hook = receiver
    hook.answer = code
    with pytest.raises(NotTaken, match=str(code)):
        await it.webhook(url)(MESSAGE)
    assert len(got) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://[bad", "gopher://127.0.0.1/", ""])
async def test_nobody_there(url):
    with pytest.raises(NotTaken):
        await it.webhook(url)(MESSAGE)


async def test_a_secret_that_is_not_there_sends_nothing_unsigned(receiver, tmp_path):
    url, got, _ = receiver
    with pytest.raises(NotTaken, match="no secret to sign with"):
        await it.webhook(url, (tmp_path / "absent").read_text)(MESSAGE)
    assert got == []


async def taken(send, message):
    """Send until it is taken: an Alertmanager takes its time to start."""
    for _ in range(100):
        try:
            await send(message)
            return
        except NotTaken:
            time.sleep(0.1)


async def test_a_real_alertmanager_takes_an_alert_and_its_end(tmp_path):
    with receivers.alertmanager(tmp_path) as (url, active):

        def names():
            return [(a["labels"]["alertname"], a["annotations"]["rule"]) for a in active()]

        send, now = it.alertmanager(url), time.time_ns()
        await taken(send, {**MESSAGE, "since": now})
        assert names() == [("slow_tick", "a.rules:3")]
        await send({**MESSAGE, "since": now, "state": "resolved", "at": time.time_ns()})
        for _ in range(50):
            if not names():
                break
            time.sleep(0.1)
        assert names() == []


async def test_an_alertmanager_forgets_what_is_not_told_again(tmp_path):
    with receivers.alertmanager(tmp_path, resolve_timeout="2s") as (url, active):
        send, began = it.alertmanager(url), time.time_ns()
        await taken(send, {**MESSAGE, "since": began})
        for _ in range(8):  # longer than the timeout: told again, it stays
            time.sleep(0.5)
            await send({**MESSAGE, "since": time.time_ns(), "began": began})
            assert [datetime.fromisoformat(a["startsAt"]).timestamp() for a in active()] == [pytest.approx(began / 1e9, abs=0.001)]
        for _ in range(200):
            if not active():
                break
            time.sleep(0.1)
        assert active() == [], "and without being told again it does not"


async def test_an_alertmanager_takes_a_group_at_once(tmp_path):
    with receivers.alertmanager(tmp_path) as (url, active):
        send, now = it.alertmanager(url), time.time_ns()
        alerts = [{**MESSAGE, "alert": f"a{k}", "since": now, "began": now} for k in range(3)]
        for _ in range(100):
            try:
                await send({**alerts[0], "group": "data", "alerts": alerts})
                break
            except NotTaken:
                time.sleep(0.1)
        assert sorted((a["labels"]["alertname"], a["labels"]["group"]) for a in active()) == [(f"a{k}", "data") for k in range(3)]


async def test_a_mail_server_takes_a_letter():
    with receivers.mail() as (server, letters):
        await it.mail(f"smtp://{server}", "node@example.org", "desk@example.org")(MESSAGE)
    assert b"Subject: [critical] slow_tick firing on n1" in letters[0]
    assert b"rule: a.rules:3" in letters[0]


async def test_python_s_own_mail_server_takes_a_letter(tmp_path):
    with receivers.smtpd(tmp_path) as (server, letters):
        for _ in range(200):
            try:
                await it.mail(f"smtp://{server}", "node@example.org", "desk@example.org")({**MESSAGE, "group": "g", "alerts": [MESSAGE, MESSAGE]})
                break
            except NotTaken:
                await trio.sleep(0.1)
        for _ in range(100):
            if "END MESSAGE" in letters():
                break
            await trio.sleep(0.1)
        assert "Subject: [critical] slow_tick firing on n1" in letters()
        assert letters().count("rule: a.rules:3") == 2


async def test_no_mail_server():
    with pytest.raises(NotTaken):
        await it.mail("smtp://127.0.0.1:9", "a@example.org", "b@example.org")(MESSAGE)


async def test_a_command_gets_the_message_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "s")
    out = tmp_path / "out"
    await it.command(receivers.program(tmp_path, f"json.dump([json.load(sys.stdin), dict(os.environ), os.getcwd()], open({str(out)!r}, 'w'))"))(
        MESSAGE
    )
    message, environment, folder = json.loads(out.read_text())
    assert message == MESSAGE
    assert "SECRET" not in environment
    assert folder == "/"


async def test_a_command_gains_no_privileges(tmp_path):
    out = tmp_path / "out"
    await it.command(receivers.program(tmp_path, f"open({str(out)!r}, 'w').write(open('/proc/self/status').read())"))(MESSAGE)
    assert "NoNewPrivs:\t1" in out.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sys.exit('no bread')", "exit code 1: no bread"),
        ("x = bytearray(2 << 30)", "MemoryError"),
        ("import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); open('/tmp/noderrd-test-large', 'wb').truncate(1 << 30)", "File too large"),
    ],
)
async def test_a_command_that_fails_says_so(tmp_path, text, said):
    with pytest.raises(NotTaken, match=said):
        await it.command(receivers.program(tmp_path, text))(MESSAGE)


async def test_a_command_that_hangs_is_ended_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(it, "COMMAND_S", 1.0)
    mark = f"noderrd-test-{time.time_ns()}"
    with pytest.raises(NotTaken, match="not done"):
        await it.command(receivers.program(tmp_path, f"import subprocess; subprocess.run(['sh', '-c', 'sleep 60; : {mark}'])"))(MESSAGE)
    assert mark not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


async def test_no_such_command():
    with pytest.raises(NotTaken, match="No such file"):
        await it.command("/nowhere/act")(MESSAGE)
