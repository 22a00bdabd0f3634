"""Policies from texts held in memory, for tests."""

import subprocess
import sys

from rules import check


def load(files, *paths):
    """Load from a dict of path to text or bytes; an include's pattern names every file that begins like it. No paths: the first file."""

    def read(path):
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory")
        text = files[path]
        return text if isinstance(text, bytes) else text.encode()

    def expand(pattern, file):
        return sorted(p for p in files if p == pattern or ("*" in pattern and p.startswith(pattern[: pattern.index("*")])))

    return check.load(paths or [next(iter(files))], read, expand)


def policy(text):
    """Give the policy of a text that has no errors."""
    found, diagnostics, _ = load({"test.rules": text})
    assert found is not None, [str(d) for d in diagnostics]
    return found


def messages(text):
    """Give what is said of a text: (line, code, message)."""
    return [(d.span.line, d.code, d.message) for d in load({"test.rules": text})[1]]


def ctl(*arguments, stdin="", seconds=60):
    """Run `noderrctl rules` as a user does."""
    command = [sys.executable, "-P", "-m", "noderrd.ctl.main", "rules", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, check=False, timeout=seconds)
