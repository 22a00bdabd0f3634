"""What onnxruntime itself asks of the allocator in a warm run: counted by a library that stands before glibc's, since none of it is ours to avoid."""

import os
import subprocess
import sys

import pytest

from noderrd.bench import compiler

COUNT = """
from noderrd.lane import cache
cache.prepare()
import ctypes
from core.jit import entry
from noderrd.lane import dense_model, ort
from noderrd.models import make

@entry
def runs(call, n):
    for _ in range(n):
        ort.run(call)

allocations = ctypes.CDLL(None).allocations
allocations.restype = ctypes.c_ulong
read = dense_model.read
for found in (read, lambda *_: None):  # as one operator, and on onnxruntime's own
    dense_model.read = found
    model = ort.Model(make.ROOM / "alpha.onnx", [str(k) for k in range(32)])
    runs(model.call, 1000)
    before = allocations()
    runs(model.call, 10_000)
    print(model.dense, round((allocations() - before) / 10_000, 2))
"""


def test_what_a_run_allocates_is_counted(tmp_path):
    try:
        cc = compiler.find()
    except compiler.NoCompiler as why:
        pytest.skip(str(why))
    library = tmp_path / "allocations.so"
    subprocess.run([cc, "-O2", "-fPIC", "-shared", "-o", library, compiler.SOURCES / "allocations.c"], check=True)
    program = tmp_path / "count.py"  # a file: numba caches no kernel that has none
    program.write_text(COUNT)
    done = subprocess.run([sys.executable, "-P", program], env={**os.environ, "LD_PRELOAD": str(library)}, capture_output=True, text=True, check=True)
    print(done.stdout)
    counted = dict(line.split() for line in done.stdout.splitlines())
    assert 0 < float(counted["True"]) < float(counted["False"]) < 50
