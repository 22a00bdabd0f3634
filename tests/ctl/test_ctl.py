"""noderrctl's exit codes, its objects and its tables, against a socket that answers."""

import json
import subprocess
import sys

import pytest
from ctl.daemon import ANSWERS, STATUS, Daemon, ctl

QUESTIONS = ("status", "venues", "books", "positions", "orders", "latency", "counters", "circuits")
ORDERS = ("halt", "resume", "cancel-all", "flatten", "kill", "release", "pause", "continue", "reload", "stop")


@pytest.fixture
def daemon(tmp_path):
    made = []

    def one(**answers):
        made.append(Daemon(tmp_path / "noderrd.sock", {name.replace("_", "-"): value for name, value in answers.items()}))
        return made[-1]

    yield one
    for it in made:
        it.close()


@pytest.mark.parametrize("verb", [*QUESTIONS, "reconcile", "halt", "logs"])
def test_without_a_daemon_it_says_so(tmp_path, verb):
    done = ctl("--socket", tmp_path / "nobody", verb)
    assert done.returncode == 69
    assert done.stdout == ""
    assert str(tmp_path / "nobody") in done.stderr
    assert "is noderrd running?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [("status", "--no-such-flag"), ("nonsense",), ("halt", "--symbol", "A", "--venue", "B"), ("arm",), ()])
def test_bad_usage_is_64(words):
    done = ctl(*words)
    assert done.returncode == 64
    assert "Traceback" not in done.stderr


def test_the_socket_comes_from_the_flag_then_the_environment(daemon, tmp_path):
    it = daemon()
    assert ctl("status", "--json", NODERRD_SOCKET=str(it.path)).returncode == 0
    assert ctl("status", "--json", "--socket", tmp_path / "nobody", NODERRD_SOCKET=str(it.path)).returncode == 69
    assert ctl("--json", "--socket", it.path, "status").returncode == 0


@pytest.mark.parametrize("verb", QUESTIONS)
def test_json_is_the_answer_as_one_object(daemon, verb):
    done = ctl(verb, "--json", "--socket", daemon().path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == ANSWERS[verb]


def test_an_empty_answer_is_an_empty_list(daemon):
    done = ctl("orders", "--json", "--socket", daemon(orders={"orders": []}).path)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"orders": []})


TABLES = {
    "status": [
        "test: ready, armed (noderrd 0.1, policy 3, state in /s)",
        "lane0      7  ready         1",
        "symbol MSFT  OPERATOR",
        "lane0: on cores 1, 200 MiB locked, 4 MiB on huge pages, state on node 0: 7 pages (bind:0)",
        "lane1: not running",
        "NSDQ is away: tcp 120 us, ping failed (timed out)",
        "lane2: on cores 0-1, memory not locked",
        "clock: kept (chrony), off by -1.2 us as estimated, by 84.0 us at most",
        "venue EDGE  open   busy   20 against 10",
    ],
    "circuits": ["venue EDGE  open   2027-01-15 08:00:00.000  2027-01-15 08:01:00.000  busy   20 against 10"],
    "venues": ["NSDQ   0.812  1.000 x 0.4  1.000 x 0.2  0.400 x 0.3  0.900 x 0.1  250 us  5.0%", "EDGE   -      - x 1"],
    "books": ["NSDQ AAPL  LIVE  at message 9", "     2  100  190.0000  190.0100   70       1", "     1   50  189.9900"],
    "positions": ["quotes    AAPL    NSDQ       -100  190.000000    1.5000     -0.2500  0.3000"],
    "orders": ["MAX_POSITION: 900 against 300, tight.rules:2"],
    "latency": ["tick_to_trade  3  900  1000  1100  1100  1100"],
    "counters": ["messages  12"],
}


@pytest.mark.parametrize("verb", TABLES)
def test_tables_for_people(daemon, verb):
    done = ctl(verb, "--socket", daemon().path)
    assert done.returncode == 0
    for line in TABLES[verb]:
        assert line in done.stdout, done.stdout


@pytest.mark.parametrize("verb", ORDERS)
def test_what_is_ordered_tells_what_came_of_it(daemon, verb):
    it = daemon()
    done = ctl(verb, "--json", "--socket", it.path)
    assert json.loads(done.stdout) == {"ok": True, "acted": 2, "failed": 0}
    assert (done.returncode, it.asked) == (0, [{"do": verb}])


