"""Run the configured model against a deadline; when it fails in any way, fall back and say why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError
from nowcast.core.times import to_text, unbroken_runs
from nowcast.forecasters.catalog import FORECASTERS, build_forecaster
from nowcast.products.cf_netcdf import read_forecast
from nowcast.service.settings import ServiceSettings

MOST_LOST = 0.2
"""A forecast that is NaN on more than this share of what the newest frame observed is refused."""
_MOST_PAST = 12
_FEWEST_FOR_MOTION = 2


@dataclass(frozen=True)
class ModelRun:
    """A forecast fit to publish."""

    forecast: xr.DataArray
    model: str
    described: dict[str, str]
    fallback: str
    """Empty when the configured model made it, else the reason why it did not."""


def run_model(settings: ServiceSettings, archive: Archive, issued: np.datetime64) -> ModelRun:
    """Forecast from the frames up to ``issued`` with the configured model, or with what works.

    The model runs in a process of its own, which is killed when the budget is spent: a network that
    hangs, eats the memory or crashes the interpreter costs its process and nothing else. Then
    extrapolation, then persistence is tried in this process.

    Raises:
        NowcastError: not even persistence could say anything.
    """
    reasons: list[str] = []
    if settings.model not in FORECASTERS:
        try:
            return _in_child(settings, archive, issued)
        except NowcastError as error:
            reasons.append(f"{Path(settings.model).name}: {error}")
    for name in ("extrapolation", "persistence"):
        if settings.model == "persistence" and name != "persistence":
            continue
        try:
            return _in_process(settings, name, archive, issued, "; ".join(reasons))
        except (NowcastError, ArithmeticError, ValueError, MemoryError) as error:
            reasons.append(f"{name}: {error}")
    raise NowcastError("no forecast: " + "; ".join(reasons))


def _in_process(
    settings: ServiceSettings, name: str, archive: Archive, issued: np.datetime64, reason: str
) -> ModelRun:
    observed = gap_free_past(archive, issued)
    chosen = {}
    if name == "extrapolation":
        most = build_forecaster(name).needs.past
        if observed.sizes["time"] < _FEWEST_FOR_MOTION:
            raise NowcastError(f"no frame before {to_text(issued)} to tell the motion from")
        chosen["past"] = min(most, observed.sizes["time"])
    forecaster = build_forecaster(name, chosen)
    forecast = forecaster.forecast(observed, lead_times(settings, archive.step))
    return ModelRun(forecast, name, forecaster.describe(), reason)


def gap_free_past(archive: Archive, issued: np.datetime64) -> xr.DataArray:
    """Give up to `_MOST_PAST` frames that lead to ``issued`` without a gap."""
    times = archive.times[archive.times <= issued][-_MOST_PAST:]
    first = unbroken_runs(times, archive.step)[-1][0]
    return archive.frames(times[first:]).compute()


def lead_times(settings: ServiceSettings, step: np.timedelta64) -> np.ndarray:
    """Give the lead times the service publishes."""
    return step * np.arange(1, settings.leads + 1)


def _in_child(settings: ServiceSettings, archive: Archive, issued: np.datetime64) -> ModelRun:
    with tempfile.TemporaryDirectory(prefix="nowcast-") as folder:
        target = Path(folder) / "nowcast.nc"
        command = [
            sys.executable, "-m", "nowcast.cli.main", "forecast", "--archive", str(archive.path),
            "--model", settings.model, "--at", to_text(issued), "--leads", str(settings.leads),
            "--out", str(target),
        ]  # fmt: skip
        _run_until(command, Path(folder) / "log", settings.budget_seconds)
        forecast = read_forecast(target).load()
    _check(forecast, archive, issued, settings)
    described = {k: str(v) for k, v in forecast.attrs.items() if isinstance(v, str)}
    return ModelRun(forecast, str(forecast.attrs.get("model", settings.model)), described, "")


def _run_until(command: list[str], log: Path, budget_seconds: float) -> None:
    began = time.monotonic()
    with log.open("wb") as out:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    try:
        code = child.wait(timeout=budget_seconds)
    except subprocess.TimeoutExpired as error:
        raise NowcastError(f"no answer within its {budget_seconds:g} s") from error
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if code != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else "no output"
        raise NowcastError(
            f"failed with code {code} after {time.monotonic() - began:.1f} s ({last})"
        )


def _check(
    forecast: xr.DataArray, archive: Archive, issued: np.datetime64, settings: ServiceSettings
) -> None:
    """Refuse a forecast with wrong times, or with NaN where something was observed."""
    wanted = issued + lead_times(settings, archive.step)
    if not np.array_equal(forecast["valid_time"].values, wanted):
        raise NowcastError("its valid times are not those asked for")
    seen = np.isfinite(archive.frames(np.array([issued])).values[0])
    lost = float((~np.isfinite(forecast.values[:, seen])).mean()) if seen.any() else 0.0
    if lost > MOST_LOST:
        raise NowcastError(f"{lost:.0%} of what was observed came out as NaN")
