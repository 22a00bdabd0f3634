"""What names the directory of compiled kernels: every file that their machine code can come from."""

import subprocess
import sys
from pathlib import Path

from noderrd.lane import cache

IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
ours = [module for name, module in sys.modules.items() if name.split(".")[0] in ("core", "rules", "noderrd")]
print("\\n".join(module.__file__ for module in ours if module.__file__))
"""


def test_whatever_is_loaded_with_the_kernels_is_in_the_name():
    found = cache.sources()
    holders = [file for file in found if "core.jit import" in file.read_text()]
    names = [".".join(file.relative_to(cache.ROOT).with_suffix("").parts).removesuffix(".__init__") for file in holders]
    assert {"core.book", "noderrd.lane.loop", "noderrd.venue.engine", "noderrd.strategies.compile"} <= set(names)
    ran = subprocess.run([sys.executable, "-P", "-c", IMPORT_ALL, *names], capture_output=True, text=True, check=True)
    assert {Path(line) for line in ran.stdout.splitlines()} <= set(found)


def test_what_no_kernel_imports_is_not_in_the_name():
    found = {file.relative_to(cache.ROOT).as_posix() for file in cache.sources()}
    assert "noderrd/feeds/binaryfile.py" in found  # the replay's kernels take its constants
    assert not {"noderrd/lane/rehearse.py", "noderrd/venue/admin.py", "noderrd/control/reload.py"} & found


def test_a_directory_that_a_process_uses_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    for name in ("old", "older"):
        (tmp_path / name).mkdir()
    code = "from noderrd.lane import cache; print(cache.prepare(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-P", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        held = Path(user.stdout.readline().strip())
        cache.prune(keep=0)
        assert list(tmp_path.iterdir()) == [held]
        user.communicate("\n")
    cache.prune(keep=0)
    assert list(tmp_path.iterdir()) == []


def test_an_edit_gives_another_name(monkeypatch, tmp_path):
    for name in ("core/a.py", "noderrd/lane/b.py", "noderrd/far/c.py", "noderrd/far/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "noderrd/lane/b.py").write_text("from core.jit import kernel\nfrom noderrd.far import (\n    c,\n)\n")
    monkeypatch.setattr(cache, "ROOT", tmp_path)
    before = cache.key()
    (tmp_path / "noderrd/far/d.py").write_text("LOT = 1\n")
    assert cache.key() == before
    (tmp_path / "noderrd/far/c.py").write_text("LOT = 1\n")
    assert cache.key() != before
