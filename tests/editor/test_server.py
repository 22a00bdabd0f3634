"""The language server driven as an editor drives it: a process, JSON-RPC with Content-Length over its stdin and stdout."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("pygls", reason="the language server is the extra `editor`")

TEXT = """\
let fast = 50us

notify ops {
  webhook  "http://localhost:1/hook"
}

alert slow critical {
  when  p99(tick_to_trade) over 10s > fast for 5s
  do    log, webhook(ops)
}
"""


class Editor:
    """A client; `notes` are the notifications that came."""

    def __init__(self, folder):
        self.folder, self._id, self.notes = folder, 0, []
        command = [sys.executable, "-P", "-m", "noderrd.ctl.main", "rules", "lsp"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.capabilities = self.ask("initialize", processId=None, rootUri=folder.as_uri(), capabilities={})["capabilities"]
        self.tell("initialized")

    def _send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _receive(self):
        size = 0
        while (line := self.process.stdout.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        return json.loads(self.process.stdout.read(size))

    def tell(self, method, **params):
        self._send({"method": method, "params": params})

    def ask(self, method, **params):
        self._id += 1
        self._send({"id": self._id, "method": method, "params": params})
        while (answer := self._receive()).get("id") != self._id or "method" in answer:
            self.notes.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def uri(self, name):
        return (self.folder / name).as_uri()

    def open(self, name, text):
        """Open a document; gives its diagnostics."""
        self.notes.clear()
        document = {"uri": self.uri(name), "languageId": "noderrd-rules", "version": 1, "text": text}
        self.tell("textDocument/didOpen", textDocument=document)
        return self.diagnostics(name)

    def change(self, name, text, version=2):
        self.notes.clear()
        self.tell("textDocument/didChange", textDocument={"uri": self.uri(name), "version": version}, contentChanges=[{"text": text}])
        return self.diagnostics(name)

    def diagnostics(self, name):
        while True:
            for note in self.notes:
                if note.get("method") == "textDocument/publishDiagnostics" and note["params"]["uri"] == self.uri(name):
                    return note["params"]["diagnostics"]
            self.notes.append(self._receive())

    def at(self, method, name, text, part, after=0):
        """Ask about the place of `part` in a text."""
        offset = text.index(part) + after
        line = text.count("\n", 0, offset)
        column = text[text.rfind("\n", 0, offset) + 1 : offset]
        position = {"line": line, "character": len(column.encode("utf-16-le")) // 2}
        return self.ask(f"textDocument/{method}", textDocument={"uri": self.uri(name)}, position=position)

    def close(self):
        with self.process:  # closes the pipes, also where this fails
            self.ask("shutdown")
            self.tell("exit")
            assert self.process.wait(10) == 0


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    it = Editor(tmp_path_factory.mktemp("rules"))
    yield it
    it.close()


def labels(answer):
    return [item["label"] for item in answer["items"]]


def test_it_says_what_it_can(editor):
    can = editor.capabilities
    assert all(can[name] for name in ("completionProvider", "hoverProvider", "definitionProvider", "documentFormattingProvider", "textDocumentSync"))


def test_diagnostics_come_and_go(editor):
    assert editor.open("a.rules", TEXT) == []
    wrong = editor.change("a.rules", TEXT.replace("tick_to_trade", "tick_to_trad"))
    assert [(d["severity"], d["code"], d["range"]["start"], d["range"]["end"]) for d in wrong] == [
        (1, "name", {"line": 7, "character": 12}, {"line": 7, "character": 24})
    ]
    assert "did you mean 'tick_to_trade'?" in wrong[0]["message"]
    assert editor.change("a.rules", TEXT, 3) == []


def test_a_warning_is_one(editor):
    found = editor.open("b.rules", 'strategy s {\n  file     "nowhere.py"\n  symbols  GOOG\n}\n')
    assert [(d["severity"], d["code"]) for d in found] == [(2, "file")]


def test_columns_count_utf16(editor):
    text = 'notify a {\n  webhook  "http://localhost:1/\U0001f600"  # \U0001f600\n}\n'
    found = editor.open("c.rules", text)
    assert found[0]["range"]["end"]["character"] == len('  webhook  "http://localhost:1/\U0001f600"'.encode("utf-16-le")) // 2


def test_files_of_a_folder_are_one_policy(editor):
    folder = editor.folder / "rules.d"
    folder.mkdir()
    (folder / "10.rules").write_text("let loss = 5 USD\n")
    text = "risk default {\n  max_daily_loss  loss\n}\n"
    (folder / "20.rules").write_text(text)
    assert editor.open("rules.d/20.rules", text) == []
    found = editor.at("definition", "rules.d/20.rules", text, "loss\n")
    assert found["uri"].endswith("/rules.d/10.rules")
    assert found["range"]["start"] == {"line": 0, "character": 4}


@pytest.mark.parametrize(
    ("text", "part", "expected", "absent"),
    [
        ("al", "al", ["alert"], ["venue"]),
        ("risk ", " ", ["default", "symbol", "venue", "strategy"], []),
        ("alert a c", " c", ["critical"], ["info"]),
        ("alert a info {\n  wh", "wh", ["when"], ["do"]),
        ("alert a info {\n  when  tick", "  tick", ["tick_to_trade"], ["spread"]),
        ("let quick = 5us\nalert a info {\n  when  ack > qu", "> qu", ["quick"], []),
        ("alert a info {\n  when  book[", "book[", ["symbol", "venue"], ["line"]),
        ("alert a info {\n  when  book is st", "is st", ["stale"], ["starting"]),
        ("notify ops {\n}\nalert a info {\n  do  webhook(", "webhook(", ["ops"], ["log"]),
        ("alert a info {\n  do  log, circ", ", circ", ["circuit_break"], ["log"]),
        ("model m {\n  features  imbalance, micro", "micro", ["microprice"], ["imbalance"]),
        ("blackout b {\n  Mon 09:30-16:00 Europe/Zu", "Europe/Zu", ["Europe/Zurich"], ["Europe/Paris"]),
        ("risk default {\n  max_position  10 sh", "10 sh", ["shares"], ["USD"]),
        ("chaos c {\n  inject  network.d", "network.d", ["network.delay", "network.duplicate"], ["network.loss"]),
        ("venue V {\n  weight  la", "la", ["latency"], ["cost"]),
    ],
)
def test_completion(editor, text, part, expected, absent):
    name = f"complete{abs(hash(text))}.rules"
    editor.open(name, text)
    found = labels(editor.at("completion", name, text, part, len(part)))
    assert set(expected) <= set(found)
    assert not set(absent) & set(found)


def test_fields_that_a_block_has_are_not_offered_again(editor):
    text = "alert a info {\n  when  ack > 5us\n  "
    editor.open("fields.rules", text)
    found = labels(editor.at("completion", "fields.rules", text, "5us\n  ", len("5us\n  ")))
    assert "do" in found
    assert "when" not in found


def test_hover_tells_from_the_catalogue(editor):
    editor.open("hover.rules", TEXT)
    assert "receive time of a datagram" in editor.at("hover", "hover.rules", TEXT, "tick_to_trade")["contents"]["value"]
    assert "99 %" in editor.at("hover", "hover.rules", TEXT, "p99")["contents"]["value"]
    assert "fires when this holds" in editor.at("hover", "hover.rules", TEXT, "when")["contents"]["value"]
    assert "a condition that is watched" in editor.at("hover", "hover.rules", TEXT, "alert")["contents"]["value"]
    assert editor.at("hover", "hover.rules", TEXT, "5s") is None


def test_definition(editor):
    editor.open("definition.rules", TEXT)
    assert editor.at("definition", "definition.rules", TEXT, "fast for")["range"]["start"] == {"line": 0, "character": 4}
    assert editor.at("definition", "definition.rules", TEXT, "ops)")["range"]["start"] == {"line": 2, "character": 7}
    assert editor.at("definition", "definition.rules", TEXT, "log,") is None


def test_formatting(editor):
    editor.open("format.rules", "let a=5 ms  # why")
    edits = editor.ask("textDocument/formatting", textDocument={"uri": editor.uri("format.rules")}, options={"tabSize": 2, "insertSpaces": True})
    assert [edit["newText"] for edit in edits] == ["let a = 5ms  # why\n"]
    editor.change("format.rules", "let a =")
    assert (
        editor.ask("textDocument/formatting", textDocument={"uri": editor.uri("format.rules")}, options={"tabSize": 2, "insertSpaces": True}) is None
    )


def test_scenarios_have_words_of_their_own(editor):
    text = "scen"
    editor.open("a.scenario", text)
    assert labels(editor.at("completion", "a.scenario", text, "scen", 4)) == ["scenario"]
    wrong = editor.change("a.scenario", 'scenario a {\n  policy "p"\n  given sprad = 5 ticks\n}\n')
    assert "did you mean 'spread'?" in wrong[0]["message"]
