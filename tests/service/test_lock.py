"""The lock: one holder at a time, and gone with its holder even after kill -9."""

import os
import signal
import subprocess
import sys
import time

import pytest

from nowcast.service.lock import BusyError, only_one

HOLD = (
    "import sys, time; from pathlib import Path; from nowcast.service.lock import only_one\n"
    "with only_one(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
)


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path):
    with only_one(tmp_path), pytest.raises(BusyError, match=str(os.getpid())), only_one(tmp_path):
        raise AssertionError("two holders")
    with only_one(tmp_path):
        pass


def test_kill_9_frees_it_at_once(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=str(holder.pid)), only_one(tmp_path):
            raise AssertionError("two holders")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    began = time.monotonic()
    with only_one(tmp_path):
        assert time.monotonic() - began < 1.0
