"""Products of one nowcast: a folder that appears whole, with a manifest, and `latest` that points at it."""

from __future__ import annotations

import json
import logging
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nowcast.archive.reader import Archive
from nowcast.core.errors import FileError, NowcastError
from nowcast.core.files import provenance, sha256, whole_file, whole_folder
from nowcast.core.grid import Grid
from nowcast.core.times import minutes, to_text
from nowcast.products.cf_netcdf import write_forecast
from nowcast.products.odim_h5 import write_composite
from nowcast.service.ledger import Issued, Ledger
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
    published: np.datetime64,
) -> tuple[Issued, dict[str, Any]]:  # fmt: skip
    """Write all products of a nowcast and make them visible in one step.

    The folder is filled out of sight and renamed, then ``latest`` is exchanged in one step; a crash at
    any moment leaves the old state or the new one.

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
        _write_products(settings, folder, archive, run)
        manifest = _manifest(settings, folder, archive, issued, run, published)
        with whole_file(folder / MANIFEST) as part:
            part.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
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


def recover(settings: ServiceSettings, ledger: Ledger, now: np.datetime64) -> int:
    """Bring folder and ledger together after a crash; give how many nowcasts were entered anew.

    What was published but not yet written down is read from its manifest; what was half-written is
    removed (it was never visible under a name that anybody looks at).
    """
    root = settings.output / ISSUED
    found = 0
    if root.is_dir():
        for entry in sorted(root.iterdir()):
            if entry.name.startswith("."):
                shutil.rmtree(entry, ignore_errors=True)
                continue
            found += _enter(settings, ledger, entry, now)
    for litter in settings.output.glob(".*.part"):
        litter.unlink(missing_ok=True)
    newest = next((n for n in reversed(ledger.issued()) if n.folder), None)
    latest = settings.output / "latest"
    if newest and (not latest.is_symlink() or str(latest.readlink()) != newest.folder):
        point_latest(settings.output, newest.folder)
    return found


def _enter(settings: ServiceSettings, ledger: Ledger, entry: Path, now: np.datetime64) -> int:
    try:
        manifest = json.loads((entry / MANIFEST).read_text(encoding="utf-8"))
        issued = np.datetime64(str(manifest["issued"]).removesuffix("Z"), "ns")
        if ledger.is_issued(issued):
            return 0
        row = Issued(issued, str(manifest["model"]), str(manifest["fallback"]), folder_of(issued))
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s: no readable manifest (%s)", entry.name, error)
        return 0
    if entry != settings.output / row.folder:
        return 0
    ledger.note_nowcast(row, now, manifest)
    return 1


def prune(settings: ServiceSettings, ledger: Ledger, newest: np.datetime64) -> int:
    """Remove the files of nowcasts older than ``keep_hours``; give how many. Their scores stay."""
    limit = newest - np.timedelta64(int(settings.keep_hours * 3600), "s")
    gone = 0
    for nowcast in ledger.issued():
        if nowcast.issued < limit and nowcast.folder:
            shutil.rmtree(settings.output / folder_of(nowcast.issued), ignore_errors=True)
            ledger.forget_folder(nowcast.issued)
            gone += 1
    return gone


def _write_products(
    settings: ServiceSettings, folder: Path, archive: Archive, run: ModelRun
) -> None:
    described = {**run.described, "archive_fingerprint": archive.fingerprint}
    if run.fallback:
        described["fallback"] = run.fallback
    write_forecast(folder / FORECAST_FILE, run.forecast, described)
    grid = Grid.of(run.forecast)
    for i, lead in enumerate(run.forecast["lead_time"].values):
        frame = run.forecast.values[i]
        valid = run.forecast["valid_time"].values[i]
        stem = f"lead_{int(minutes(lead)):04d}"
        if settings.products.odim:
            (folder / "odim").mkdir(exist_ok=True)
            write_composite(folder / "odim" / f"{stem}.h5", frame, valid, grid)
        if settings.products.geotiff:
            from nowcast.products.geotiff import write_geotiff

            (folder / "geotiff").mkdir(exist_ok=True)
            write_geotiff(folder / "geotiff" / f"{stem}.tif", frame, valid, grid)
    if settings.products.maps:
        _draw(folder, archive, run.forecast)


def _draw(folder: Path, archive: Archive, forecast: xr.DataArray) -> None:
    from nowcast.report.loop import draw_loop

    draw_loop(folder / "maps", archive.frames(forecast["issued"].values.reshape(1)), forecast)


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
        "checkpoint_sha256": run.described.get("checkpoint_sha256", ""),
        "archive_fingerprint": archive.fingerprint,
        "valid_times": [to_text(v) for v in run.forecast["valid_time"].values],
        "files": {p.relative_to(folder).as_posix(): sha256(p) for p in files},
        "made_with": provenance(),
    }
