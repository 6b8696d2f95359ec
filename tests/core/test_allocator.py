"""Freed memory is kept, whatever the environment said when the process began; only glibc is asked to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nowcast.core import allocator

ROOT = Path(__file__).resolve().parents[2]
FAULTS = """
import resource
import numpy as np
from nowcast.core.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(40):
        np.ones(2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
assert keep_freed_memory()
faults()
print(before, faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is of glibc")
def test_arrays_come_from_what_the_process_has():
    """Forty arrays of 2 MB, 512 pages: with what dask sets, each comes anew from the system."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "MALLOC_TRIM_THRESHOLD_": "65536"},
    )
    before, after = map(int, done.stdout.split())
    assert before > 15_000
    assert after < 400


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: object())
    assert not allocator.keep_freed_memory()
    allocator.give_back_freed()
