"""Versions of the policy on disk: what each holds, what a start takes, and what a crash in the middle leaves."""

import json

import pytest

from noderrd.control.policy import NoVersion, Versions, from_disk

ONE, TWO = "venue NSDQ {\n  cap  60%\n}\n", "venue NSDQ {\n  cap  50%\n}\n"


@pytest.fixture
def paths(tmp_path):
    folder = tmp_path / "rules.d"
    folder.mkdir()
    (folder / "a.rules").write_text(ONE)
    return [folder]


@pytest.fixture
def versions(tmp_path):
    return Versions(tmp_path / "kept", lambda: 5)


def cap(loaded):
    return str(loaded.policy.venues[0].cap)


def start(versions, paths):
    """Put into force what a start takes, as the node does."""
    loaded = versions.at_start(paths)
    versions.put(loaded, "start", from_disk(paths).sha256)
    return cap(loaded)


def other(tmp_path, text=TWO):
    path = tmp_path / "other.rules"
    path.write_text(text)
    return from_disk([path])


def test_a_version_keeps_its_texts_and_includes(versions, tmp_path):
    (tmp_path / "main.rules").write_text('include "part*"\n')
    part = tmp_path / "part.rules"
    part.write_text(ONE)
    loaded = from_disk([tmp_path / "main.rules"])
    version = versions.put(loaded, "me", "disk")
    part.unlink()
    again = versions.get(version.version).load()
    assert (cap(again), again.sha256) == ("0.6", loaded.sha256)
    assert [(v.version, v.who, v.at) for v in versions.history()] == [(1, "me", 5)]


def test_a_start_takes_the_configured_files(versions, paths):
    assert start(versions, paths) == "0.6"
    (paths[0] / "a.rules").write_text(TWO)
    assert start(versions, paths) == "0.5"
    assert [v.version for v in versions.history()] == [1, 2]
    assert start(versions, paths) == "0.5"
    assert [v.version for v in versions.history()] == [1, 2]  # the same again is the same version


def test_what_was_applied_from_elsewhere_stays_while_the_files_do(versions, paths, tmp_path):
    start(versions, paths)
    versions.put(other(tmp_path), "me", from_disk(paths).sha256)
    assert start(versions, paths) == "0.5"
    (paths[0] / "a.rules").write_text(ONE + "# edited\n")
    assert start(versions, paths) == "0.6"


def test_a_trial_that_nobody_confirmed_is_over_at_a_start(versions, paths, tmp_path):
    start(versions, paths)
    (paths[0] / "a.rules").write_text(TWO)
    versions.put(from_disk(paths), "me", from_disk(paths).sha256, back_to=1, until_ns=10)
    assert start(versions, paths) == "0.6"


def test_a_confirmed_trial_stays(versions, paths):
    start(versions, paths)
    (paths[0] / "a.rules").write_text(TWO)
    versions.put(from_disk(paths), "me", from_disk(paths).sha256, back_to=1, until_ns=10)
    versions.confirm()
    assert start(versions, paths) == "0.5"
    with pytest.raises(NoVersion):
        versions.confirm()


def test_a_line_cut_short_by_a_crash_is_no_version(versions, paths, tmp_path):
    start(versions, paths)
    with (tmp_path / "kept" / "versions.jsonl").open("a") as file:
        file.write('{"version": 2, "sha2')
    assert [v.version for v in versions.history()] == [1]
    versions.put(other(tmp_path), "me", "disk")
    assert [v.version for v in versions.history()] == [1, 2]
    assert json.loads((tmp_path / "kept" / "2.json").read_text())["files"]


def test_what_is_missing_is_an_error_here(tmp_path):
    loaded = other(tmp_path, 'strategy s {\n  file     "nowhere.py"\n  symbols  GOOG\n}\n')
    assert loaded.policy is None
    assert [d.code for d in loaded.errors()] == ["file"]


def test_a_version_that_is_not_there(versions):
    with pytest.raises(NoVersion, match="no version 7"):
        versions.get(7)
