"""The lock: one holder at a time, told who, waited for when asked, gone with its holder even after kill -9."""

import os
import signal
import subprocess
import sys
import time

import pytest

from nowcast.core.errors import ArchiveError, FileError
from nowcast.core.lock import BusyError, sole_holder

HOLD = (
    "import sys, time; from pathlib import Path; from nowcast.core.lock import sole_holder\n"
    "with sole_holder(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(float(sys.argv[2]))"
)


def _hold(path, seconds):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path):
    lock = tmp_path / "deep" / ".lock"
    with sole_holder(lock), pytest.raises(BusyError, match=str(os.getpid())), sole_holder(lock):
        raise AssertionError("two holders")
    with sole_holder(lock):
        pass


def test_the_error_is_the_callers(tmp_path):
    lock = tmp_path / ".lock"
    second = sole_holder(lock, lambda holder: ArchiveError(f"held by {holder}"))
    with sole_holder(lock), pytest.raises(ArchiveError, match=f"held by {os.getpid()}"), second:
        raise AssertionError("two holders")


def test_kill_9_frees_it_at_once(tmp_path):
    lock = tmp_path / ".lock"
    with _hold(lock, 60) as holder:
        with pytest.raises(BusyError, match=str(holder.pid)), sole_holder(lock):
            raise AssertionError("two holders")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    began = time.monotonic()
    with sole_holder(lock):
        assert time.monotonic() - began < 1.0


def test_the_child_of_a_killed_holder_is_waited_for(tmp_path):
    """A forked child shares the lock, and ends a moment after its parent was killed."""
    lock = tmp_path / ".lock"
    forks = HOLD.replace("time.sleep(", "import os; time.sleep(0.5 if os.fork() == 0 else ")
    holder = subprocess.Popen([sys.executable, "-c", forks, str(lock), "60"], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    time.sleep(0.1)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with sole_holder(lock):
        pass
    holder.stdout.close()


def test_who_waits_gets_it_when_the_holder_is_done(tmp_path):
    lock = tmp_path / ".lock"
    told = []
    with _hold(lock, 0.7) as holder:
        with sole_holder(lock, told.append):
            assert holder.wait(5) == 0
        assert told == [str(holder.pid)]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file: cannot be written"), sole_holder(tmp_path / "file" / "x"):
        raise AssertionError("held")
