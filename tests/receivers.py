"""What alerts are sent to, for real, on loopback: a web server, a mail server, an Alertmanager, a program."""

import contextlib
import http.server
import importlib.util
import json
import shutil
import socketserver
import subprocess
import sys
import threading
import urllib.parse
import urllib.request

import pytest

from noderrd.rig import ports


@contextlib.contextmanager
def web():
    """Give a web server's address, what it got ((path, headers, body) each), and its handler, whose `answer` is the code that it answers with."""
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

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server, serving(server):
        yield f"http://127.0.0.1:{server.server_port}", got, Hook


@contextlib.contextmanager
def serving(server):
    """Serve in a thread."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield
    server.shutdown()
    thread.join()


class Mailbox(socketserver.StreamRequestHandler):
    """A small SMTP server (RFC 5321)."""

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


@contextlib.contextmanager
def mail():
    """Give a mail server's host:port, and the letters that it took."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server, serving(server):
        server.letters = []
        yield f"127.0.0.1:{server.server_address[1]}", server.letters


@contextlib.contextmanager
def smtpd(folder):
    """Give the host:port of Python's own SMTP server (up to 3.11), as a process, and a function that gives what it has taken."""
    if importlib.util.find_spec("smtpd") is None:
        pytest.skip("no SMTP server in this Python (it was taken out of 3.12)")
    (port,) = ports.free(1)
    command = [sys.executable, "-u", "-W", "ignore", "-m", "smtpd", "-n", "-c", "DebuggingServer", f"127.0.0.1:{port}"]
    with (folder / "letters").open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield f"127.0.0.1:{port}", (folder / "letters").read_text
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def alertmanager(folder, resolve_timeout="5m"):
    """Give the address of a real Alertmanager, and a function that asks it which alerts are active. What it is not told again ends by itself."""
    program = shutil.which("prometheus-alertmanager")
    if program is None:
        pytest.skip("no Alertmanager here (Debian: apt install prometheus-alertmanager)")
    config = folder / "am.yml"
    config.write_text(f"global: {{resolve_timeout: {resolve_timeout}}}\nroute: {{receiver: none}}\nreceivers: [{{name: none}}]\n")
    (port,) = ports.free(1)
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            program, f"--config.file={config}", f"--storage.path={folder / 'am'}", f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def active():
        with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=5) as answer:
            return json.load(answer)

    try:
        yield url, active
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def prometheus(folder, rules, port, scrape="1s"):
    """Give a function that puts a query to a real Prometheus, which scrapes a port of this host and goes by `rules`; [] while it has no answer."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no Prometheus here (Debian: apt install prometheus)")
    config, (own,) = folder / "prometheus.yml", ports.free(1)
    config.write_text(
        f"global: {{scrape_interval: {scrape}, scrape_timeout: {scrape}, evaluation_interval: 1s}}\nrule_files: ['{rules}']\n"
        f"scrape_configs: [{{job_name: noderrd, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
    )
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{own}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(query):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{own}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=5) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:
            return []

    try:
        yield ask
    finally:
        process.kill()
        process.wait()


def program(folder, text):
    """Write a program; gives its path."""
    path = folder / "act"
    path.write_text(f"#!{sys.executable}\nimport json, os, sys\n{text}\n")
    path.chmod(0o755)
    return str(path)
