"""Ways to reach somebody: a webhook, an Alertmanager, a mail server, a command. Each takes a message or raises outbox.NotTaken."""

import ctypes
import hashlib
import hmac
import json
import os
import resource
import signal
import smtplib
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import trio

from noderrd.alerts.outbox import NotTaken, Send
from rules.model import Notify

TIMEOUT_S = 10.0
COMMAND_S = 30.0
MEMORY = 512 << 20
FILES = 64
CPU_S = 10
WRITTEN = 16 << 20  # bytes of a file
PR_SET_NO_NEW_PRIVS = 38  # prctl(2)


def signature(secret: bytes, body: bytes) -> str:
    """Give `sha256=` and the hexadecimal HMAC-SHA256 of a body (RFC 2104), as GitHub's webhooks sign."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def of(notify: Notify, secret: Callable[[str], str]) -> Send:
    """Give the way that a block of the policy names; `secret` gives a credential by its name, or raises OSError or ValueError."""
    if notify.how == "alertmanager":
        return alertmanager(notify.to)
    if notify.how == "mail":
        return mail(f"smtp://{notify.options['via']}", notify.options["from"], notify.to)
    if notify.how == "command":
        return command(notify.to)
    return webhook(notify.to, partial(secret, notify.options["secret"]) if "secret" in notify.options else None)


def webhook(url: str, secret: Callable[[], str] | None = None) -> Send:
    """POST a message as JSON; signed in X-Noderrd-Signature when there is a secret, which is read anew each time. Any 2xx takes it."""

    async def send(message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        headers = {"content-type": "application/json", "user-agent": "noderrd"}
        if secret is not None:
            try:
                key = secret().encode()
            except (OSError, ValueError) as why:
                raise NotTaken(f"no secret to sign with: {why}") from why
            headers["x-noderrd-signature"] = signature(key, body)
        await _post(url, body, headers)

    return send


def alertmanager(url: str) -> Send:
    """POST to an Alertmanager's API v2 (its api/v2/openapi.yaml: postAlerts); `url` is its base address."""

    async def send(message: dict[str, Any]) -> None:
        found = [_posted(one, message.get("group", "")) for one in message.get("alerts", [message])]
        await _post(f"{url.rstrip('/')}/api/v2/alerts", json.dumps(found).encode(), {"content-type": "application/json"})

    return send


def _posted(message: dict[str, Any], group: str) -> dict[str, Any]:
    began = datetime.fromtimestamp(int(message.get("began", message["since"])) / 1e9, UTC)
    alert = {
        "labels": {"alertname": message["alert"], "severity": message["severity"], "node": message["node"]} | ({"group": group} if group else {}),
        "annotations": {name: str(message[name]) for name in ("value", "threshold", "rule")},
        "startsAt": began.isoformat(),
    }
    if message["state"] == "resolved":
        alert["endsAt"] = datetime.fromtimestamp(int(message["at"]) / 1e9, UTC).isoformat()
    return alert


async def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client:
            answer = await client.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as why:
        raise NotTaken(f"{type(why).__name__}: {why}") from why
    if not answer.is_success:
        raise NotTaken(f"HTTP {answer.status_code}")


def mail(server: str, sender: str, to: str) -> Send:
    """Send a message by SMTP; `server` is smtp://host:port."""
    where = urlsplit(server)

    def deliver(message: dict[str, Any]) -> None:
        letter = EmailMessage()
        letter["From"], letter["To"] = sender, to
        letter["Subject"] = f"[{message['severity']}] {message['alert']} {message['state']} on {message['node']}"
        letter["Message-ID"] = f"<{message['id']}@noderrd>"
        parts = ["\n".join(f"{name}: {value}" for name, value in one.items()) for one in message.get("alerts", [message])]
        letter.set_content("\n\n".join(parts))
        with smtplib.SMTP(where.hostname or "localhost", where.port or 25, timeout=TIMEOUT_S) as line:
            line.send_message(letter)

    async def send(message: dict[str, Any]) -> None:
        try:
            await trio.to_thread.run_sync(deliver, message)
        except (OSError, smtplib.SMTPException) as why:
            raise NotTaken(f"{type(why).__name__}: {why}") from why

    return send


def _confine() -> None:
    """Bound what a command may take and become, in the child before it runs: no privileges are gained by what it starts (setuid)."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN, WRITTEN))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def command(path: str) -> Send:
    """Run a program with the message as JSON on its standard input: no shell, an environment of PATH alone, bounded memory, files and time."""

    async def send(message: dict[str, Any]) -> None:
        run = partial(
            trio.run_process, [path], stdin=json.dumps(message).encode(), capture_stdout=True, capture_stderr=True, check=False,
            env={"PATH": "/usr/bin:/bin"}, cwd="/", preexec_fn=_confine, deliver_cancel=_kill_group,
        )  # fmt: skip
        try:
            with trio.fail_after(COMMAND_S):
                done = await run()
        except trio.TooSlowError as why:
            raise NotTaken(f"{path}: not done after {COMMAND_S:.0f} s") from why
        except OSError as why:
            raise NotTaken(f"{path}: {why.strerror}") from why
        if done.returncode != 0:
            raise NotTaken(f"{path}: exit code {done.returncode}: {done.stderr[-200:].decode(errors='replace').strip()}")

    return send


async def _kill_group(process: trio.Process) -> None:
    """End a command and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
