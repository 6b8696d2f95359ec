#!/usr/bin/env python3
"""Run the nowcast service through many cycles with faults thrown in, and report what held.

Faults, drawn from a seed: kill -9 at a random moment, a disk that fills up, truncated, empty, late,
duplicate, out-of-order and future-dated files, clock jumps, a broken checkpoint, a model that hangs,
an input folder that cannot be read. After every cycle the output folder is checked as its readers
see it. Exit code 0 when every requirement held, 1 when one did not.

Usage: soak_service.py [--cycles 1000] [--seed 1] [--out FOLDER] [--report FILE.json]
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
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import xarray as xr
from tqdm import tqdm

from nowcast.core.files import sha256
from nowcast.core.times import parse_time, to_text
from nowcast.demo.storm import StormSettings, make_storms, storm_grid
from nowcast.products.odim_h5 import write_composite
from nowcast.service.clock import ManualClock
from nowcast.service.cycle import run_cycle
from nowcast.service.ledger import Ledger
from nowcast.service.settings import InputSettings, ProductSettings, ServiceSettings

STEP = np.timedelta64(10, "m").astype("timedelta64[ns]")
START = np.datetime64("2025-06-01T00:00", "ns")
FAULTS = {
    "none": 40, "kill": 18, "full_disk": 6, "truncated": 6, "empty": 4, "html": 2, "late": 6,
    "duplicate": 4, "out_of_order": 4, "future": 4, "clock_back": 2, "clock_forward": 2,
    "broken_checkpoint": 1, "hanging_model": 1, "unreadable_folder": 2, "no_frame": 4,
}  # fmt: skip
KILLED = -signal.SIGKILL


@dataclass
class Soak:
    """The run so far."""

    settings: ServiceSettings
    rng: random.Random
    frames: np.ndarray
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    delivered: set[np.datetime64] = field(default_factory=set)
    held_back: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    checked: set[str] = field(default_factory=set)
    recovering: int = 0

    @property
    def inbox(self) -> Path:
        """Where files come in."""
        return self.settings.inputs[0].folder

    def fail(self, text: str) -> None:
        """Note that a requirement did not hold."""
        self.broken.append(text)


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
        soak = _prepare(folder, args.seed, args.cycles)
        for number in tqdm(range(args.cycles), desc="soak", unit="cycle", disable=None):
            _one(soak, number)
        _settle(soak, args.cycles)
        flat = _long_process(soak, folder, min(args.cycles, 200))
        report = _report(soak, args, flat)
    text = json.dumps(report, indent=1)
    if args.report:
        args.report.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 1 if report["broken"] else 0


def _prepare(folder: Path, seed: int, cycles: int) -> Soak:
    inbox = folder / "incoming"
    inbox.mkdir(parents=True, exist_ok=True)
    (folder / "broken.ckpt").write_bytes(b"PK\x03\x04 this is no checkpoint")
    settings = ServiceSettings(
        name="soak", archive=folder / "archive.zarr", output=folder / "out",
        inputs=(InputSettings(inbox, ("*.h5",)),), settle_seconds=0.0, leads=4, step_minutes=10.0,
        keep_hours=6.0, products=ProductSettings(maps=False, odim=True), thresholds_dbz=(20.0,),
    )  # fmt: skip
    storms = StormSettings(
        seed=seed, frames=min(cycles + 8, 400), size=48, cell_km=4.0, step_minutes=10
    )
    return Soak(settings, random.Random(seed), make_storms(storms))


def _one(soak: Soak, number: int) -> None:
    fault = soak.rng.choices(list(FAULTS), weights=list(FAULTS.values()))[0]
    soak.faults[fault] += 1
    now = START + STEP * number + np.timedelta64(2, "m")
    _deliver(soak, number, fault)
    settings = soak.settings
    if fault == "broken_checkpoint":
        settings = replace(settings, model=str(soak.inbox.parent / "broken.ckpt"))
    elif fault == "hanging_model":
        settings = replace(settings, model="/dev/stdin", budget_seconds=1.0)
    elif fault == "clock_back":
        now -= np.timedelta64(3, "h")
    elif fault == "clock_forward":
        now += np.timedelta64(3, "h")
    unreadable = fault == "unreadable_folder"
    hidden = soak.inbox.with_name("hidden")
    if unreadable:
        soak.inbox.rename(hidden)
    began = time.perf_counter()
    code = _in_child(settings, now, fault, soak.rng)
    soak.seconds.append(time.perf_counter() - began)
    if unreadable:
        hidden.rename(soak.inbox)
    _check(soak, number, fault, code)


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
            bad = {"truncated": content[: len(content) // 2], "empty": b"",
                   "html": b"<!doctype html><title>404</title>"}[fault]  # fmt: skip
            path.write_bytes(bad)
        else:
            soak.delivered.add(START + STEP * index)
        if fault == "duplicate":
            shutil.copy(path, path.with_name(f"copy_{path.name}"))
    if fault == "future":
        ahead = START + STEP * (number + 600)
        _write(soak, number, ahead)


def _write(soak: Soak, index: int, time_: np.datetime64 | None = None) -> Path:
    moment = START + STEP * index if time_ is None else time_
    name = f"{to_text(moment).replace(':', '').replace('-', '')}_{soak.rng.randrange(10**6)}.h5"
    grid = storm_grid(StormSettings(size=48, cell_km=4.0))
    return write_composite(soak.inbox / name, soak.frames[index % len(soak.frames)], moment, grid)


def _in_child(settings: ServiceSettings, now: np.datetime64, fault: str, rng: random.Random) -> int:
    """Run a cycle in a forked process; give its exit code, or minus the signal that ended it."""
    delay = rng.uniform(0.0, 0.6)
    child = os.fork()
    if child == 0:
        code = 70
        try:
            if fault == "full_disk":
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                limit = rng.choice([256, 4096, 20_000])
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            with contextlib.redirect_stderr(io.StringIO()):
                code = run_cycle(settings, ManualClock(now)).exit_code
        finally:
            os._exit(code)
    if fault == "kill":
        time.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _check(soak: Soak, number: int, fault: str, code: int) -> None:
    """Hold the output folder against what is required, as a reader sees it."""
    soak.outcomes[{0: "published", 3: "nothing_new", 4: "fallback", 1: "failed", KILLED: "killed"}.get(
        code, f"code {code}")] += 1  # fmt: skip
    if code == 70:
        soak.fail(f"cycle {number} ({fault}): the cycle raised")
    root = soak.settings.output / "issued"
    folders = [p for p in root.iterdir() if not p.name.startswith(".")] if root.is_dir() else []
    for folder in folders:
        if folder.name not in soak.checked:
            soak.checked.add(folder.name)
            _check_folder(soak, folder)
    latest = soak.settings.output / "latest"
    if latest.is_symlink() and not latest.exists():
        soak.fail(f"cycle {number} ({fault}): latest leads nowhere")
    disturbed = fault in ("kill", "full_disk", "unreadable_folder", "clock_back")
    soak.recovering = 1 if disturbed else 0
    newest = max((t for t in soak.delivered), default=None)
    if not disturbed and newest is not None and not _is_out(soak, newest):
        soak.fail(f"cycle {number} ({fault}, code {code}): no nowcast for {to_text(newest)}")


def _is_out(soak: Soak, moment: np.datetime64) -> bool:
    with contextlib.closing(Ledger(soak.settings.output / "ledger.sqlite")) as ledger:
        return ledger.is_issued(moment)


def _check_folder(soak: Soak, folder: Path) -> None:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for name, digest in manifest["files"].items():
            if sha256(folder / name) != digest:
                soak.fail(f"{folder.name}/{name}: not what the manifest says")
        issued = parse_time(manifest["issued"])
        if issued not in soak.delivered:
            soak.fail(f"{folder.name}: issued from a frame that never came")
        with xr.open_dataset(folder / "nowcast.nc", engine="netcdf4") as nowcast:
            times = nowcast["time"].values
        if not np.array_equal(times, issued + STEP * np.arange(1, soak.settings.leads + 1)):
            soak.fail(f"{folder.name}: wrong valid times")
    except (OSError, ValueError, KeyError) as error:
        soak.fail(f"{folder.name}: half-written or unreadable ({error})")


def _settle(soak: Soak, cycles: int) -> None:
    """Deliver what was held back, run two quiet cycles, then every nowcast with truth must be scored."""
    for extra in range(2):
        _deliver(soak, cycles + extra, "none")
        now = START + STEP * (cycles + extra) + np.timedelta64(2, "m")
        _check(soak, cycles + extra, "none", _in_child(soak.settings, now, "none", soak.rng))
    with contextlib.closing(Ledger(soak.settings.output / "ledger.sqlite")) as ledger:
        leads = [float(k * 10) for k in range(1, soak.settings.leads + 1)]
        for nowcast in ledger.issued():
            settled = ledger.settled_leads(nowcast.issued)
            for minutes in leads:
                valid = nowcast.issued + np.timedelta64(int(minutes), "m")
                if valid in soak.delivered and minutes not in settled:
                    soak.fail(
                        f"{to_text(nowcast.issued)} + {minutes:g} min: truth came, never scored"
                    )


def _long_process(soak: Soak, folder: Path, cycles: int) -> dict[str, float]:
    """Run cycles in this one process; memory and open files must not grow with their number."""
    settings = replace(
        soak.settings, archive=folder / "long.zarr", output=folder / "long",
        inputs=(InputSettings(folder / "long-incoming", ("*.h5",)),), keep_hours=2.0,
    )  # fmt: skip
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
    return {"cycles": cycles, "memory_growth_mb": round(grown, 1),
            "open_files_growth": marks[-1][1] - marks[0][1]}  # fmt: skip


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _report(soak: Soak, args: argparse.Namespace, flat: dict[str, float]) -> dict[str, object]:
    with contextlib.closing(Ledger(soak.settings.output / "ledger.sqlite")) as ledger:
        issued = len(ledger.issued())
        pending = len(ledger.issued(pending_only=True))
    return {
        "cycles": args.cycles, "seed": args.seed, "faults": dict(soak.faults),
        "outcomes": dict(soak.outcomes), "nowcasts_issued": issued, "nowcasts_pending": pending,
        "folders_checked": len(soak.checked),
        "cycle_seconds_median": round(float(np.median(soak.seconds)), 3),
        "one_process": flat, "broken": soak.broken,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
