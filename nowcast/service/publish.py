"""Products of one nowcast: a folder that appears whole, with a manifest, and `latest` that points at it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nowcast.archive.reader import Archive
from nowcast.core.errors import FileError, NowcastError
from nowcast.core.field import NAME
from nowcast.core.files import provenance, sha256, whole_file, whole_folder
from nowcast.core.grid import Grid
from nowcast.core.times import minutes, to_text
from nowcast.products.cf_netcdf import write_forecast
from nowcast.products.odim_h5 import write_composite
from nowcast.service.ledger_schema import Issued
from nowcast.service.model_run import ModelRun
from nowcast.service.settings import ServiceSettings

log = logging.getLogger(__name__)
FORECAST_FILE = "nowcast.nc"
MANIFEST = "manifest.json"
ISSUED = "issued"


def folder_of(issued: np.datetime64) -> str:
    """Give the folder of a nowcast below the output folder; made of its time alone."""
    text = np.datetime_as_string(issued.astype("datetime64[s]"))
    return f"{ISSUED}/{text.replace('-', '').replace(':', '')}Z"


def publish(
    settings: ServiceSettings, archive: Archive, issued: np.datetime64, run: ModelRun,
    published: np.datetime64, say: Callable[[str], None],
) -> tuple[Issued, dict[str, Any]]:  # fmt: skip
    """Write all products of a nowcast and make them visible in one step.

    The folder is filled out of sight and renamed, then ``latest`` is exchanged in one step; a crash at
    any moment leaves the old state or the new one. A picture that cannot be drawn or a format that
    cannot be written does not keep the forecast back: it is said and left out.

    Args:
        settings: the service.
        archive: where the forecast started from.
        issued: its newest frame.
        run: the forecast.
        published: the present.
        say: takes one line about what was left out.

    Raises:
        NowcastError: a valid time not after the last observation, a full disk, an unwritable folder.
    """
    first = run.forecast["valid_time"].values[0]
    if first <= issued:
        raise NowcastError(
            f"nowcast: first valid time {to_text(first)}, expected one after the last observation "
            f"{to_text(issued)}; nothing was published"
        )
    name = folder_of(issued)
    with whole_folder(settings.output / name) as folder:
        _write_products(settings, folder, archive, run, say)
        manifest = _manifest(settings, folder, archive, issued, run, published)
        with whole_file(folder / MANIFEST) as part:
            part.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        _flush(folder)
    _flush(settings.output / ISSUED)
    return Issued(issued, run.model, run.fallback, name), manifest


def point_latest(output: Path, folder: str) -> None:
    """Make ``output/latest`` lead to ``folder`` in one step."""
    temporary = output / f".latest.{uuid.uuid4().hex[:8]}"
    try:
        temporary.symlink_to(folder)
        temporary.replace(output / "latest")
    except OSError as error:
        raise FileError(f"{output / 'latest'}: cannot be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """Bring a folder and what is in it onto the disk, so that a power cut leaves no empty file in it."""
    for path in (folder, *folder.rglob("*")) if folder.name != ISSUED else (folder,):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _write_products(
    settings: ServiceSettings, folder: Path, archive: Archive, run: ModelRun,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    fallback = {"fallback": run.fallback} if run.fallback else {}
    write_forecast(folder / FORECAST_FILE, run.forecast, fallback)
    makers = {"odim": _write_odim, "geotiff": _write_geotiff, "maps": _draw}
    for name, make in makers.items():
        if not getattr(settings.products, name):
            continue
        try:
            make(folder / name, archive, run.forecast[NAME])
        except OSError:
            raise
        except Exception as error:
            if isinstance(error, FileError):  # the disk: the nowcast would not fit either
                raise
            log.warning("%s", name, exc_info=error)
            say(f"no {name}: {error}")
            shutil.rmtree(folder / name, ignore_errors=True)


def _write_odim(folder: Path, _archive: Archive, forecast: xr.DataArray) -> None:
    folder.mkdir()
    grid = Grid.of(forecast)
    how = {"forecast_reference_time": to_text(forecast["forecast_reference_time"].values.reshape(1)[0])}
    for stem, frame, valid in _each(forecast):
        write_composite(folder / f"{stem}.h5", frame, valid, grid, how=how)


def _write_geotiff(folder: Path, _archive: Archive, forecast: xr.DataArray) -> None:
    from nowcast.products.geotiff import write_geotiff

    folder.mkdir()
    grid = Grid.of(forecast)
    for stem, frame, valid in _each(forecast):
        write_geotiff(folder / f"{stem}.tif", frame, valid, grid)


def _each(forecast: xr.DataArray) -> Iterator[tuple[str, np.ndarray, np.datetime64]]:
    for i, lead in enumerate(forecast["lead_time"].values):
        yield f"lead_{int(minutes(lead)):04d}", forecast.values[i], forecast["valid_time"].values[i]


def _draw(folder: Path, archive: Archive, forecast: xr.DataArray) -> None:
    from nowcast.report.loop import draw_loop

    draw_loop(folder, archive.frames(forecast["forecast_reference_time"].values.reshape(1)), forecast)


def _manifest(
    settings: ServiceSettings, folder: Path, archive: Archive, issued: np.datetime64,
    run: ModelRun, published: np.datetime64,
) -> dict[str, Any]:  # fmt: skip
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {
        "service": settings.name,
        "issued": to_text(issued),
        "published": to_text(published),
        "model": run.model,
        "fallback": run.fallback,
        **{key: run.forecast.attrs[key] for key in ("observed_from", "licence")},
        "checkpoint_sha256": run.forecast.attrs.get("checkpoint_sha256", ""),
        "archive_fingerprint": archive.fingerprint,
        "valid_times": [to_text(v) for v in run.forecast["valid_time"].values],
        "files": {p.relative_to(folder).as_posix(): sha256(p) for p in files},
        "made_with": provenance(),
    }
