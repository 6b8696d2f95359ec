"""Run the configured model against a deadline; when it fails in any way, fall back and say why."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError, printable
from nowcast.core.settings import plain
from nowcast.core.times import minutes, parse_time, to_text
from nowcast.forecasters.catalog import build_forecaster
from nowcast.products.cf_netcdf import read_forecast
from nowcast.service.asked import BASELINES, Note
from nowcast.service.making import make_forecast
from nowcast.service.model_child import FORECAST_FILE, NOTES, STEP
from nowcast.service.settings import ServiceSettings

log = logging.getLogger(__name__)
MOST_LOST = 0.2
"""A forecast that is NaN on more than this share of what the newest frame observed is refused."""
WORK = ".work"
"""Folder below the output folder for what is not finished; what a crash leaves in it is removed."""
MADE = ".made"
"""Folder below the output folder for what a model's process has made, until it is published."""


@dataclass(frozen=True)
class ModelRun:
    """A forecast fit to publish."""

    forecast: xr.Dataset
    """All of it, or where ``made`` is given its one field alone."""
    model: str
    fallback: str
    """Empty when the configured model made it, else the reason why it did not."""
    made: Path | None = None
    """Folder with the forecast file and what is said of places and warnings, where they are written already."""


class ModelProcess:
    """The configured model in a process of its own, loading while the cycle takes in files.

    So runs all but a baseline without members: memory for 24 members belongs to a process that ends.

    It answers one request. `close` kills it; so does the end of the cycle's process, and the kernel
    takes it first when memory runs out.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._folder = settings.output / WORK
        drawn = settings.members is not None and settings.calibration is not None
        self.used = settings.model not in BASELINES or drawn
        """Whether the model needs a process."""
        self._child: subprocess.Popen[bytes] | None = None
        self.last_step: np.timedelta64 | None = None
        """Step of the model; None until it was loaded once, and for one that takes any."""

    def start(self) -> None:
        """Begin to load the model, if it is one that needs a process; a second call does nothing."""
        if self._child is not None or not self.used:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "nowcast.service.model_child",
            self._settings.model,
            json.dumps(self._settings.model_settings),
            str(os.getpid()),
            str(self._settings.memory_gb or 0.0),
            str(self._folder / STEP),
            str(self._archive_seconds()),
            self._settings.device,
        ]
        with (self._folder / "log").open("wb") as out:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=_environment(),
            )

    def _archive_seconds(self) -> int:
        """Seconds between two frames of the archive; 0 while nobody can tell."""
        step = self._settings.step
        if step is None:
            with contextlib.suppress(NowcastError):
                step = Archive.open(self._settings.archive).step
        return 0 if step is None else round(minutes(step) * 60)

    def answer(
        self, settings: ServiceSettings, archive: Archive, reference_time: np.datetime64, note: Note
    ) -> Path:
        """Have it forecast, within ``budget_seconds`` from now; return the folder with what it made.

        What it could not make beside the forecast, also because time was over, is noted.

        Args:
            settings: the service, without what its archive cannot give.
            archive, reference_time: to start from.
            note: takes one line about what was left out.

        Raises:
            NowcastError: it failed, was killed, or did not answer in time.
        """
        began = time.monotonic()
        made = settings.output / MADE
        try:
            self.start()
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            request = {
                "archive": str(archive.path.absolute()),
                "reference_time": to_text(reference_time),
                "settings": plain(settings),
                "folder": str(made.absolute()),
            }
            self._ask(json.dumps(request), self._settings.budget_seconds)
        except OSError as error:
            spent = time.monotonic() - began
            raise NowcastError(f"could not be run after {spent:.1f} s ({error})") from error
        except NowcastError as error:
            if not (made / FORECAST_FILE).is_file():
                raise
            note(f"not all is said of places and warnings: {error}")
        finally:
            self.close()
            with contextlib.suppress(OSError):
                for line in (made / NOTES).read_text(encoding="utf-8", errors="replace").splitlines():
                    note(line)
        return made

    def _ask(self, request: str, budget_seconds: float) -> None:
        child = self._child
        assert child is not None
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is dead already: its exit code tells more
            child.stdin.write(request.encode() + b"\n")
            child.stdin.flush()
        try:
            code = child.wait(timeout=budget_seconds)
        except subprocess.TimeoutExpired as error:
            raise NowcastError(f"no answer within its {budget_seconds:g} s") from error
        if code != 0:
            how = f"code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
            raise NowcastError(f"failed with {how} ({self._last_line()})")

    def _last_line(self) -> str:
        text = (self._folder / "log").read_text(encoding="utf-8", errors="replace")
        lines = text.strip().splitlines()
        return printable(lines[-1][:500]) if lines else "no output"

    def close(self) -> None:
        """End the process and remove what it left."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if child.stdin is not None:
            with contextlib.suppress(OSError):
                child.stdin.close()
        with contextlib.suppress(OSError, ValueError):
            self.last_step = np.timedelta64(int((self._folder / STEP).read_text(encoding="ascii")), "s")
        shutil.rmtree(self._folder, ignore_errors=True)


