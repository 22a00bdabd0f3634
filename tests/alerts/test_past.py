"""What has become of alerts is kept in bounds, over restarts, and as far as a crash left it."""

from noderrd.alerts import past as it


def lines(first, n):
    return [{"alert": "a", "state": "firing", "since": k, "pad": "x" * 200} for k in range(first, first + n)]


def test_it_outlives_a_restart(tmp_path):
    it.Past(tmp_path).add(lines(0, 3))
    again = it.Past(tmp_path)
    again.add(lines(3, 2))
    assert [line["since"] for line in it.Past(tmp_path).lines()] == [0, 1, 2, 3, 4]


def test_memory_and_disk_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(it, "FILE_MAX", 100_000)
    kept = it.Past(tmp_path)
    for k in range(300):
        kept.add(lines(10 * k, 10))
    assert [line["since"] for line in kept.lines()] == list(range(2_000, 3_000))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 * 100_000 + 5_000
    found = [line["since"] for path in it.files(tmp_path) for line in it.read(path)]
    assert found == list(range(found[0], 3_000))
    assert len(found) >= 300
    assert it.Past(tmp_path).lines() == [line for path in it.files(tmp_path) for line in it.read(path)][-it.KEPT :]


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path):
    it.Past(tmp_path).add(lines(0, 2))
    with (tmp_path / it.NAME).open("ab") as file:
        file.write(b'{"alert": "\xff')
    assert len(it.Past(tmp_path).lines()) == 2
