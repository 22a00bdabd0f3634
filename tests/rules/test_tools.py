"""`noderrctl rules` as a user runs it: exit codes, what goes where, and that no file is lost."""

import json
import os
import subprocess
import sys

import pytest
from policies import ctl

GOOD = "let a = 5ms\n\nvenue NSDQ {\n  cap  60%\n}\n"


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.rules"
    path.write_text(GOOD)
    return path


def test_check_tells_errors_on_stderr_with_a_caret(tmp_path):
    path = tmp_path / "a.rules"
    path.write_text("venue NSDQ {\n  cap  160%\n}\n")
    done = ctl("check", path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{path}:2:8: error[bound]: 'cap' must be at least 0% and at most 100%, found 160%",
        "      cap  160%",
        "           ^^^^",
        "1 error",
    ]
    told = json.loads(ctl("check", path, "--json").stdout)
    assert told["ok"] is False
    assert told["diagnostics"] == [
        {
            "file": str(path),
            "line": 2,
            "col": 8,
            "end_col": 12,
            "severity": "error",
            "code": "bound",
            "message": "'cap' must be at least 0% and at most 100%, found 160%",
            "hint": "",
        }
    ]


def test_files_of_a_folder_are_one_policy(tmp_path):
    (tmp_path / "10.rules").write_text("let loss = 5 USD\n")
    (tmp_path / "20.rules").write_text("risk default {\n  max_daily_loss  loss\n}\n")
    assert ctl("check", tmp_path).returncode == 0
    assert ctl("check", tmp_path / "20.rules").returncode == 1


def test_a_missing_strategy_is_a_warning(tmp_path):
    path = tmp_path / "a.rules"
    path.write_text('strategy s {\n  file     "nowhere.py"\n  symbols  GOOG\n}\n')
    done = ctl("check", path)
    assert done.returncode == 0
    assert "2:3: warning[file]: nowhere.py is not there" in done.stderr
    (tmp_path / "nowhere.py").write_text("")
    assert "warning" not in ctl("check", path).stderr


@pytest.mark.parametrize("path", ["nothing.rules", "."])
def test_what_cannot_be_read(path, tmp_path):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "noderrd.ctl.main", "rules", "check", path], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == (1 if path == "nothing.rules" else 0)  # an empty folder is an empty policy
    assert "Traceback" not in done.stderr


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    done = ctl("check", tmp_path / "pipe")
    assert done.returncode == 1
    assert "not a plain file" in done.stderr


def test_bad_usage_is_64():
    assert ctl("check").returncode == 64
    assert ctl("chekc").returncode == 64
    assert ctl("check", "--no-such-flag", "x").returncode == 64


def test_fmt_in_place_keeps_mode_and_comment(good):
    good.write_text("#  why\nlet a=5 ms")
    good.chmod(0o640)
    assert ctl("fmt", "--check", good).returncode == 1
    assert good.read_text() == "#  why\nlet a=5 ms"
    assert ctl("fmt", good).returncode == 0
    assert good.read_text() == "#  why\nlet a = 5ms\n"
    assert good.stat().st_mode & 0o777 == 0o640
    assert ctl("fmt", "--check", good).returncode == 0
    assert list(good.parent.iterdir()) == [good]


def test_fmt_leaves_a_file_with_syntax_errors(good):
    good.write_text("let a =\n")
    done = ctl("fmt", good)
    assert done.returncode == 1
    assert good.read_text() == "let a =\n"
    assert "error[syntax]" in done.stderr


def test_fmt_filters():
    done = ctl("fmt", "-", stdin="let a=5 ms")
    assert (done.returncode, done.stdout) == (0, "let a = 5ms\n")
    assert ctl("fmt", "--check", "-", stdin="let a=5 ms").returncode == 1
    assert ctl("fmt", "-", stdin="let a=").returncode == 1


def test_diff_exit_codes(good, tmp_path):
    other = tmp_path / "other.rules"
    other.write_text(GOOD.replace("60%", "5_000 bps"))
    done = ctl("diff", good, other, "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout) == {"changes": [{"block": "venue NSDQ", "field": "cap", "old": "60%", "new": "50%"}]}
    assert ctl("diff", good, good).returncode == 0
    other.write_text("venue {")
    assert ctl("diff", good, other).returncode == 1


def test_checking_loads_neither_numba_nor_onnxruntime(good):
    loaded = "[m for m in ('numba', 'numpy', 'onnxruntime', 'trio') if m in sys.modules]"
    program = f"import sys; sys.argv = ['noderrctl', 'rules', 'check', {str(good)!r}]; from noderrd.ctl.main import main; main(); print({loaded})"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_ten_thousand_lines(tmp_path):
    """No figure is asserted: the time is printed, and a hang would fail."""
    when = "p99(tick_to_trade) over 10s > 50us for 5s"
    block = f"alert a_{{}} critical {{{{\n  when      {when}\n  cooldown  30s\n  do        log, circuit_break(router) for 60s\n}}}}\n\n"
    path = tmp_path / "big.rules"
    path.write_text("".join(block.format(k) for k in range(1_667)))
    done = ctl("check", path)
    assert done.returncode == 0
    assert "valid: 1667 blocks" in done.stdout
