"""The repository checks itself: what imports resolve to, what may stand where, what the documentation must name."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("core", "rules", "noderrd")
TEXT = {".py", ".md", ".toml", ".c", ".h", ".lark", ".rules", ".service", ".conf", ""}
TABLES = {"noderrd": "noderrd/main.py", "noderrctl": "noderrd/ctl/main.py"}


def sources(tracked: list[Path], *folders: str) -> list[Path]:
    return [f for f in tracked if f.suffix == ".py" and f.relative_to(ROOT).parts[0] in (folders or PACKAGES)]


def words(tracked: list[Path]) -> list[tuple[Path, str]]:
    return [(f, f.read_text(encoding="utf-8")) for f in tracked if f.suffix in TEXT and f != Path(__file__)]


def verbs(program: str) -> list[str]:
    """The keys of the table that maps a verb to its module and help: the only dictionary of a main module with pairs as values."""
    tree = ast.parse((ROOT / TABLES[program]).read_text())
    tables = [n for n in ast.walk(tree) if isinstance(n, ast.Dict) and n.values and all(isinstance(v, ast.Tuple) for v in n.values)]
    assert len(tables) == 1, f"{TABLES[program]}: expected one table of verbs"
    return [key.value for key in tables[0].keys]


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_resolve_inside_this_tree(package):
    """Also from a working directory that holds a folder of the same name: -P keeps it out."""
    asked = [sys.executable, "-P", "-c", f"import {package}; print({package}.__file__)"]
    said = subprocess.run(asked, cwd="/", capture_output=True, text=True, check=True).stdout.strip()
    assert Path(said) == ROOT / package / "__init__.py"
    assert importlib.metadata.packages_distributions()[package] == ["noderrd"]


def test_packages_are_typed():
    for package in PACKAGES:
        assert (ROOT / package / "py.typed").exists()


def test_rooms_say_what_they_are(tracked):
    """An __init__ is one docstring; noderrd.strategies is a public interface and may hold names."""
    for file in sources(tracked):
        if file.name != "__init__.py" or file.parent.name == "strategies":
            continue
        body = ast.parse(file.read_text()).body
        assert len(body) == 1, f"{file.relative_to(ROOT)}: a docstring and nothing else"
        assert isinstance(body[0], ast.Expr), f"{file.relative_to(ROOT)}: a docstring and nothing else"


def test_no_leftovers(tracked):
    marker = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|WIP)\b|^(?:<{7}|>{7}) |\bbreakpoint\(\)|\bpdb\b", re.MULTILINE)
    for file, text in words(tracked):
        found = marker.search(text)
        assert not found, f"{file.relative_to(ROOT)}: {found.group()}"


def test_no_drawer_for_everything(tracked):
    for file in tracked:
        assert file.stem not in {"utils", "util", "helpers", "misc", "common"}, file.relative_to(ROOT)


def test_system_calls_and_cycle_counters_stay_in_the_lane(tracked):
    """What reaches past Python from compiled code is in one room, so that one room is read for it."""
    outside = re.compile(r"ExternalFunction|readcyclecounter|rdtsc")
    for file in sources(tracked):
        if file.relative_to(ROOT).parts[:2] != ("noderrd", "lane"):
            found = outside.search(file.read_text())
            assert not found, f"{file.relative_to(ROOT)}: {found.group()}"


def test_core_takes_time_as_an_argument(tracked):
    for file in sources(tracked, "core"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in {"numpy", "numba", "llvmlite", "enum", "typing", "collections", "math", "ctypes", "core"}, (
                    f"{file.relative_to(ROOT)}: {name}"
                )


@pytest.mark.parametrize("program", TABLES)
def test_documentation_names_every_verb(program):
    readme = (ROOT / "README.md").read_text()
    for verb in verbs(program):
        assert re.search(rf"`{program} {verb}\b", readme), f"README.md does not name `{program} {verb}`"


def test_documentation_names_every_script(tracked):
    readme = (ROOT / "README.md").read_text()
    for file in tracked:
        if file.parent == ROOT / "scripts":
            assert f"`scripts/{file.name}" in readme, f"README.md does not name scripts/{file.name}"


def test_documentation_names_files_that_exist():
    for name in re.findall(r"`((?:core|rules|noderrd|scripts|etc|systemd|tests|docs|\.ci)/[\w./-]+)`", (ROOT / "README.md").read_text()):
        assert (ROOT / name).exists(), f"README.md names {name}"


def test_scripts_are_executable_and_find_their_root(tracked):
    for file in tracked:
        if file.parent == ROOT / "scripts" or file == ROOT / ".ci" / "run":
            assert file.stat().st_mode & 0o111, f"{file.name} is not executable"
            assert 'cd "$(dirname "$0")/.."' in file.read_text(), f"{file.name} depends on the working directory"


def test_every_room_is_placed_in_the_layers():
    """A new room is a decision: import-linter's layers inside noderrd are exhaustive, and the contracts hold."""
    done = subprocess.run([Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
