"""Includes: read once, where they stand; circles, depth and number bounded."""

from policies import load

LET = "let a = 5ms\n"


def said(files, *paths):
    return [(str(d.span), d.severity, d.message) for d in load(files, *paths)[1]]


def test_constants_and_blocks_of_included_files_count():
    files = {
        "main": 'include "parts/*"\nrisk default {\n  max_daily_loss  loss\n}\n',
        "parts/a": "let loss = 5 USD\n",
        "parts/b": "venue NSDQ {\n  cap  60%\n}\n",
    }
    policy, diagnostics, sources = load(files)
    assert diagnostics == []
    assert policy.files == tuple(sources) == ("main", "parts/a", "parts/b")
    assert policy.venues[0].span.file == "parts/b"


def test_a_file_included_twice_is_read_once():
    assert said({"main": 'include "a"\ninclude "b"\n', "a": 'include "b"\n', "b": LET}) == []


def test_a_circle_is_told_with_its_files():
    files = {"a": 'include "b"\n', "b": 'include "c"\n', "c": 'include "a"\n'}
    assert said(files) == [("c:1:9", "error", "files include one another in a circle: a -> b -> c -> a")]
    assert said({"a": 'include "a"\n'}) == [("a:1:9", "error", "files include one another in a circle: a -> a")]


def test_what_is_missing():
    assert said({"a": 'include "b"\n'}) == [("a:1:9", "error", "no file is called b")]
    assert said({"a": 'include "b/*"\n'}) == [("a:1:9", "warning", "no file matches b/*")]
    assert said({"a": ""}, "b") == [("b:1:1", "error", "cannot read b: No such file or directory")]


def test_depth_and_number_are_bounded():
    deep = {f"f{k}": f'include "f{k + 1}"\n' for k in range(20)} | {"f20": LET}
    assert said(deep) == [("f7:1:9", "error", "includes nested deeper than 8")]
    many = {"main": 'include "part*"\n'} | {f"part{k:03d}": "" for k in range(300)}
    assert said(many)[0] == ("main:1:9", "error", "more than 256 files")


def test_the_first_declaration_is_named_with_its_file():
    _, diagnostics, _ = load({"a": LET, "b": LET}, "a", "b")
    assert [(str(d.span), d.hint) for d in diagnostics] == [("b:1:5", "first at a:1:5")]


def test_bytes_that_are_not_utf8_have_a_place():
    assert said({"a": b"let a = 5ms\nlet \xff = 5ms\n"})[0] == ("a:2:5", "error", "this is not UTF-8: byte 0xFF")
