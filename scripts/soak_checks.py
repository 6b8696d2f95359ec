"""What `soak_service.py` holds a service against, and how it tells the result."""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nowcast.core.files import sha256
from nowcast.core.times import parse_time, to_text
from nowcast.service.ledger import Ledger
from nowcast.service.settings import ServiceSettings

STEP = np.timedelta64(10, "m").astype("timedelta64[ns]")
KILLED = -signal.SIGKILL
RAISED = "raised.txt"
"""What a cycle that raised leaves of its traceback, in the folder of the soak."""


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
    ahead: int = 1000
    tmpfs: bool = False

    @property
    def inbox(self) -> Path:
        """Where files come in."""
        return self.settings.inputs[0].folder

    def fail(self, text: str) -> None:
        """Note that a requirement did not hold."""
        self.broken.append(text)


def _last_words(soak: Soak) -> str:
    """What the process that raised had to say; it writes its traceback before it ends."""
    words = soak.inbox.parent / RAISED
    return words.read_text(encoding="utf-8") if words.exists() else "and left no traceback"


def check(soak: Soak, number: int, fault: str, code: int) -> None:
    """Hold the output folder against what is required, as a reader sees it."""
    soak.outcomes[
        {0: "published", 3: "nothing_new", 4: "fallback", 1: "failed", KILLED: "killed"}.get(
            code, f"code {code}"
        )
    ] += 1
    if code < 0 and fault != "kill":
        soak.fail(f"cycle {number} ({fault}): the process died of signal {-code}")
    if code == 70:
        soak.fail(f"cycle {number} ({fault}): the cycle raised {_last_words(soak)}")
    root = soak.settings.output / "issued"
    folders = [p for p in root.iterdir() if not p.name.startswith(".")] if root.is_dir() else []
    for folder in folders:
        if folder.name not in soak.checked:
            soak.checked.add(folder.name)
            _check_folder(soak, folder)
        elif not all((folder / name).exists() for name in ("nowcast.nc", "manifest.json")):
            soak.fail(f"cycle {number} ({fault}): {folder.name} is half there")
    _check_pages(soak, number, fault)
    latest = soak.settings.output / "latest"
    if latest.is_symlink() and not latest.exists():
        soak.fail(f"cycle {number} ({fault}): latest leads nowhere")
    disturbed = fault in ("kill", "full_disk", "unreadable_folder", "clock_back")
    newest = max((t for t in soak.delivered), default=None)
    if not disturbed and newest is not None and not _is_out(soak, newest):
        soak.fail(f"cycle {number} ({fault}, code {code}): no nowcast for {to_text(newest)}")


def _check_pages(soak: Soak, number: int, fault: str) -> None:
    page, status = soak.settings.output / "index.html", soak.settings.output / "status.json"
    if page.exists() and not page.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        soak.fail(f"cycle {number} ({fault}): half a page")
    if status.exists():
        try:
            json.loads(status.read_text(encoding="utf-8"))
        except ValueError:
            soak.fail(f"cycle {number} ({fault}): half a status")


def _is_out(soak: Soak, moment: np.datetime64) -> bool:
    with contextlib.closing(Ledger(soak.settings.output / "ledger.sqlite")) as ledger:
        return ledger.has_nowcast(moment)


def _check_folder(soak: Soak, folder: Path) -> None:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for name, digest in manifest["files"].items():
            if sha256(folder / name) != digest:
                soak.fail(f"{folder.name}/{name}: not what the manifest says")
        start = parse_time(manifest["forecast_reference_time"])
        if start not in soak.delivered:
            soak.fail(f"{folder.name}: starts from a frame that never came")
        with xr.open_dataset(folder / "nowcast.nc", engine="netcdf4") as nowcast:
            times = nowcast["time"].values
        if not np.array_equal(times, start + STEP * np.arange(1, soak.settings.lead_times + 1)):
            soak.fail(f"{folder.name}: wrong valid times")
    except (OSError, ValueError, KeyError) as error:
        soak.fail(f"{folder.name}: half-written or unreadable ({error})")


def report_of(soak: Soak, args: argparse.Namespace, flat: dict[str, float]) -> dict[str, object]:
    """Gather the result: how often each fault came, how the cycles went, what did not hold."""
    with contextlib.closing(Ledger(soak.settings.output / "ledger.sqlite")) as ledger:
        published = len(ledger.nowcasts())
        pending = len(ledger.nowcasts(pending_only=True))
    return {
        "cycles": args.cycles,
        "seed": args.seed,
        "faults": dict(soak.faults),
        "full_disk_by": "tmpfs" if soak.tmpfs else "limit on the size of files",
        "outcomes": dict(soak.outcomes),
        "nowcasts_published": published,
        "nowcasts_pending": pending,
        "folders_checked": len(soak.checked),
        "cycle_seconds_median": round(float(np.median(soak.seconds)), 3),
        "minutes": round(sum(soak.seconds) / 60, 1),
        "one_process": flat,
        "broken": soak.broken,
    }


def markdown(report: dict[str, Any]) -> str:
    """Write the report for people."""
    rows = [f"| {k.replace('_', ' ')} | {_said(v)} |" for k, v in report.items() if k != "broken"]
    held = "Every requirement held." if not report["broken"] else "**What did not hold:**"
    lines = ["# Soak of the nowcast service", "", "| | |", "|---|---|", *rows, "", held, ""]
    return "\n".join([*lines, *(f"- {line}" for line in report["broken"])]) + "\n"


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{v} {str(k).replace('_', ' ')}" for k, v in value.items())
    return str(value)
