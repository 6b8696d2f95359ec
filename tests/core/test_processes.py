"""Workers: everything once, and one that crashes or hangs costs its own task alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nowcast.core.errors import MissingExtraError
from nowcast.core.processes import Workers
from tests.fakes import work


def lost(task, how):
    return f"{task} {how}"


def _each(function, tasks, count=2, seconds=None):
    with Workers(count, seconds) as pool:
        return list(pool.each(function, tasks, lost))


def test_one_process_works_here_and_in_order():
    assert _each(work.square, [3, 1, 2], 1) == [9, 1, 4]
    assert _each(work.where, [0], 8) == [(os.environ.get("OPENBLAS_NUM_THREADS"), os.getpid())]
    assert _each(work.square, []) == []


@pytest.mark.parametrize("seconds", [None, 60.0])
def test_two_processes_do_everything_once_with_one_thread_each(monkeypatch, seconds):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    found = _each(work.where, range(8), 2, seconds)
    assert len(found) == 8
    assert {threads for threads, _ in found} == {"1"}
    numbers = {number for _, number in found}
    assert os.getpid() not in numbers
    assert len(numbers) <= 2
    assert "OPENBLAS_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("seconds", [None, 60.0])
def test_a_task_on_which_a_process_dies_is_told_and_costs_no_other(seconds):
    found = _each(work.square_or_die, range(9), 2, seconds)
    expected = [*(str(n * n) for n in range(9) if n != 5), "5 crashed its process"]
    assert sorted(map(str, found)) == sorted(expected)


@pytest.mark.parametrize("count", [1, 2])
def test_tasks_that_hang_are_ended_and_the_others_done(count):
    began = time.monotonic()
    found = _each(work.square_or_hang, range(9), count, 1.5)
    assert time.monotonic() - began < 10
    hung = sorted(f for f in map(str, found) if "did not end" in f)
    assert [f[0] for f in hung] == ["3", "6"]
    assert {f[2:] for f in hung} <= {"did not end within 1.5 s", "did not end within 1 s"}
    assert sorted(f for f in found if isinstance(f, int)) == [n * n for n in range(9) if n not in (3, 6)]


@pytest.mark.parametrize(("count", "seconds"), [(1, None), (2, None), (1, 60.0)])
def test_what_a_task_raises_is_raised_here(count, seconds):
    with pytest.raises(OSError, match="No space") as caught:
        _each(work.refuse, range(4), count, seconds)
    assert caught.value.errno == 28


def test_an_error_that_cannot_travel_is_told_by_its_text():
    with pytest.raises(RuntimeError, match="StubbornError: this and that"):
        _each(work.be_stubborn, range(4))
    with pytest.raises(MissingExtraError, match="video needs the library 'av'"):
        _each(work.lack, range(4))


def test_another_function_on_the_same_processes():
    with Workers(2) as pool:
        assert sorted(pool.each(work.square, range(4), lost)) == [0, 1, 4, 9]
        numbers = {number for _, number in pool.each(work.where, range(4), lost)}
        assert sorted(pool.each(work.square, [5, 6], lost)) == [25, 36]
        assert numbers & {number for _, number in pool.each(work.where, range(4), lost)}


def test_leaving_early_leaves_no_process_behind():
    with Workers(2, 60.0) as pool:
        number = next(pool.each(work.number_then_hang, range(3), lost))
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_signals_are_the_parents_business():
    """Ctrl-C in a terminal reaches every process: the worker goes on, so that no file looks bad."""
    assert _each(work.interrupt_itself, [signal.SIGINT, signal.SIGTERM], 1, 60.0) == [2, 15]


UNGUARDED = """
import sys
from nowcast.core.processes import Workers
from tests.fakes.work import square
with Workers(2) as pool:
    print(sorted(pool.each(square, range(4), lambda task, how: how)), __name__, __file__[-9:])
"""


def test_a_script_without_its_guard_is_not_run_again_in_the_workers(tmp_path):
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[0, 1, 4, 9] __main__ script.py\n"


def test_a_process_with_threads_is_not_forked():
    """A thread of the parent may hold a lock that nobody would ever release in the copy."""
    lock = threading.Lock()
    work.HELD = lock
    stop = threading.Event()

    def hold():
        with lock:
            stop.wait(60)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    try:
        assert _each(work.take_the_lock, [1, 2], 1, 20.0) == ["taken", "taken"]
    finally:
        stop.set()
        thread.join()
        work.HELD = None
