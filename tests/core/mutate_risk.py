"""Is every check of core/risk.py held by a test? Takes each out, one at a time, in a copy of the tree, and runs tests/core/test_risk.py there.

A check is an `if` that ends in a denial, and what else decides one: the conditions of `flag`, of `armed` and `latched`. Removed means that its
condition is False. The tests run with numba switched off, so that a run takes seconds. Exit 0 when every removal made a test fail.
"""

import argparse
import ast
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "core" / "risk.py"
RUN_S = 300


def denies(statement: ast.stmt) -> bool:
    """Whether a statement gives a reason against an order, or says that one binds."""
    if not isinstance(statement, ast.Return) or statement.value is None:
        return False
    said = ast.unparse(statement.value)
    named = said.startswith(("Denial.", "refuse_money(")) and said != "Denial.PASS"
    return named or said == "code" or "latched" in said


def checks(text: str) -> list[tuple[str, ast.If]]:
    """Every check as a name, function and denial, and its `if`."""
    found = []
    for function in ast.parse(text).body:
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.If) and any(denies(s) for s in node.body):
                last = next(s for s in node.body if denies(s))
                found.append((f"{function.name}: {ast.unparse(node.test)} -> {ast.unparse(last)[7:]}", node))
    return found


def without(text: str, node: ast.If) -> str:
    """The source with a check's condition replaced by False."""
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    test = node.test
    begin, end = starts[test.lineno - 1] + test.col_offset, starts[test.end_lineno - 1] + test.end_col_offset
    return text[:begin] + "False" + text[end:]


def survives(text: str) -> bool:
    """Run the tests against a changed core/risk.py; True when none of them fails."""
    with tempfile.TemporaryDirectory(prefix="noderrd-mutant-") as folder:
        copy = Path(folder)
        for part in ("core", "rules", "noderrd"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "tests" / "core").mkdir(parents=True)
        shutil.copy(ROOT / "tests" / "conftest.py", copy / "tests")
        shutil.copy(ROOT / "tests" / "core" / "test_risk.py", copy / "tests" / "core")
        shutil.copy(ROOT / "pyproject.toml", copy)
        (copy / "core" / "risk.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "tests/core/test_risk.py"],
            cwd=copy,
            env={**os.environ, "NUMBA_DISABLE_JIT": "1", "NUMBA_CACHE_DIR": folder, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
    if done.returncode not in {0, 1}:
        message = f"pytest ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        raise RuntimeError(message)
    return done.returncode == 0


def main() -> int:
    """0 when every check that was removed was missed; 1 otherwise, also when the tests fail as they are."""
    parser = argparse.ArgumentParser(prog="scripts/mutate-risk", description="Remove each risk check in turn: a test must fail every time.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    text = SOURCE.read_text()
    if not survives(text):
        print("the tests fail before anything is removed", file=sys.stderr)
        return 1
    named = checks(text)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        outcomes = list(pool.map(lambda it: survives(without(text, it[1])), named))
    for (name, _), survived in zip(named, outcomes, strict=True):
        print(f"{'SURVIVED' if survived else 'missed':<9}{name}", file=sys.stderr)
    survivors = [name for (name, _), survived in zip(named, outcomes, strict=True) if survived]
    result = {"checks": len(named), "killed": len(named) - len(survivors), "survived": survivors}
    print(json.dumps(result) if args.json else f"{result['checks']} checks removed, {result['killed']} missed by a test, {len(survivors)} not")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
