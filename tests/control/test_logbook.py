"""The daemon's log is on stderr and in the state folder, once each, and bounded."""

import json
import subprocess
import sys

from noderrd.control import logbook

CODE = """
import sys
from pathlib import Path
from noderrd.control import logbook
log = logbook.open_daemon(Path(sys.argv[1]))
log.info("something", n=3, path=Path("x"))
"""


def test_a_line_is_in_both_places(tmp_path):
    done = subprocess.run([sys.executable, "-P", "-c", CODE, str(tmp_path)], capture_output=True, text=True, check=True)
    (line,) = (tmp_path / "daemon.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert (kept["process"], kept["event"], kept["n"], kept["level"]) == ("daemon", "something", 3, "info")
    assert json.loads(done.stderr)["event"] == "something"


def test_a_line_is_there_once_when_stderr_is_that_file(tmp_path):
    with (tmp_path / "daemon.jsonl").open("ab") as out:
        subprocess.run([sys.executable, "-P", "-c", CODE, str(tmp_path)], stderr=out, check=True)
    assert len((tmp_path / "daemon.jsonl").read_text().splitlines()) == 1


def test_a_log_that_grew_too_long_is_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(logbook, "MOST", 10)
    path = tmp_path / "lane0.jsonl"
    path.write_text("0123456789\n")
    assert logbook.room(path) == path
    assert not path.exists()
    assert (tmp_path / "lane0.old.jsonl").read_text() == "0123456789\n"
    path.write_text("short")
    assert logbook.room(path).exists()
