#!/usr/bin/env python3
"""Run the nowcast service through many cycles with faults thrown in, and report what held.

Faults, drawn from a seed: kill -9 at a random moment, a disk that fills up, truncated, empty, late,
duplicate, out-of-order and future-dated files, clock jumps, a broken checkpoint, a model that hangs,
an input folder that cannot be read. After every cycle the output folder is checked as its readers
see it. Exit code 0 when every requirement held, 1 when one did not.

The disk that fills up is a tmpfs of its own where this process may mount one, else a limit on the size of
files. The model that hangs is a named pipe that nobody writes to.

Usage: soak_service.py [--cycles 1000] [--seed 1] [--out FOLDER] [--report FILE.json]
(the report is also written for people, as FILE.md)
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from soak_checks import RAISED, STEP, Soak, check, markdown, report_of
from tqdm import tqdm

from nowcast.core.times import to_text
from nowcast.demo.storm import StormSettings, make_storms, storm_grid
from nowcast.products.odim_h5 import write_composite
from nowcast.service.clock import ManualClock
from nowcast.service.cycle import run_cycle
from nowcast.service.ledger import Ledger
from nowcast.service.settings import InputSettings, ProductSettings, ServiceSettings

START = np.datetime64("2025-06-01T00:00", "ns")
FAULTS = {
    "none": 40,
    "kill": 18,
    "full_disk": 6,
    "truncated": 6,
    "empty": 4,
    "html": 2,
    "late": 6,
    "duplicate": 4,
    "out_of_order": 4,
    "future": 4,
    "clock_back": 2,
    "clock_forward": 2,
    "broken_checkpoint": 1,
    "hanging_model": 1,
    "unreadable_folder": 2,
    "no_frame": 4,
}
DISK_MB = 64


def main() -> int:
    """Run the soak and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="keep the service's folders here")
    parser.add_argument("--report", type=Path, help="write the report as JSON")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with contextlib.ExitStack() as stack:
        folder = args.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        mounted = stack.enter_context(_small_disk(folder / "disk"))
        soak = _prepare(folder, args.seed, args.cycles)
        soak.tmpfs = mounted
        for number in tqdm(range(args.cycles), desc="soak", unit="cycle", disable=None):
            _one(soak, number)
        _settle(soak, args.cycles)
        flat = _long_process(soak, folder, min(args.cycles, 200))
        report = report_of(soak, args, flat)
    text = json.dumps(report, indent=1)
    if args.report:
        args.report.write_text(text + "\n", encoding="utf-8")
        args.report.with_suffix(".md").write_text(markdown(report), encoding="utf-8")
    print(text)
    return 1 if report["broken"] else 0


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small tmpfs for archive and output; yield False where that is not permitted."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def _prepare(folder: Path, seed: int, cycles: int) -> Soak:
    inbox = folder / "incoming"
    inbox.mkdir(parents=True, exist_ok=True)
    (folder / "broken.ckpt").write_bytes(b"PK\x03\x04 this is no checkpoint")
    if not (folder / "hangs.ckpt").exists():
        os.mkfifo(folder / "hangs.ckpt")
    settings = ServiceSettings(
        name="soak",
        archive=folder / "disk" / "archive.zarr",
        output=folder / "disk" / "out",
        inputs=(InputSettings(inbox, ("*.h5",)),),
        settle_seconds=0.0,
        lead_times=4,
        step_minutes=10.0,
        keep_hours=6.0,
        products=ProductSettings(maps=False, odim=True),
        thresholds_dbz=(20.0,),
    )
    storms = StormSettings(seed=seed, frames=min(cycles + 8, 400), size=48, cell_km=4.0, step_minutes=10)
    return Soak(settings, random.Random(seed), make_storms(storms), ahead=cycles + 600)


def _one(soak: Soak, number: int) -> None:
    fault = soak.rng.choices(list(FAULTS), weights=list(FAULTS.values()))[0]
    soak.faults[fault] += 1
    now = START + STEP * number + np.timedelta64(2, "m")
    _deliver(soak, number, fault)
    settings = soak.settings
    if fault == "broken_checkpoint":
        settings = replace(settings, model=str(soak.inbox.parent / "broken.ckpt"))
    elif fault == "hanging_model":
        settings = replace(settings, model=str(soak.inbox.parent / "hangs.ckpt"), budget_seconds=1.0)
    elif fault == "clock_back":
        now -= np.timedelta64(3, "h")
    elif fault == "clock_forward":
        now += np.timedelta64(3, "h")
    unreadable = fault == "unreadable_folder"
    hidden = soak.inbox.with_name("hidden")
    if unreadable:
        soak.inbox.rename(hidden)
    ballast = soak.settings.output.parent / "ballast"
    if fault == "full_disk" and soak.tmpfs:
        _fill(ballast, soak.rng.choice([0, 4096, 20_000, 100_000]))
    began = time.perf_counter()
    code = _in_child(soak, settings, now, fault)
    soak.seconds.append(time.perf_counter() - began)
    ballast.unlink(missing_ok=True)
    if unreadable:
        hidden.rename(soak.inbox)
    check(soak, number, fault, code)


