"""Default threads beside chosen ones, for whole commands: on quiet cores, and with a busy loop on one of them.

    python scripts/benchmark_threads.py ARCHIVE.zarr [--rounds 3] [--commands forecast train] [--steps 6]

`nowcast forecast` by the packaged MotionRNN and `nowcast train` of a few iterations on moving digits, from
start to end, with the environment as a user has it (no variable set), with 1 and 2 threads, and with threads
that wait by spinning (OMP_WAIT_POLICY=active); settings take turns in each round. Medians of the clock and of
the CPU, and the clock as a ratio to the best setting of the round: 1.1 is the most that the default may have.
The clock means something only where nothing else runs; the busy loop is kept on the first core.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from nowcast.core.text_table import text_table

SETTINGS: Mapping[str, Mapping[str, str]] = {
    "default": {},
    "1 thread": {"OMP_NUM_THREADS": "1"},
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "spinning": {"OMP_WAIT_POLICY": "active"},
}
_OF_THREADS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


class Taken(NamedTuple):
    """What one command took, in seconds."""

    clock: float
    cpu: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commands", nargs="+", default=["forecast", "train"], choices=["forecast", "train"])
    parser.add_argument("--steps", type=int, default=6, help="iterations of the training (6)")
    args = parser.parse_args()
    rows = [["command", "one core is", "threads", "clock s", "CPU s", "clock to the best"]]
    with tempfile.TemporaryDirectory() as scratch:
        for command in args.commands:
            words = _words(command, args.archive, args.steps, Path(scratch))
            for busy in (False, True):
                with _busy_loop() if busy else contextlib.nullcontext():
                    rows += _rows(command, busy, _turns(words, args.rounds))
    print(text_table(rows))


def _words(command: str, archive: Path, steps: int, scratch: Path) -> list[str]:
    if command == "forecast":
        out = str(scratch / "forecast.nc")
        chosen = ["--archive", str(archive), "--model", "motionrnn", "--no-page", "--out", out]
    else:
        few = [f"training.steps={steps}", "training.minutes=null", "data.validation_clips=2"]
        chosen = ["moving_digits_motionrnn", "--out", str(scratch / "runs"), "--set", *few]
    return [sys.executable, "-m", "nowcast", command, *chosen]


def _turns(words: list[str], rounds: int) -> dict[str, list[Taken]]:
    taken: dict[str, list[Taken]] = {name: [] for name in SETTINGS}
    for turn in range(rounds + 1):
        for name, chosen in SETTINGS.items():
            found = _run(words, chosen)
            if turn:  # the first round fills the page cache
                taken[name].append(found)
    return taken


def _run(words: list[str], chosen: Mapping[str, str]) -> Taken:
    plain = {name: value for name, value in os.environ.items() if name not in _OF_THREADS}
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(words, env={**plain, **chosen}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: ended with {done.returncode}\n{done.stderr[-2000:]}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Taken(time.perf_counter() - began, cpu)


def _rows(command: str, busy: bool, taken: Mapping[str, list[Taken]]) -> list[list[str]]:
    best = [min(one.clock for one in turn) for turn in zip(*taken.values(), strict=True)]
    return [
        [
            command,
            "busy" if busy else "quiet",
            name,
            f"{median(one.clock for one in found):.2f}",
            f"{median(one.cpu for one in found):.2f}",
            f"{median(one.clock / least for one, least in zip(found, best, strict=True)):.2f}",
        ]
        for name, found in taken.items()
    ]


@contextlib.contextmanager
def _busy_loop() -> Iterator[None]:
    process = multiprocessing.Process(target=_spin, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _spin() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    while True:
        pass


if __name__ == "__main__":
    main()