def test_a_scope_is_passed_on(daemon):
    it = daemon()
    ctl("flatten", "--symbol", "MSFT", "--socket", it.path)
    ctl("kill", "--strategy", "quotes", "--socket", it.path)
    assert it.asked == [{"do": "flatten", "symbol": "MSFT"}, {"do": "kill", "strategy": "quotes"}]


def test_what_could_not_be_done_is_1(daemon):
    done = ctl("flatten", "--json", "--socket", daemon(flatten={"acted": 1, "failed": 1}).path)
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"ok": False, "acted": 1, "failed": 1}


def test_a_refusal_by_policy_is_77_and_says_why(daemon):
    done = ctl("release", "--json", "--socket", daemon(release=("root killed it", 77)).path)
    assert done.returncode == 77
    assert "root killed it" in done.stderr
    assert json.loads(done.stdout) == {"ok": False, "error": "root killed it"}


def test_arming_wants_a_confirmation(daemon):
    it = daemon(arm={"acted": 1, "failed": 0, "venue": "NSDQ", "until": 5, "confirm": "orders for NSDQ will be sent"})
    done = ctl("arm", "--venue", "NSDQ", "--until", "16:00", "--socket", it.path)
    assert done.returncode == 64
    assert "orders for NSDQ will be sent" in done.stderr
    assert it.asked == [{"do": "arm", "venue": "NSDQ", "until": "16:00"}]
    done = ctl("arm", "--venue", "NSDQ", "--until", "16:00", "--yes", "--socket", it.path)
    assert done.returncode == 0
    assert it.asked[-1] == {"do": "arm", "venue": "NSDQ", "until": "16:00", "confirmed": True}
    assert ctl("disarm", "--socket", it.path).returncode == 0
    assert it.asked[-1] == {"do": "disarm"}


def test_arming_while_killed_is_77_before_anything_is_asked_of_a_person(daemon):
    assert ctl("arm", "--venue", "NSDQ", "--until", "16:00", "--socket", daemon(arm=("killed", 77)).path).returncode == 77


def test_a_drill_wants_a_confirmation_and_fails_when_something_stays_open(daemon):
    it = daemon()
    assert ctl("drill", "--socket", it.path).returncode == 64
    assert it.asked == []
    assert ctl("drill", "--yes", "--socket", it.path).returncode == 0
    it.answers["drill"] = {"checks": [{**ANSWERS["drill"]["checks"][0], "ok": False, "open_after": 1}]}
    assert ctl("drill", "--yes", "--json", "--socket", it.path).returncode == 1


def test_something_to_reconcile_is_2(daemon):
    it = daemon()
    assert ctl("reconcile", "--socket", it.path).returncode == 0
    it.answers["reconcile"] = {"differences": [{"venue": "NSDQ", "symbol": "", "cl_ord_id": "", "what": "refused"}]}
    done = ctl("reconcile", "--json", "--socket", it.path)
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (2, False)


def test_logs_merges_by_time_and_shows_a_traceback(daemon, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.jsonl").write_text('{"timestamp": "2", "process": "a", "level": "info", "event": "second"}\nTraceback (most recent call last):\n')
    (logs / "b.jsonl").write_text('{"timestamp": "1", "process": "b", "level": "info", "event": "first", "n": 3}\n')
    it = daemon(status={**STATUS, "paths": {**STATUS["paths"], "logs": str(logs)}})
    rows = [json.loads(line) for line in ctl("logs", "--json", "--socket", it.path).stdout.splitlines()]
    assert [row["event"] for row in rows] == ["Traceback (most recent call last):", "first", "second"]
    told = ctl("logs", "--process", "b", "--socket", it.path).stdout
    assert told.split() == ["1", "info", "b", "first", "n=3"]


def test_a_daemon_that_breaks_off_is_69(daemon):
    done = ctl("status", "--socket", daemon(status=None).path)
    assert done.returncode == 69
    assert "closed the connection" in done.stderr


HEAVY = """
import sys
import noderrd.ctl.logs, noderrd.ctl.main, noderrd.ctl.order, noderrd.ctl.status
print(sorted({"numba", "onnxruntime", "trio", "numpy"} & set(sys.modules)))
"""


def test_status_loads_nothing_heavy():
    assert subprocess.run([sys.executable, "-P", "-c", HEAVY], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_close_says_what_and_why(daemon):
    it = daemon()
    done = ctl("close", "venue EDGE", "--reason", "seen", "--json", "--socket", it.path)
    assert (done.returncode, json.loads(done.stdout)["circuits"][0]["state"]) == (0, "closed")
    assert ctl("close", "venue EDGE", "--socket", it.path).returncode == 64, "not without a reason"
