"""A daemon that is only its socket: gives made-up answers to real `noderrctl` processes, and remembers what it was asked."""

import json
import os
import socket
import subprocess
import sys
import threading

CIRCUITS = [
    {"part": "venue EDGE", "state": "open", "since": 1_800_000_000_000_000_000, "until": 1_800_000_060_000_000_000, "alert": "busy",
     "why": "20 against 10", "closed_by": ""},
]  # fmt: skip
STATUS = {
    "version": "0.1", "name": "test", "state": "ready", "mode": "armed", "policy": 3,
    "paths": {"state": "/s", "logs": "/s/logs", "journal": "/s/journal"},
    "processes": [{"name": "lane0", "pid": 7, "state": "ready", "restarts": 1}],
    "venues": [{
        "name": "NSDQ", "mode": "armed", "armed_until": 0,
        "feed": {"session": "S", "next_seq_num": 11, "state": [], "phase": "START_OF_MARKET_HOURS"},
        "orders": {"session": "S", "next_seq_num": 5, "logged_in": True, "state": "UP"},
        "probe": {"tcp_ns": 120_400, "tls_ns": None, "ping_ns": None, "failed": {"ping": "timed out"}},
    }],
    "halts": [{"scope": "symbol MSFT", "reason": "OPERATOR"}],
    "circuits": CIRCUITS,
    "clock": {"source": "chrony", "synchronised": True, "offset_ns": -1_200, "error_ns": 84_000},
    "host": [
        {"lane": "lane0", "cores": "1", "locked_kib": 204_800, "huge_kib": 4096, "policy": "bind:0", "nodes": {"0": 7}}, {"lane": "lane1"},
        {"lane": "lane2", "cores": "0-1", "locked_kib": 0},
    ],
}  # fmt: skip
ANSWERS = {
    "circuits": {"circuits": CIRCUITS},
    "close": {"ok": True, "acted": 1, "failed": 0, "circuits": [{**CIRCUITS[0], "state": "closed", "until": 0, "closed_by": "ann", "why": "seen"}]},
    "status": STATUS,
    "venues": {"venues": [
        {"venue": "NSDQ", "value": 0.8123, "parts": {"latency": 1.0, "cost": 1.0, "liquidity": 0.4, "reliability": 0.9},
         "weights": {"latency": 0.4, "cost": 0.2, "liquidity": 0.3, "reliability": 0.1}, "distance_ns": 250_000, "lost": 0.05},
        {"venue": "EDGE", "value": None, "parts": {"latency": None, "cost": 1.0, "liquidity": None, "reliability": 0.0},
         "weights": {"latency": 1.0, "cost": 0.0, "liquidity": 0.0, "reliability": 0.0}, "distance_ns": None, "lost": None},
    ]},
    "books": {"books": [
        {"venue": "NSDQ", "symbol": "AAPL", "state": [], "seq_num": 9,
         "bids": [["190.0000", 100, 2], ["189.9900", 50, 1]], "asks": [["190.0100", 70, 1]]},
    ]},
    "positions": {"positions": [
        {"venue": "NSDQ", "symbol": "AAPL", "strategy": "quotes", "position": -100, "avg_px": "190.000000", "realised": "1.5000",
         "unrealised": "-0.2500", "fees": "0.3000", "bought": 0, "sold": 100, "fills": 1, "currency": "USD"},
    ]},
    "orders": {"orders": [
        {"cl_ord_id": "0000000000000A", "user_ref_num": 1, "venue": "NSDQ", "symbol": "AAPL", "strategy": "quotes", "side": "Buy", "px": "190.0000",
         "order_qty": 100, "cum_qty": 0, "leaves_qty": 100, "ord_status": "NEW", "at": 1},
        {"cl_ord_id": "0000000000000B", "user_ref_num": 0, "venue": "NSDQ", "symbol": "AAPL", "strategy": "quotes", "side": "Sell", "px": "190.0000",
         "order_qty": 900, "cum_qty": 0, "leaves_qty": 0, "ord_status": "DENIED", "at": 2,
         "denial": {"code": "MAX_POSITION", "limit": 300, "value": 900, "rule": "tight.rules:2"}},
    ]},
    "latency": {"tick_to_trade": {"n": 3, "p50": 900, "p90": 1000, "p99": 1100, "p999": 1100, "max": 1100}},
    "counters": {"counters": {"messages": 12}},
    "reconcile": {"differences": []},
    "drill": {"checks": [{"name": "kill", "ok": True, "open_before": 4, "open_after": 0, "ns": 2_000_000, "why": ""}]},
}  # fmt: skip


class Daemon:
    """Answers until closed. `answers`: verb to answer, to (error, code), or to None: it breaks off; an unknown verb is acted on."""

    def __init__(self, path, answers):
        self.path, self.answers, self.asked = path, dict(ANSWERS) | answers, []
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._line.bind(str(path))
        self._line.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                line, _ = self._line.accept()
            except OSError:
                return
            with line, line.makefile("rwb") as talk:
                for said in talk:
                    asked = json.loads(said)
                    self.asked.append(asked)
                    answer = self.answers.get(asked["do"], {"acted": 2, "failed": 0})
                    if answer is None:
                        break
                    if isinstance(answer, tuple):
                        answer = {"ok": False, "error": answer[0], "code": answer[1]}
                    talk.write(json.dumps({"ok": True, **answer}).encode() + b"\n")
                    talk.flush()

    def close(self):
        """Stop answering."""
        self._line.shutdown(socket.SHUT_RDWR)
        self._line.close()
        self._thread.join(5)


def ctl(*arguments, stdin="", **environment):
    """Run `noderrctl` as a user does."""
    command = [sys.executable, "-P", "-m", "noderrd.ctl.main", *map(str, arguments)]
    kept = {k: v for k, v in os.environ.items() if k != "NODERRD_SOCKET"}
    return subprocess.run(command, capture_output=True, text=True, input=stdin, check=False, timeout=60, env={**kept, **environment})
