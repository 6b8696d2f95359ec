"""What a cold `nowcast forecast` takes beyond its work, from start to file, by model.

    OMP_NUM_THREADS=1 python scripts/benchmark_cold.py ARCHIVE.zarr [--models NAME ...] [--rounds 5]

In each round every model takes its turn: the whole command in a process of its own (``--no-page``), and its
work alone in this process, where everything is loaded and has been done once: reading the frames of the
archive, the forecast with its post-processing, and writing the file. Overhead is the difference of the two in a
round: start of Python, imports, the network's weights, first calls, the end of the process. Medians and
quartiles, of CPU seconds (user and system, of all threads) and of the clock, which means something only where
nothing else runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmark_packaged import spread

from nowcast.core.text_table import text_table
from nowcast.forecasters.catalog import build_forecaster
from nowcast.workflows.forecast import forecast
from nowcast.workflows.open_archive import open_archive
from nowcast.workflows.write_forecast import write_as


class Taken(NamedTuple):
    """Seconds."""

    cpu: float
    clock: float

    def beyond(self, other: Taken) -> Taken:
        """What this took more than another."""
        return Taken(self.cpu - other.cpu, self.clock - other.clock)


def main() -> None:
    """Measure and print a row for the command, its work and what lies between, of each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--models", nargs="+", default=["extrapolation", "motionrnn"])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    taken: dict[str, dict[str, list[Taken]]] = {
        name: {"command": [], "work": [], "overhead": []} for name in args.models
    }
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "forecast.nc"
        work = {name: _work(args.archive, name, out) for name in args.models}
        for turn in range(args.rounds + 1):
            for name, found in taken.items():
                command, warm = _command(args.archive, name, out), _timed(work[name])
                if turn:  # the first round fills the page cache and loads what is loaded once
                    found["command"].append(command)
                    found["work"].append(warm)
                    found["overhead"].append(command.beyond(warm))
    rows = [["model", "what", "CPU s", "clock s"]]
    for name, found in taken.items():
        rows += [[name, what, *map(_between, zip(*values, strict=True))] for what, values in found.items()]
    print(text_table(rows))


def _command(archive: Path, name: str, out: Path) -> Taken:
    words = ["--archive", str(archive), "--model", name, "--no-page", "--out", str(out)]

    def run() -> None:
        command = [sys.executable, "-m", "nowcast", "forecast", *words]
        subprocess.run(command, check=True, env=_environment(), capture_output=True)

    return _timed(run)


def _environment() -> dict[str, str]:
    """That of this process, with Python's compiled modules kept, as they are where a package is installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _work(archive: Path, name: str, out: Path) -> Callable[[], object]:
    opened, model = open_archive(archive), build_forecaster(name, step=open_archive(archive).step)
    return lambda: write_as(out, forecast(opened, model))


def _timed(job: Callable[[], object]) -> Taken:
    """The seconds that a job takes, in this process and in those that it starts and waits for."""
    before, began = os.times(), time.perf_counter()
    job()
    clock, after = time.perf_counter() - began, os.times()
    return Taken(sum(after[:4]) - sum(before[:4]), clock)


def _between(values: tuple[float, ...]) -> str:
    low, middle, high = spread(list(values))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