def run_model(
    settings: ServiceSettings,
    archive: Archive,
    reference_time: np.datetime64,
    process: ModelProcess,
    note: Note,
) -> ModelRun:
    """Forecast from the frames up to a forecast reference time with the configured model, or with what works.

    A network, and whatever has members, runs in ``process``, which is killed when the budget is spent: one that
    hangs, eats the memory or crashes the interpreter costs its process and nothing else. Then extrapolation,
    then persistence is tried in this process, for the same lead times and without members.

    Raises:
        NowcastError: not even persistence could forecast.
    """
    reasons: list[str] = []
    step = archive.step
    if process.used:
        try:
            made = process.answer(settings, archive, reference_time, note)
            found = read_forecast(made / FORECAST_FILE, only=())
            _check(found, archive, settings)
            return ModelRun(found, str(found.attrs.get("model", settings.model)), "", made)
        except NowcastError as error:
            shutil.rmtree(settings.output / MADE, ignore_errors=True)
            reasons.append(f"{Path(settings.model).name}: {error}")
            step = process.last_step or _published_step(settings) or step
    leads = step * np.arange(1, settings.lead_times + 1)
    alone = replace(settings, members=None)
    for name in BASELINES:
        if settings.model == "persistence" and name != "persistence":
            continue
        own = settings.model_settings if name == settings.model else {}
        try:
            found = make_forecast(
                alone,
                archive,
                build_forecaster(name, own),
                reference_time,
                leads,
                note,
                stands_in=name != settings.model,
            )
            return ModelRun(found, name, "; ".join(reasons))
        except Exception as error:
            if not isinstance(error, NowcastError):
                log.exception("%s failed", name)
            reasons.append(f"{name}: {error}")
    raise NowcastError("no forecast: " + "; ".join(reasons))


def _published_step(settings: ServiceSettings) -> np.timedelta64 | None:
    """Step between the lead times of the newest nowcast: those of one that stands in stay the same."""
    try:
        text = (settings.output / "latest" / "manifest.json").read_text(encoding="utf-8")
        valid = [parse_time(time) for time in json.loads(text)["valid_times"][:2]]
    except (OSError, ValueError, KeyError, TypeError, NowcastError):
        return None
    return valid[1] - valid[0] if len(valid) == 2 else None


def _check(found: xr.Dataset, archive: Archive, settings: ServiceSettings) -> None:
    """Refuse a forecast of too few lead times, of another grid, or with NaN where something was observed."""
    dbz = found["reflectivity"].values
    expected = (settings.lead_times, *archive.grid.shape)
    if dbz.shape != expected:
        raise NowcastError(f"its reflectivity is {dbz.shape}, expected {expected}")
    start = found["forecast_reference_time"].values.reshape(1)
    observed = np.isfinite(archive.frames(start).values[0])
    lost = float((~np.isfinite(dbz[:, observed])).mean()) if observed.any() else 0.0
    if lost > MOST_LOST:
        raise NowcastError(f"{lost:.0%} of what was observed came out as NaN")


def _environment() -> dict[str, str]:
    """Threads that wait by spinning are fast alone, and several times slower when a core is shared."""
    return {"OMP_WAIT_POLICY": "passive", **os.environ}
