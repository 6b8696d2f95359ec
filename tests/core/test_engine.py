"""Engines: the same results wherever the tasks are done, and one lost worker costs its task alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nowcast.core import cluster as cluster_module
from nowcast.core import engine as engines
from nowcast.core.cluster_worker import Function
from nowcast.core.engine import InProcess, Spreading, TimeLimited, in_order, open_engine
from nowcast.core.errors import MissingExtraError, NowcastError, SettingsError
from tests.fakes import work

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONHASHSEED"} | {"PYTHONPATH": str(ROOT)}


class Backwards:
    """Does the last task first."""

    def each(self, function, tasks, lost=None):
        yield from map(function, reversed(tasks))

    def close(self):
        pass


class Counted(InProcess):
    """Knows how many it was to be."""

    def __init__(self, workers):
        self.workers = workers


def lost(task, how):
    return f"{task} {how}"


def test_results_are_put_in_the_order_of_their_tasks():
    assert list(Backwards().each(work.square, [3, 1, 2])) == [4, 1, 9]
    assert list(in_order(Backwards(), work.square, [3, 1, 2])) == [9, 1, 4]
    assert list(in_order(InProcess(), work.square, [])) == []


def test_short_work_stays_in_this_process():
    with open_engine() as engine:
        assert isinstance(engine, Spreading)
        assert {number for _, number in engine.each(work.where, range(5))} == {os.getpid()}
    with open_engine(1) as engine:
        assert list(engine.each(work.square, [2, 3])) == [4, 9]


def test_long_work_is_spread_after_its_first_task(monkeypatch):
    made = []

    class Fake(Backwards):
        def __init__(self, workers):
            made.append(workers)

        def each(self, function, tasks, lost=None):
            made.append(list(tasks))
            yield from super().each(function, tasks)

    monkeypatch.setattr(engines, "_local_cluster", Fake)
    monkeypatch.setattr(engines, "usable_cores", lambda: 3)
    monkeypatch.setattr(engines, "_WORTHWHILE_SECONDS", 0.0)
    with open_engine() as engine:
        assert list(in_order(engine, work.square, [5, 1, 2])) == [25, 1, 4]
    assert made[0] == 3
    assert [number for number, _ in made[1]] == [1, 2]


def test_this_process_computes_with_one_thread_and_gets_its_own_back(monkeypatch):
    class Torch:
        threads = 2

        def get_num_threads(self):
            return self.threads

        def set_num_threads(self, number):
            self.threads = number

    torch = Torch()
    monkeypatch.setitem(sys.modules, "torch", torch)
    engine = InProcess()
    assert [torch.threads, *engine.each(lambda _: torch.threads, [0, 1]), torch.threads] == [2, 1, 1, 2]
    with pytest.raises(ZeroDivisionError):
        list(engine.each(lambda n: 1 // n, [0]))
    assert torch.threads == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"workers": 0}, "--workers: got 0, expected 1 or more"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, "expected one of both"),
    ],
)
def test_what_cannot_be_asked_for(asked, said):
    with pytest.raises(SettingsError, match=said), open_engine(**asked):
        pass


def test_no_more_workers_are_started_than_there_are_cores(monkeypatch):
    monkeypatch.setattr(engines, "usable_cores", lambda: 3)
    monkeypatch.setattr(cluster_module, "start_local", lambda workers, dashboard: Counted(workers))
    for asked, started in ((2, 2), (8, 3)):
        with open_engine(asked) as engine:
            assert engine.workers == started


@pytest.mark.parametrize(("nanny", "times"), [("tcp://127.0.0.1:1", 1), (None, 0)])
def test_workers_that_are_processes_of_their_own_keep_freed_memory(nanny, times, monkeypatch):
    asked = []
    monkeypatch.setattr("nowcast.core.cluster_worker.keep_freed_memory", lambda: asked.append("keep"))
    function = Function("name", b"")
    function.setup(SimpleNamespace(nanny=nanny))
    function.teardown(None)
    assert len(asked) == times


@pytest.fixture(scope="module")
def cluster():
    with open_engine(2) as engine:
        yield engine


def test_two_processes_of_one_thread_each(cluster):
    found = list(cluster.each(work.where, range(8)))
    assert {threads for threads, _ in found} == {"1"}
    numbers = {number for _, number in found}
    assert os.getpid() not in numbers
    assert len(numbers) <= 2
    assert [n for _, n in in_order(cluster, work.square_of_second, [(0, 7), (1, 5)])] == [49, 25]
    with pytest.raises(MissingExtraError, match="video needs the library 'av'"):
        list(cluster.each(work.lack, range(4)))
    with pytest.raises(OSError, match="No space") as caught:
        list(cluster.each(work.refuse, range(4)))
    assert caught.value.errno == 28
    assert sorted(cluster.each(work.square, range(500))) == [n * n for n in range(500)]
    big = np.arange(100_000)
    assert list(cluster.each(lambda at: int(big[at]), [5, 99_999])) in ([5, 99_999], [99_999, 5])
    lock = threading.Lock()
    with pytest.raises(SettingsError, match="cannot be sent to another process"):
        list(cluster.each(lambda _: lock, [1, 2]))


@pytest.mark.slow
def test_a_killed_worker_costs_its_task_alone_and_the_task_is_done_again(cluster, tmp_path):
    numbers = [*range(3, 203), 2, *range(203, 403)]
    found = sorted(cluster.each(work.kill_itself_once, [(n, tmp_path) for n in numbers]))
    assert found == [n * n for n in range(2, 403)]
    assert (tmp_path / "killed").exists()


@pytest.mark.slow
def test_a_task_that_always_ends_its_worker_is_given_up(cluster):
    found = list(cluster.each(work.square_or_die, [*range(6, 206), 5, *range(206, 406)], lost))
    expected = [*(str(n * n) for n in range(6, 406)), "5 crashed its process"]
    assert sorted(map(str, found)) == sorted(expected)
    with pytest.raises(NowcastError, match="workers: one crashed its process at each try"):
        list(cluster.each(work.square_or_die, [5]))
    assert sorted(cluster.each(work.square, [1, 2])) == [1, 4]


@pytest.mark.slow
def test_a_task_that_takes_too_long_is_ended_with_its_worker(cluster):
    assert list(TimeLimited(cluster, 30.0).each(work.square, [3])) == [9]
    found = list(TimeLimited(cluster, 1.0).each(work.square_or_hang, [2, 3, 4], lost))
    expected = ["16", "3 crashed its process or did not end within 1 s", "4"]
    assert sorted(map(str, found)) == expected


@pytest.mark.slow
def test_a_cluster_that_is_there(cluster, monkeypatch):
    address = cluster._client.scheduler.address
    with open_engine(scheduler=address) as engine:
        assert sorted(engine.each(work.square, range(5))) == [0, 1, 4, 9, 16]
    with open_engine(scheduler=cluster._client) as engine:
        assert sorted(engine.each(work.square, range(5))) == [0, 1, 4, 9, 16]
    assert sorted(cluster.each(work.square, [1, 2])) == [1, 4], "what is somebody else's stays open"
    monkeypatch.setattr("nowcast.core.cluster_worker.__version__", "9.9.9")
    with pytest.raises(SettingsError, match=r"worker tcp.* has nowcast .*, expected 9\.9\.9"):
        open_engine(scheduler=address).__enter__()
    monkeypatch.setattr("nowcast.core.cluster.versions", work.versions_of_nobody)
    with pytest.raises(SettingsError, match=r"worker tcp.* cannot run nowcast \(no such lib"):
        open_engine(scheduler=address).__enter__()


def test_a_worker_that_dies_while_it_is_told_costs_another_try(cluster, monkeypatch):
    monkeypatch.setattr("nowcast.core.cluster._BETWEEN_TRIES", 0.0)
    own, tries = cluster._client.register_plugin, []

    def register(function, name):
        tries.append(name)
        if len(tries) == 1:
            raise OSError("the connection was closed")
        return own(function, name=name)

    monkeypatch.setattr(cluster._client, "register_plugin", register)
    assert sorted(cluster.each(work.square, range(5))) == [0, 1, 4, 9, 16]
    assert len(tries) == 2


def test_what_all_clients_are_told_while_one_registers_costs_another_try(cluster, monkeypatch):
    scheduler = cluster._owned[1].scheduler
    own, met = scheduler.handle_stream, []

    async def handle(comm, extra=None):
        if "client" in (extra or {}):
            met.append(extra["client"])
            if len(met) == 1:
                scheduler.report({"op": "cancelled-keys", "keys": [], "reason": None, "msg": None})
        await own(comm, extra)

    monkeypatch.setattr(scheduler, "handle_stream", handle)
    with open_engine(scheduler=scheduler.address) as engine:
        assert sorted(engine.each(work.square, range(5))) == [0, 1, 4, 9, 16]
    assert len(set(met)) == 2
    monkeypatch.undo()
    told = []
    monkeypatch.setattr(scheduler, "report", lambda message, **_: told.append(message))
    assert sorted(cluster.each(work.square, range(5))) == [0, 1, 4, 9, 16]
    assert sorted(cluster.each(work.square, range(5))) == [0, 1, 4, 9, 16]
    assert not [message for message in told if message["op"] == "cancelled-keys"]


def test_no_cluster_there(monkeypatch):
    monkeypatch.setattr("nowcast.core.cluster._CONNECT_SECONDS", 0.3)
    monkeypatch.setitem(cluster_module._SETTINGS, "distributed.comm.timeouts.connect", 0.3)
    with pytest.raises(SettingsError, match=r"got 'tcp://127.0.0.1:9' where none answers"):
        open_engine(scheduler="tcp://127.0.0.1:9").__enter__()
    with pytest.raises(SettingsError, match="got 'nonsense://x' where none answers"):
        open_engine(scheduler="nonsense://x").__enter__()


UNGUARDED = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where tests run in the background
from nowcast.core.engine import open_engine
from tests.fakes.work import kill_itself_once, where
from pathlib import Path
print("run", flush=True)
with open_engine(2) as engine:
    assert sorted(engine.each(kill_itself_once, [(n, Path(sys.argv[1])) for n in range(4)])) == [0, 1, 4, 9]
    print(*{number for _, number in engine.each(where, range(20))}, flush=True)
    if len(sys.argv) > 2:
        time.sleep(60)
print(__name__, __file__[-9:], "PYTHONHASHSEED" in os.environ)
"""


def _alive(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.slow
def test_a_script_without_its_guard_is_not_run_again_not_even_by_a_worker_that_is_started_anew(tmp_path):
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(tmp_path / "script.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "run"
    assert done.stdout.splitlines()[2:] == ["__main__ script.py False"]
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_process_that_started_them(tmp_path, ending):
    (tmp_path / "script.py").write_text(UNGUARDED)
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path), "wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    with parent:
        assert parent.stdout.readline() == "run\n"
        numbers = [int(n) for n in parent.stdout.readline().split()]
        assert numbers
        assert all(_alive(n) for n in numbers)
        began = time.monotonic()
        if ending == signal.SIGINT:
            os.killpg(parent.pid, ending)  # as a terminal does
        else:
            parent.send_signal(ending)
        parent.wait(10)
    while any(_alive(n) for n in numbers) and time.monotonic() < began + 10:
        time.sleep(0.1)
    assert [n for n in numbers if _alive(n)] == []
