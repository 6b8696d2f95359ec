"""Measure what workers are worth: verification and ingest by 1, 2 and 8 local workers, in turns.

    python scripts/benchmark_cluster.py [--size CELLS] [--nowcasts N] [--rounds N] [--files N]
                                        [--archive ARCHIVE --period START/END]

Without an archive, storms of the demo are made: files for ingest, and what is verified. Ratios are of the wall
clock within a round, median over rounds, so that a machine that is busy slows all alike; each worker has one
thread. Ingest reads ``--files`` files of 512 x 512 (30 storms, again and again) by the command, start-up
included: with few files that is all one sees. Verification has its workers started before the clock (--cold
counts that, too) and scores persistence, extrapolation and a network; the tables must be the same to the last
bit whatever the number of workers, of which one a core is started at most. Beside the clock stands the CPU time
of all processes for each nowcast, which a busy machine changes little. What two cores of the machine are worth
at most is measured in the same rounds: two processes that know nothing of each other verify the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from distributed import LocalCluster
from interleaved import interleaved, times_faster

from nowcast.archive.reader import Archive
from nowcast.core.engine import Engine, open_engine
from nowcast.core.times import parse_period, to_text
from nowcast.demo.run import DemoSettings, write_files
from nowcast.demo.storm import StormSettings, make_storms, storm_grid
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.catalog import build_forecaster
from nowcast.products.odim_h5 import write_composite
from nowcast.workflows.ingest import ingest
from nowcast.workflows.verify import verify_period

WORKERS = (1, 2, 8)
ONE, TWO = "one alone", "two alone"


def main() -> int:
    """Run the measurements and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=192, help="cells of a frame each way")
    parser.add_argument("--nowcasts", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--files", type=int, default=600, help="files to ingest; 0 leaves ingest out")
    parser.add_argument("--network", default="astm")
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--period")
    parser.add_argument("--cold", action="store_true", help="count the start of the workers, too")
    args = parser.parse_args()
    models = {name: build_forecaster(name) for name in ("persistence", "extrapolation", args.network)}
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before it began")
    with tempfile.TemporaryDirectory() as folder:
        if args.archive is None:
            frames = args.nowcasts + 16
            storms = StormSettings(frames=frames, step_minutes=10, size=args.size, cell_km=1.0)
            files = write_files(DemoSettings(storms=storms), Path(folder) / "radar", False)
            ingest([files[0].parent], Path(folder) / "storms.zarr", progress=False)
            archive = Archive.open(Path(folder) / "storms.zarr")
            period = archive.times[0], archive.times[-1] + archive.step
        else:
            archive, period = Archive.open(args.archive), parse_period(args.period)
        if args.files:
            measure_ingest(many_files(args.files, Path(folder) / "many"), Path(folder), args.rounds)
        measure_verify(archive, models, period, args)
    print(f"load {os.getloadavg()[0]:.1f} in the end")
    return 0


def many_files(count: int, folder: Path) -> list[Path]:
    """Write so many ODIM_H5 files of 512 x 512, of thirty storms in turn."""
    storms = StormSettings(frames=30, step_minutes=10, size=512, cell_km=1.0)
    frames, grid = list(make_storms(storms)), storm_grid(storms)
    first, step = np.datetime64("2025-01-01T00:00", "ns"), np.timedelta64(10, "m")
    return [
        write_composite(folder / f"{i:05d}.h5", frames[i % len(frames)], first + i * step, grid)
        for i in range(count)
    ]


def measure_ingest(files: list[Path], folder: Path, rounds: int) -> None:
    """Ingest the files by the command with 1, 2 and 8 processes, and on a cluster of two that is there."""
    made = 0

    def job(*arguments: str) -> Callable[[], object]:
        def run() -> None:
            nonlocal made
            command = [sys.executable, "-m", "nowcast.cli.main", "ingest", str(files[0].parent), *arguments]
            out = str(folder / f"{made}.zarr")
            subprocess.run([*command, "--archive", out], check=True, capture_output=True)
            made += 1

        return run

    before = dict(os.environ)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        os.environ.clear()  # dask leaves there what it starts workers with: processes that free memory at once
        os.environ.update(before)
        jobs = {f"{n} processes": job("--workers", str(n)) for n in WORKERS}
        jobs["2 dask workers"] = job("--scheduler", cluster.scheduler_address)
        taken = interleaved(jobs, rounds)
    for name, seconds in taken.items():
        print(
            f"ingest, {name:>14}: {median(seconds):7.2f} s, {len(files) / median(seconds):6.1f} files/s, "
            f"{times_faster(taken, '1 processes', name):.2f} x one, "
            f"{times_faster(taken, '2 processes', name):.2f} x two"
        )


def measure_verify(
    archive: Archive,
    models: dict[str, Forecaster],
    period: tuple[np.datetime64, np.datetime64],
    args: argparse.Namespace,
) -> None:
    """Verify with 1, 2 and 8 workers, and hold the tables against each other."""
    tables: dict[int, object] = {}
    counts: list[int] = []
    cpu: dict[str, list[float]] = {str(n): [] for n in WORKERS}

    def run(workers: int, engine: Engine) -> None:
        found = verify_period(archive, models, *period, lead_times=10, thresholds=[20.0, 30.0], engine=engine)
        table = [(row[:4], float(row[4]).hex()) for row in found.rows]
        assert tables.setdefault(0, table) == table, f"{workers} workers give another table"
        counts.append(found.nowcasts)

    def timed(workers: int) -> float:
        opened: AbstractContextManager[Engine] = open_engine(workers)
        began = time.perf_counter()
        with opened as engine:
            began = began if args.cold else time.perf_counter()
            before = cpu_seconds()
            run(workers, engine)
            cpu[str(workers)].append(cpu_seconds() - before)
            return time.perf_counter() - began

    def alone(processes: int) -> float:
        """Seconds of so many processes that each verify everything, by processes."""
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            list(pool.map(_verified, [(archive, models, period, 1)] * processes))  # started and warm
            began = time.perf_counter()
            list(pool.map(_verified, [(archive, models, period, None)] * processes))
            return (time.perf_counter() - began) / processes

    taken: dict[str, list[float]] = {str(n): [] for n in (*WORKERS, ONE, TWO)}
    for _ in range(args.rounds):
        for workers in WORKERS:
            taken[str(workers)].append(timed(workers))
        taken[ONE].append(alone(1))
        taken[TWO].append(alone(2))
    nowcasts = counts[0]
    print(
        f"verify: {nowcasts} nowcasts of 10 leads by {', '.join(models)}, {archive.grid.shape} cells, "
        f"from {to_text(period[0])}; all tables the same to the last bit"
    )
    print(f"two processes that know nothing of each other: {times_faster(taken, ONE, TWO):.2f} x one")
    for name in map(str, WORKERS):
        seconds = taken[name]
        print(
            f"verify, {name} workers: {median(seconds):7.1f} s, {times_faster(taken, '1', name):.2f} x one, "
            f"{times_faster(taken, '2', name):.2f} x two, CPU {median(cpu[name]) / nowcasts:.3f} s a nowcast, "
            f"{1 / times_faster(cpu, '1', name):.2f} x one"
        )


def cpu_seconds() -> float:
    """CPU time so far of this process and of all that it has started and that are there."""
    here = psutil.Process()
    times = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    return float(sum(spent.user + spent.system for spent in times))


def _verified(
    task: tuple[Archive, dict[str, Forecaster], tuple[np.datetime64, np.datetime64], int | None],
) -> int:
    """Verify a period, or the first nowcast of it, in this process."""
    archive, models, (start, end), most = task
    if most is not None:
        end = start + 25 * archive.step
    return verify_period(archive, models, start, end, lead_times=10, thresholds=[20.0, 30.0]).nowcasts


if __name__ == "__main__":
    sys.exit(main())
