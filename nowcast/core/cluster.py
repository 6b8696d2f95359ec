"""Tasks on a `distributed.Client`: processes of this machine, or the workers of any dask cluster."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from nowcast.core.clean_start import ONE_THREAD, clean_start
from nowcast.core.cluster_worker import Answers, Function, TaskGroup, call, versions
from nowcast.core.engine import Lost
from nowcast.core.errors import NowcastError, SettingsError, printable
from nowcast.core.processes import lost_is_an_error
from nowcast.core.task_groups import TaskGroups

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")
R = TypeVar("R")
_CONNECT_SECONDS = 10
_START_SECONDS = 120
_TRIES, _BETWEEN_TRIES = 5, 0.5
_SETTINGS = {
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.multiprocessing-method": "forkserver" if sys.platform == "linux" else "spawn",
    "distributed.comm.timeouts.connect": _CONNECT_SECONDS,
    "distributed.admin.large-graph-warning-threshold": "1 GiB",
}
_CALM = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
}
"""Where nobody looks at the dashboard, nothing is measured for it: each process of dask would otherwise wake up
over a hundred times a second, for 2 to 3 % of a core."""


class Cluster:
    """An engine on a client; see `nowcast.core.engine.Engine`.

    A worker that dies is told by the scheduler, which hands its tasks to others (three times by default).

    Args:
        client: connected.
        owned: what to close in the end, the innermost first.
    """

    def __init__(self, client: Client, owned: Sequence[Any] = ()) -> None:
        self._client, self._owned = client, tuple(owned)

    def each(
        self, work: Callable[[T], R], tasks: Sequence[T], lost: Lost[T, R] = lost_is_an_error
    ) -> Iterator[R]:
        """Do every task; see `nowcast.core.engine.Engine.each`."""
        from distributed import KilledWorker, as_completed

        groups = TaskGroups(tasks, sum(self._client.nthreads().values()))
        with self._sent(work) as name:
            running: dict[Future, list[T]] = {}
            coming = as_completed((), self._client.loop, with_results=True, raise_errors=False)

            def hand_over() -> None:
                while len(running) < groups.most_waiting and (group := groups.take()):
                    future = self._client.submit(
                        call, name, TaskGroup(group), key=f"nowcast-{uuid.uuid4().hex}", pure=False
                    )
                    running[future] = group
                    coming.add(future)

            try:
                hand_over()
                for future, found in coming:
                    group, status = running.pop(future), future.status
                    if isinstance(found, Answers):
                        groups.took(found.seconds / len(group))
                    elif len(group) > 1 and isinstance(_error(found), KilledWorker):
                        groups.again(group)
                        group = []
                    hand_over()
                    yield from self._results(status, found, group, lost)
            finally:
                if running:  # a scheduler tells all clients of what is cancelled, be it nothing
                    self._client.cancel(list(running), force=True)

    @contextlib.contextmanager
    def _sent(self, work: Callable[[Any], Any]) -> Iterator[str]:
        """Send a function to every worker, also to those that join later; yield its name there."""
        import cloudpickle

        name = f"nowcast-{uuid.uuid4().hex}"
        try:
            packed = cloudpickle.dumps(work)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"workers: got something that cannot be sent to another process ({printable(error)[:200]}), "
                "expected an archive on disk and models defined in modules; take 1 worker"
            ) from error
        self._tell(name, Function(name, packed))
        try:
            yield name
        finally:
            with contextlib.suppress(Exception):  # the workers may be gone
                self._client.unregister_worker_plugin(name)

    def _tell(self, name: str, function: Function) -> None:
        """Hand the function to all workers; one that dies meanwhile is left out, which takes another try."""
        for left in reversed(range(_TRIES)):
            try:
                self._client.register_plugin(function, name=name)
            except OSError:
                if not left:
                    raise
                time.sleep(_BETWEEN_TRIES)
            else:
                return

    def _results(self, status: str, found: Any, group: list[T], lost: Lost[T, R]) -> Iterator[R]:
        if isinstance(found, Answers):  # whatever has become of it since, on a worker that died
            yield from found.results
            if found.error is not None:
                raise found.error
            return
        from distributed import KilledWorker

        for task in group:
            if not isinstance(_error(found), KilledWorker):
                raise NowcastError(
                    f"workers: got no answer from the scheduler ({status}: {printable(_error(found))[:200]}), "
                    "expected results; check that it and its workers run the same libraries, and run again"
                )
            yield lost(task, "crashed its process")

    def abort(self) -> None:
        """Nothing more than leaving `each` does: tasks that are being done ask whether they are wanted."""

    def close(self) -> None:
        """End what was started; a cluster of somebody else is only left."""
        for one in self._owned:
            with contextlib.suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                one.close()


def _error(found: Any) -> Any:
    """The error of a task of dask, which comes as its type, itself and its place."""
    return found[1] if isinstance(found, tuple) else found


def start_local(workers: int, dashboard: bool = False, failures: int | None = None) -> Cluster:
    """Start processes of one thread each on this machine, on its loopback address alone.

    Args:
        workers: how many.
        dashboard: serve the dashboard of dask; its address is printed to standard error.
        failures: how often a task may have ended its process before it is given up; None is dask's three.

    Raises:
        NowcastError: they do not start.
    """
    import logging

    import dask
    from distributed import Client, LocalCluster, Nanny

    class CleanNanny(Nanny):  # type: ignore[misc]  # read without types
        """Starts its worker without the script that runs here, also when it has to be started anew."""

        async def instantiate(self) -> Any:
            with clean_start():
                return await super().instantiate()

    class PatientCluster(LocalCluster):  # type: ignore[misc]  # read without types
        """Waits for a worker that is started anew, however busy the machine; dask gives it up after 15 s."""

        def _update_worker_status(self, op: str, msg: Any) -> None:
            with dask.config.set({"distributed.deploy.lost-worker-timeout": "1 week"}):
                super()._update_worker_status(op, msg)

    settings = _SETTINGS | ({} if dashboard else _CALM)
    if failures is not None:
        settings |= {"distributed.scheduler.allowed-failures": failures}
    with dask.config.set(settings), _quiet():
        _start_fork_server()
        try:
            cluster = PatientCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                memory_limit=None,
                worker_class=CleanNanny,
                silence_logs=logging.CRITICAL,
                preload="nowcast.core.cluster_worker",
                env=os.environ | ONE_THREAD,
                dashboard_address="127.0.0.1:0" if dashboard else None,
            )
            client = Client(cluster, set_as_default=False)
            client.wait_for_workers(workers, timeout=_START_SECONDS)
        except (OSError, RuntimeError, TimeoutError) as error:
            raise NowcastError(
                f"workers: got none of {workers} processes to start ({printable(error)[:200]}), expected "
                "each to; take 1 worker"
            ) from error
    if dashboard:
        print(f"dashboard: {cluster.dashboard_link}", file=sys.stderr)
    return Cluster(client, (client, cluster))


def _start_fork_server() -> None:
    """Start the process that workers are forked from; it imports what is imported here, once for all of them.

    Why not a clean start of each: importing torch takes seconds of a core, for every worker anew.
    """
    if sys.platform != "linux":
        return
    from multiprocessing import forkserver

    with clean_start():
        mine = [name for name in sys.modules if name.split(".")[0] == "nowcast" and name != "nowcast.cli.main"]
        forkserver.set_forkserver_preload([*mine, "nowcast.core.cluster_worker", "distributed.nanny"])
        forkserver.ensure_running()


def connect(scheduler: Client | str) -> Cluster:
    """Use a cluster that is there.

    Raises:
        SettingsError: no scheduler at this address, or one whose versions are not those of here.
    """
    import dask

    from nowcast.core.cluster_client import connected

    if not isinstance(scheduler, str):
        _check_versions(scheduler)
        return Cluster(scheduler)
    with dask.config.set(_SETTINGS), _quiet():
        try:
            client = connected(scheduler, _CONNECT_SECONDS)
        except (OSError, ValueError, TypeError, ImportError, RuntimeError, AttributeError) as error:
            raise SettingsError(
                f"--scheduler: got '{printable(scheduler)}' where none answers ({printable(error)[:200]}), "
                "expected the address of a running dask scheduler such as tcp://10.0.0.1:8786; check it"
            ) from error
    try:
        _check_versions(client)
    except BaseException:
        client.close()
        raise
    return Cluster(client, (client,))


def _check_versions(client: Client) -> None:
    """Refuse a cluster on which functions of this package would fail or mean something else.

    Raises:
        SettingsError: naming the first library that differs, and where.
    """
    here = versions()
    found: dict[str, Any] = {}
    try:
        found["the scheduler"] = client.run_on_scheduler(versions)
    except Exception as error:  # also what the scheduler raised
        found["the scheduler"] = error
    found |= {f"worker {place}": there for place, there in client.run(versions, on_error="return").items()}
    for place, there in found.items():
        if isinstance(there, BaseException):
            raise SettingsError(
                f"--scheduler: {place} cannot run nowcast ({printable(there)[:200]}), expected nowcast "
                f"{here['nowcast']} there; install it on the workers"
            )
        for name, version in there.items():
            if version != here[name]:
                raise SettingsError(
                    f"--scheduler: {place} has {name} {version}, expected {here[name]} as here; install the "
                    "same versions on both"
                )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the user what dask warns of while it starts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
