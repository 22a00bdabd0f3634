"""Whatever the text, the answer is a policy or a list of errors, each at a place in the text: never an exception, never a hang."""

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policies import load, messages

from rules.diagnostic import render
from rules.format import format_text
from rules.parse import parse
from rules.scan import MAX_DIAGNOSTICS
from rules.span import Source

HERE = Path(__file__).parent
CORPUS = [path.read_text() for path in sorted(HERE.glob("*.rules"))]
PIECES = ["{", "}", "(", ")", "[", "]", ",", "=", "-", "/", "%", "\n", '"', "#", "5", "ms", "let ", "when ",
          "for ", "over ", "is ", "risk ", "tier ", "\\",
          "9" * 40, "é", "\u202e", "\0", "\r\n", "Mon", "09:30", "2026-12-25", "Etc/UTC"]  # fmt: skip


def check(content):
    policy, diagnostics, sources = load({"hostile.rules": content})
    assert policy is not None or any(d.severity == "error" for d in diagnostics)
    assert len(diagnostics) <= MAX_DIAGNOSTICS
    for d in diagnostics:
        assert d.span.line >= 1
        assert 1 <= d.span.col <= d.span.end_col
        assert d.span.line <= len(sources["hostile.rules"].starts)
        render(d, sources)


def mutated(rng, text):
    """Cut, double, swap and sprinkle a text."""
    for _ in range(rng.randrange(1, 8)):
        at, more = rng.randrange(len(text) + 1), rng.randrange(60)
        choice = rng.randrange(4)
        if choice == 0:
            text = text[:at] + text[at + more :]
        elif choice == 1:
            text = text[:at] + text[at : at + more] + text[at:]
        elif choice == 2:
            text = text[:at] + rng.choice(PIECES) + text[at:]
        else:
            other = rng.choice(CORPUS)
            begin = rng.randrange(len(other))
            text = text[:at] + other[begin : begin + more] + text[at:]
    return text


@pytest.mark.parametrize("seed", range(20))
def test_mutated_policies(seed):
    rng = random.Random(seed)
    for _ in range(40):
        text = mutated(rng, rng.choice(CORPUS))
        check(text)
        parsed = parse(Source("mutated", text))
        if not parsed.diagnostics:
            once = format_text(parsed)
            again = parse(Source("formatted", once))
            assert again.diagnostics == []
            assert format_text(again) == once
            assert [(t.type, t.value) for t in again.scanned.tokens if t.type != "END"] == [
                (t.type, t.value) for t in parsed.scanned.tokens if t.type != "END"
            ]
            assert [c for _, c in again.scanned.comments] == [c for _, c in parsed.scanned.comments]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*PIECES, " ", "a", "alert a info {\n", "do log\n", "edge > 2 ticks", "venue V {\n"]), max_size=60))
def test_random_pieces(pieces):
    check("".join(pieces))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes(content):
    check(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 64,
        b"\xef\xbb\xbflet a = 5ms\n",
        b"alert a critical { when " + b"(" * 50_000 + b"1",
        b"let a = " + b"9" * 2_000_000,
        b"{" * 100_000,
        b"}" * 100_000,
        b"not " * 50_000,
        b"let a = " + b"-" * 50_000 + b"1",
        b"let a = 1" + b" + 1" * 50_000,
        b"alert a info {\n when " + b"not " * 20_000 + b"edge > 1 ticks\n do log\n}",
        b"let a = 1e999999 USD",
        b'"' * 10_000,
        b"#" * 1_000_000,
        b"venue v {\n" * 20_000,
        b"x\n" * 50_000,
        b"a" * 5_000_000,
    ],
    ids=lambda content: repr(content[:24]),
)
def test_large_and_deep(content):
    began = time.monotonic()
    check(content)
    assert time.monotonic() - began < 30  # a hang, not a figure: the largest takes a second


def test_nothing_of_a_file_too_large_is_read():
    assert messages("a" * 5_000_000) == [(1, "bound", "a file of 5_000_000 bytes: at most 4_194_304 are allowed")]


def test_one_mistake_does_not_hide_the_next():
    text = "venu A {\n  cap 200%\n}\nlet a = 5uz\nalert b info {\n  when edge >\n  do lgo\n}\nblackout c {\n  Mon 09:30-16:00 Nowhere\n}\n"
    assert [(line, code) for line, code, _ in messages(text)] == [(1, "block"), (2, "bound"), (4, "unit"), (6, "syntax"), (7, "name"), (10, "zone")]


RISK = "risk default {\n  max_position  5 shares\n}\n"


@pytest.mark.parametrize(
    "content",
    [
        RISK.encode("utf-8-sig"), RISK.replace("\n", "\r\n").encode(), RISK.replace("  ", "\t").encode(), RISK.rstrip().encode(),
        f"{RISK}  \n \t ".encode(), b" \t", f"{RISK}# the end".encode(),
    ],
    ids=["byte order mark", "CRLF", "tabs", "no last newline", "blanks at the end", "only blanks", "comment at the end"],
)  # fmt: skip
def test_what_editors_leave_in_files_is_no_fault(content):
    policy, diagnostics, _ = load({"a.rules": content})
    assert diagnostics == []
    assert policy is not None


def test_a_byte_order_mark_inside_a_file_is_a_fault():
    assert messages(RISK + "\ufeff" + RISK.replace("default", "symbol GOOG"))[0][:2] == (4, "character")