def _fill(ballast: Path, left: int) -> None:
    """Write until the disk is full but for about ``left`` bytes."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 65536)
    with contextlib.suppress(OSError):
        os.truncate(ballast, max(ballast.stat().st_size - left, 0))


def _deliver(soak: Soak, number: int, fault: str) -> None:
    """Put this cycle's files into the inbox, in the state the fault demands."""
    if fault == "no_frame":
        return
    if fault in ("late", "out_of_order"):
        soak.held_back.append(number)
        return
    due, soak.held_back = [*soak.held_back, number], []
    for index in reversed(due):
        path = _write(soak, index)
        if index == number and fault in ("truncated", "empty", "html"):
            content = path.read_bytes()
            bad = {
                "truncated": content[: len(content) // 2],
                "empty": b"",
                "html": b"<!doctype html><title>404</title>",
            }[fault]
            path.write_bytes(bad)
        else:
            soak.delivered.add(START + STEP * index)
        if fault == "duplicate":
            shutil.copy(path, path.with_name(f"copy_{path.name}"))
    if fault == "future":
        ahead = START + STEP * (number + soak.ahead)
        _write(soak, number, ahead)


def _write(soak: Soak, index: int, time_: np.datetime64 | None = None) -> Path:
    moment = START + STEP * index if time_ is None else time_
    name = f"{to_text(moment).replace(':', '').replace('-', '')}_{soak.rng.randrange(10**6)}.h5"
    grid = storm_grid(StormSettings(size=48, cell_km=4.0))
    return write_composite(soak.inbox / name, soak.frames[index % len(soak.frames)], moment, grid)


def _in_child(soak: Soak, settings: ServiceSettings, now: np.datetime64, fault: str) -> int:
    """Run a cycle in a forked process; return its exit code, or minus the signal that ended it."""
    usual = float(np.median(soak.seconds)) if soak.seconds else 0.6
    delay = soak.rng.uniform(0.0, 1.2 * usual)
    limit = soak.rng.choice([256, 4096, 20_000])
    child = os.fork()
    if child == 0:
        code = 70
        try:
            if fault == "full_disk" and not soak.tmpfs:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            with contextlib.redirect_stderr(io.StringIO()):
                code = run_cycle(settings, ManualClock(now)).exit_code
        except BaseException:
            (soak.inbox.parent / RAISED).write_text(traceback.format_exc(), encoding="utf-8")
        finally:
            os._exit(code)
    if fault == "kill":
        time.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _settle(soak: Soak, cycles: int) -> None:
    """Deliver what was held back, run two quiet cycles, then every nowcast with truth must be scored."""
    for extra in range(2):
        _deliver(soak, cycles + extra, "none")
        now = START + STEP * (cycles + extra) + np.timedelta64(2, "m")
        check(soak, cycles + extra, "none", _in_child(soak, soak.settings, now, "none"))
    with contextlib.closing(Ledger(soak.settings.output / "ledger.sqlite")) as ledger:
        leads = [float(k * 10) for k in range(1, soak.settings.lead_times + 1)]
        for nowcast in ledger.nowcasts():
            settled = ledger.settled_lead_times(nowcast.reference_time)
            for minutes in leads:
                valid = nowcast.reference_time + np.timedelta64(int(minutes), "m")
                if valid in soak.delivered and minutes not in settled:
                    soak.fail(f"{to_text(nowcast.reference_time)} + {minutes:g} min: truth came, never scored")


def _long_process(soak: Soak, folder: Path, cycles: int) -> dict[str, float]:
    """Run cycles in this one process; memory and open files must not grow with their number."""
    settings = replace(
        soak.settings,
        archive=folder / "long.zarr",
        output=folder / "long",
        inputs=(InputSettings(folder / "long-incoming", ("*.h5",)),),
        keep_hours=2.0,
    )
    settings.inputs[0].folder.mkdir(exist_ok=True)
    long = replace(soak, settings=settings)
    marks = []
    for number in tqdm(range(cycles), desc="one process", unit="cycle", disable=None):
        _deliver(long, number, "none")
        run_cycle(settings, ManualClock(START + STEP * number + np.timedelta64(2, "m")))
        if number in (cycles // 4, cycles - 1):
            marks.append((_resident_mb(), len(list(Path("/proc/self/fd").iterdir()))))
    grown = marks[-1][0] - marks[0][0]
    if grown > 30 or marks[-1][1] > marks[0][1]:
        soak.fail(f"one process grew by {grown:.0f} MB and {marks[-1][1] - marks[0][1]} files")
    return {
        "cycles": cycles,
        "memory_growth_mb": round(grown, 1),
        "open_files_growth": marks[-1][1] - marks[0][1],
    }


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    sys.exit(main())
