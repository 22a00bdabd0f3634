"""`why`, `tail` and `export` on a journal with one order that lived and one that was denied."""

import json
import subprocess
import sys

import numpy as np
import pytest
from journal import ring

from core import layout as at
from core.codes import Denial, EventKind, IntentKind, JournalKind, Side
from noderrd.journal.explain import explain

ORDER, DENIED = 0x01_0001_0000_0005, 0x01_0001_0000_0006
SPEC = {
    "venues": [{"name": "NSDQ"}, {"name": "EDGE"}],
    "instruments": [{"symbol": "AAPL", "venue": v, "tick": 100, "unit": 10_000} for v in (0, 1)],
    "strategies": [{"name": "quotes"}],
    "products": ["AAPL"],
    "rules": ["demo.rules:3"],
    "models": [{"name": "alpha", "symbols": []}],
}


def put(shared, kind, data=b"", *, venue=-1, strat=-1, inst=-1, ref=0, size=None):
    control = shared.control[0]
    head = int(control["journal_head"])
    row = shared.journal[head % at.JOURNAL_SLOTS]
    row["seq"], row["ts_ns"], row["kind"], row["venue"], row["strat"], row["inst"], row["ref"] = (
        head + 1,
        10**18 + head,
        kind,
        venue,
        strat,
        inst,
        ref,
    )
    row["size"] = len(data) if size is None else size
    row["data"][: min(len(data), at.JOURNAL_DATA)] = np.frombuffer(data[: at.JOURNAL_DATA], np.uint8)
    control["journal_head"] = head + 1


def words(*values):
    return np.array(values, np.int64).tobytes()


def tick(bid, ask, scores):
    return words(bid, ask) + np.array(scores, np.float32).tobytes() + bytes(20)


def decide(shared, decision, px):
    event, intent = np.zeros(1, at.EVENT), np.zeros(1, at.INTENT)
    event["kind"], event["venue"] = EventKind.BOOK, 1
    intent["kind"], intent["venue"], intent["side"], intent["px"], intent["qty"] = IntentKind.NEW, 1, Side.BUY, px, 100
    put(shared, JournalKind.CALL, event.tobytes() + bytes([0, 1]) + bytes(14), venue=1, strat=0, inst=0, ref=decision)
    for k, floats in enumerate((range(22), range(22, 32))):
        put(shared, JournalKind.FEATURES, np.array(floats, np.float32).tobytes(), venue=k, strat=0, inst=0, ref=decision)
    put(shared, JournalKind.INTENT, intent.tobytes(), venue=1, strat=0, inst=0, ref=decision)


def enter(ref, cl_ord_id):
    head = b"O" + ref.to_bytes(4, "big") + b"B" + (100).to_bytes(4, "big") + b"AAPL    " + (1_900_000).to_bytes(8, "big")
    return head + b"0YPNN" + b"%014X" % cl_ord_id + bytes(2)


@pytest.fixture
def folder(tmp_path):
    shared = ring.make(tmp_path / "lane0")
    text = json.dumps({"spec": SPEC, "sha256": {}}).encode()
    for k in range(0, len(text), at.JOURNAL_DATA):
        put(shared, JournalKind.SPEC, text[k : k + at.JOURNAL_DATA], ref=len(text), size=len(text) - k)
    put(shared, JournalKind.TICK, tick(1_899_900, 1_900_200, (0.1, 0.2, 0.7)), venue=1, inst=1, ref=7)
    put(shared, JournalKind.TICK, tick(1, 2, (0, 0, 0)), venue=0, inst=0, ref=9)
    decide(shared, 41, 19_000)
    put(shared, JournalKind.SENT, enter(3, ORDER), venue=1, strat=0, inst=1, ref=ORDER)
    decide(shared, 42, 30_000)
    put(shared, JournalKind.DENIED, words(Denial.PRICE_COLLAR, 50_000, 90_000, 0), venue=1, strat=0, inst=1, ref=DENIED)
    executed = (
        b"E"
        + bytes(8)
        + (3).to_bytes(4, "big")
        + (40).to_bytes(4, "big")
        + (1_900_000).to_bytes(8, "big")
        + b"R"
        + (77).to_bytes(8, "big")
        + bytes(2)
    )
    put(shared, JournalKind.RECEIVED, executed, venue=1, strat=0, inst=1, ref=12)
    put(shared, JournalKind.RECEIVED, executed, venue=0, strat=0, inst=1, ref=12)  # another venue's order 3
    put(shared, JournalKind.SENT, b"X" + (3).to_bytes(4, "big") + bytes(4), venue=1, strat=0, inst=1, ref=ORDER)
    put(shared, JournalKind.SENT, enter(3, 0x99), venue=1, strat=0, inst=1, ref=0x99)  # the next session begins again
    put(shared, JournalKind.RECEIVED, executed, venue=1, strat=0, inst=1, ref=1)
    ring.write_all(shared, tmp_path / "journal", capacity=20)  # the order's story goes over segments
    return tmp_path


