"""Each target against a real receiver on loopback."""

import hashlib
import hmac
import http.server
import json
import shutil
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from noderrd.alerts import targets as it
from noderrd.alerts.outbox import NotTaken
from noderrd.rig import ports

MESSAGE = {
    "id": "7-1", "alert": "slow_tick", "severity": "critical", "state": "firing", "value": "61us", "threshold": "50us",
    "since": 1_800_000_000 * 10**9, "at": 1_800_000_060 * 10**9, "rule": "a.rules:3", "node": "n1",
}  # fmt: skip


@pytest.fixture
def receiver():
    got = []

    class Hook(http.server.BaseHTTPRequestHandler):
        answer = 200

        def do_POST(self):
            got.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(Hook.answer)
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got, Hook
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_webhook_is_signed(receiver):
    url, got, _ = receiver
    await it.webhook(url + "/hook", b"key")(MESSAGE)
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


async def test_a_real_alertmanager_takes_an_alert_and_its_end(tmp_path):
    program = shutil.which("prometheus-alertmanager")
    if program is None:
        pytest.skip("no Alertmanager here (Debian: apt install prometheus-alertmanager)")
    config = tmp_path / "am.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    (port,) = ports.free(1)
    process = subprocess.Popen(
        [
            program, f"--config.file={config}", f"--storage.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def active():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/alerts", timeout=5) as answer:
            return [(a["labels"]["alertname"], a["annotations"]["rule"]) for a in json.load(answer)]

    try:
        send, now = it.alertmanager(f"http://127.0.0.1:{port}"), time.time_ns()
        for _ in range(100):
            try:
                await send({**MESSAGE, "since": now})
                break
            except NotTaken:
                time.sleep(0.1)
        assert active() == [("slow_tick", "a.rules:3")]
        await send({**MESSAGE, "since": now, "state": "resolved", "at": time.time_ns()})
        for _ in range(50):
            if not active():
                break
            time.sleep(0.1)
        assert active() == []
    finally:
        process.kill()
        process.wait()


class Mailbox(socketserver.StreamRequestHandler):
    """A small SMTP server (RFC 5321): takes one letter."""

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                letter = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    letter += part
                self.server.letters.append(letter)
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")


async def test_a_mail_server_takes_a_letter():
    with socketserver.TCPServer(("127.0.0.1", 0), Mailbox) as server:
        server.letters = []
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        await it.mail(f"smtp://127.0.0.1:{server.server_address[1]}", "node@example.org", "desk@example.org")(MESSAGE)
        thread.join()
    assert b"Subject: [critical] slow_tick firing on n1" in server.letters[0]
    assert b"rule: a.rules:3" in server.letters[0]


async def test_no_mail_server():
    with pytest.raises(NotTaken):
        await it.mail("smtp://127.0.0.1:9", "a@example.org", "b@example.org")(MESSAGE)


def program(tmp_path, text):
    path = tmp_path / "act"
    path.write_text(f"#!{sys.executable}\nimport json, os, sys\n{text}\n")
    path.chmod(0o755)
    return str(path)


async def test_a_command_gets_the_message_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "s")
    out = tmp_path / "out"
    await it.command(program(tmp_path, f"json.dump([json.load(sys.stdin), dict(os.environ), os.getcwd()], open({str(out)!r}, 'w'))"))(MESSAGE)
    message, environment, folder = json.loads(out.read_text())
    assert message == MESSAGE
    assert "SECRET" not in environment
    assert folder == "/"


@pytest.mark.parametrize(("text", "said"), [("sys.exit('no bread')", "exit code 1: no bread"), ("x = bytearray(2 << 30)", "MemoryError")])
async def test_a_command_that_fails_says_so(tmp_path, text, said):
    with pytest.raises(NotTaken, match=said):
        await it.command(program(tmp_path, text))(MESSAGE)


async def test_a_command_that_hangs_is_ended_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(it, "COMMAND_S", 1.0)
    mark = f"noderrd-test-{time.time_ns()}"
    with pytest.raises(NotTaken, match="not done"):
        await it.command(program(tmp_path, f"import subprocess; subprocess.run(['sh', '-c', 'sleep 60; : {mark}'])"))(MESSAGE)
    assert mark not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


async def test_no_such_command():
    with pytest.raises(NotTaken, match="No such file"):
        await it.command("/nowhere/act")(MESSAGE)
