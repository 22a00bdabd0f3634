"""Lines of a log: no secret in them, not too many of a kind, and a priority where the systemd journal reads."""

import json
import os
import subprocess
import sys

import pytest
import structlog

from noderrd import logs
from noderrd.alerts import targets
from noderrd.alerts.outbox import NotTaken

PLANTED = ("hunter2", "t0ken", "s3cret", "quiet-word")


def test_planted_secrets_are_not_in_the_log():
    code = (
        "from noderrd import logs\nlog = logs.get('x')\n"
        "log.info('login', user='TEST', password='hunter2', venue_password='hunter2')\n"
        "log.error('not taken', reason='ConnectError: https://ops:s3cret@a.example/hook?key=t0ken refused', Token='t0ken')\n"
        "try:\n  raise ValueError('https://ops:s3cret@a.example/?a=t0ken')\n"
        "except ValueError:\n  log.exception('odd', hmac_secret='quiet-word')\n"
    )
    said = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stderr
    assert [word for word in PLANTED if word in said] == []
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["event"] for line in lines] == ["login", "not taken", "odd"]
    assert lines[1]["reason"] == "ConnectError: https://a.example/hook?[hidden] refused"
    assert lines[0]["user"] == "TEST"


async def test_a_target_that_is_away_is_told_of_without_its_secret():
    with pytest.raises(NotTaken) as told:
        await targets.webhook("http://ops:s3cret@127.0.0.1:1/hook?key=t0ken", lambda: "quiet-word")({"alert": "a"})
    assert [word for word in PLANTED if word in str(told.value)] == []


def test_what_comes_too_often_is_counted_and_told():
    now = [0.0]
    limit, written = logs.Limit(lambda: now[0]), []
    for k in range(3 * logs.BURST):
        try:
            written.append(limit(None, "warning", {"event": "again", "k": k}))
        except structlog.DropEvent:
            continue
    assert len(written) == logs.BURST
    limit(None, "warning", {"event": "another"})
    now[0] = logs.PERIOD_S
    assert limit(None, "warning", {"event": "again"}) == {"event": "again", "suppressed": 2 * logs.BURST}
    assert limit(None, "warning", {"event": "again"}) == {"event": "again"}


def test_kinds_of_events_that_are_told_apart_are_bounded():
    limit = logs.Limit(lambda: 0.0)
    for k in range(3 * logs.KINDS):
        limit(None, "info", {"event": str(k)})
    assert len(limit._seen) == logs.KINDS


def test_the_journal_gets_priorities_and_nobody_else():
    code = "import os\nit = os.fstat(2)\nos.environ['JOURNAL_STREAM'] = f'{it.st_dev}:{it.st_ino + WRONG}'\n"
    code += "from noderrd import logs\nlog = logs.get('x')\nlog.info('a')\nlog.warning('b')\nlog.error('c')\nlog.critical('d')\n"
    right, wrong = (
        subprocess.run([sys.executable, "-P", "-c", code.replace("WRONG", n)], capture_output=True, text=True, check=True).stderr.splitlines()
        for n in ("0", "1")
    )
    assert [line[:3] for line in right] == ["<6>", "<4>", "<3>", "<2>"]
    assert [json.loads(line[3:])["event"] for line in right] == ["a", "b", "c", "d"]
    assert [line[:1] for line in wrong] == ["{"] * 4
    assert not logs.journal_reads(os.environ, 10_000)