def test_order_is_told_from_tick_to_last_message(folder):
    said = explain(folder / "journal", ORDER)
    assert said["cl_ord_id"] == "01000100000005"
    assert (said["tick"]["venue"], said["tick"]["bid"], said["tick"]["ask"], said["tick"]["seq_num"]) == ("EDGE", "189.99", "190.02", 7)
    assert list(said["features"].values()) == [float(k) for k in range(32)]
    assert said["model"]["models"] == ["alpha"]
    assert said["model"]["scores"] == pytest.approx({"down": 0.1, "flat": 0.2, "up": 0.7})
    assert (said["strategy"]["strategy"], said["strategy"]["px"], said["strategy"]["qty"], said["strategy"]["side"]) == ("quotes", "190", 100, "BUY")
    assert said["strategy"]["called"]["event"] == "BOOK"
    assert said["strategy"]["called"]["states"] == {"NSDQ": [], "EDGE": ["STALE"]}
    assert said["risk"]["code"] == "PASS"
    assert [(e["kind"], e["message"]["Message Type" if "Message Type" in e["message"] else "Type"]) for e in said["events"]] == [
        ("SENT", "O"), ("RECEIVED", "E"), ("SENT", "X"),
    ]  # fmt: skip
    assert said["events"][1]["message"]["Quantity"] == 40


def test_denied_order_names_the_rule(folder):
    said = explain(folder / "journal", DENIED)
    assert said["risk"] == {
        "seq": said["risk"]["seq"], "ts_ns": said["risk"]["ts_ns"], "kind": "DENIED", "venue": "EDGE", "symbol": "AAPL", "strategy": "quotes",
        "cl_ord_id": "01000100000006", "code": "PRICE_COLLAR", "limit": 50_000, "value": 90_000, "rule": "demo.rules:3",
    }  # fmt: skip
    assert said["strategy"]["px"] == "300"
    assert said["events"] == []


def test_order_that_is_not_there_gives_nothing(folder):
    assert explain(folder / "journal", 5) == {}


def ctl(*words):
    return subprocess.run([sys.executable, "-P", "-m", "noderrd.ctl.main", *map(str, words)], capture_output=True, text=True, check=False)


def test_commands_work_on_a_stopped_nodes_folder(folder):
    done = ctl("journal", "verify", "--dir", folder, "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 0
    assert (said["ok"], said["torn_tail"], said["first_bad"]) == (True, False, None)
    tail = [json.loads(line) for line in ctl("journal", "tail", "-n", "3", "--dir", folder, "--json").stdout.splitlines()]
    assert [row["kind"] for row in tail] == ["SENT", "SENT", "RECEIVED"]
    assert json.loads(ctl("why", "01000100000005", "--dir", folder, "--json").stdout)["risk"]["code"] == "PASS"
    done = ctl("why", "77", "--dir", folder)
    assert (done.returncode, "holds no order" in done.stderr) == (1, True)
    assert ctl("journal", "export", "--dir", folder).returncode == 64
    assert ctl("journal", "verify", "--dir", folder / "nowhere").returncode == 1


def test_damaged_journal_is_told_with_its_place(folder):
    path = min((folder / "journal").glob("*.journal"))
    raw = bytearray(path.read_bytes())
    raw[500] ^= 1
    path.write_bytes(raw)
    done = ctl("journal", "verify", "--dir", folder, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["first_bad"] == {"segment": path.name, "offset": 448, "reason": "checksum"}


def test_export_has_a_row_a_record(folder):
    pq = pytest.importorskip("pyarrow.parquet")
    done = ctl("journal", "export", "--parquet", folder / "out.parquet", "--dir", folder, "--json")
    table = pq.read_table(folder / "out.parquet").to_pylist()
    assert json.loads(done.stdout)["records"] == len(table)
    sent = [row for row in table if row["kind"] == "SENT"]
    assert [row["cl_ord_id"] for row in sent] == ["01000100000005", "01000100000005", "00000000000099"]
    assert json.loads(sent[0]["detail"])["message"]["Symbol"] == "AAPL"
