"""Workers end with the process that started them, even when it is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import time
from nowcast.core.processes import Workers
from tests.fakes.work import where

if __name__ == "__main__":
    with Workers(2) as pool:
        found = {number for _, number in pool.each(where, list(range(4)), lambda task, how: ("", 0))}
        print(*found, flush=True)
        time.sleep(60)
"""


def _alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{number}/stat") as handle:  # noqa: PTH123
        return handle.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_kill_9_of_the_parent_ends_the_workers(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with parent:
        numbers = [int(n) for n in parent.stdout.readline().split()]
        assert numbers
        assert all(_alive(n) for n in numbers)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(_alive(n) for n in numbers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [n for n in numbers if _alive(n)] == []
