"""Products of one nowcast: a folder that appears whole, with a manifest, and `latest` that points at it."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from functools import partial
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
from nowcast.service.answers import JUDGED, write_answers
from nowcast.service.bulletin import SCHEMA, VERSION, bulletin
from nowcast.service.ledger_schema import PublishedNowcast
from nowcast.service.model_child import FORECAST_FILE, NOTES
from nowcast.service.model_run import ModelRun
from nowcast.service.settings import ServiceSettings
from nowcast.service.warning_ledger import WarningLedger

log = logging.getLogger(__name__)
WARNINGS = "warnings.json"
MANIFEST = "manifest.json"
ISSUED = "issued"
MAP = "map.json"
"""The newest nowcast as the page shows it."""
REFERENCE_TIME = "forecast_reference_time"


def folder_of(reference_time: np.datetime64) -> str:
    """Return the folder of a nowcast below the output folder; made of its time alone."""
    text = np.datetime_as_string(reference_time.astype("datetime64[s]"))
    return f"{ISSUED}/{text.replace('-', '').replace(':', '')}Z"


def publish(
    settings: ServiceSettings,
    archive: Archive,
    reference_time: np.datetime64,
    run: ModelRun,
    published: np.datetime64,
    note: Callable[[str], None],
    known: WarningLedger | None = None,
    replay: bool = False,
) -> tuple[PublishedNowcast, dict[str, Any]]:
    """Write all products of a nowcast and make them visible in one step.

    The folder is filled out of sight and renamed, then ``latest`` is exchanged in one step; a crash at
    any moment leaves the old state or the new one. A picture that cannot be drawn or a format that
    cannot be written does not keep the forecast back: it is noted and left out.

    Args:
        settings: the service.
        archive: where the forecast started from.
        reference_time: its newest frame.
        run: the forecast.
        published: the present.
        note: takes one line about what was left out.
        known: the record of earlier warnings.
        replay: it is one of a replay.

    Returns:
        The nowcast as the ledger keeps it, and its manifest.

    Raises:
        NowcastError: a valid time not after the last observation, a full disk, an unwritable folder.
    """
    first = run.forecast["valid_time"].values[0]
    if first <= reference_time:
        raise NowcastError(
            f"nowcast: first valid time {to_text(first)}, expected one after the last observation "
            f"{to_text(reference_time)}; nothing was published"
        )
    name = folder_of(reference_time)
    with whole_folder(settings.output / name) as folder:
        _write_products(settings, folder, archive, run, note)
        about = _about(settings, archive, reference_time, run, published)
        told = _write_warnings(settings, folder, reference_time, published, about, known, replay)
        manifest = {**about, **told, "files": _files(folder), "made_with": provenance()}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return PublishedNowcast(reference_time, run.model, run.fallback, name), manifest


def point_latest(output: Path, folder: str) -> None:
    """Make ``output/latest`` lead to ``folder`` in one step."""
    with whole_file(output / "latest") as link:
        link.symlink_to(folder)


def _write_products(
    settings: ServiceSettings, folder: Path, archive: Archive, run: ModelRun, note: Callable[[str], None]
) -> None:
    if run.made is not None:
        for entry in sorted(run.made.iterdir()):
            if entry.name != NOTES and not entry.name.startswith("."):
                entry.rename(folder / entry.name)
        shutil.rmtree(run.made, ignore_errors=True)
    else:
        fallback = {"fallback": run.fallback} if run.fallback else {}
        write_forecast(folder / FORECAST_FILE, run.forecast, fallback)
        _answer(settings, folder, archive, run, note)
    makers: dict[str, Callable[..., None]] = {
        "page": partial(_write_map, palette=settings.products.palette),
        "odim": _write_odim,
        "geotiff": _write_geotiff,
        "maps": partial(_draw, palette=settings.products.palette),
    }
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
            note(f"no {name}: {error}")
            shutil.rmtree(folder / name, ignore_errors=True)


def _write_map(place: Path, archive: Archive, _forecast: xr.DataArray, palette: str) -> None:
    from nowcast.report.viewer.page import page_parts
    from nowcast.workflows.show import shown_forecast

    shown = shown_forecast(place.parent / FORECAST_FILE, archive=archive)
    (place.parent / MAP).write_text(page_parts(shown, palette).as_json(), encoding="utf-8")


def _answer(
    settings: ServiceSettings, folder: Path, archive: Archive, run: ModelRun, note: Callable[[str], None]
) -> None:
    """Say what is asked of places and warnings; what cannot be said does not keep the forecast back."""
    try:
        write_answers(folder, settings, archive, run.forecast, note)
    except OSError:
        raise
    except Exception as error:
        log.warning("places and warnings", exc_info=error)
        note(f"not all is said of places and warnings: {error}")


def _write_warnings(
    settings: ServiceSettings,
    folder: Path,
    reference_time: np.datetime64,
    published: np.datetime64,
    about: dict[str, Any],
    known: WarningLedger | None,
    replay: bool,
) -> dict[str, Any]:
    """Write warnings.json where any are asked for; return what the manifest says of them."""
    path = folder / JUDGED
    judged = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    path.unlink(missing_ok=True)
    if not settings.warnings:
        return {}
    raised = bulletin(settings, judged, reference_time, published, about, known, replay)
    document = {
        "schema": SCHEMA,
        "version": VERSION,
        "service": settings.name,
        REFERENCE_TIME: to_text(reference_time),
        "published": to_text(published),
        "warnings": raised,
        "judged": judged,
    }
    (folder / WARNINGS).write_text(json.dumps(document, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    return {"judged": judged, "warnings": raised}


def _write_odim(folder: Path, _archive: Archive, forecast: xr.DataArray) -> None:
    folder.mkdir()
    grid = Grid.of(forecast)
    how = {REFERENCE_TIME: to_text(forecast[REFERENCE_TIME].values.reshape(1)[0])}
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


def _draw(folder: Path, archive: Archive, forecast: xr.DataArray, palette: str) -> None:
    from nowcast.report.loop import draw_loop
    from nowcast.report.palettes import palette_of

    newest = archive.frames(forecast[REFERENCE_TIME].values.reshape(1))
    draw_loop(folder, newest, forecast, palette_of(name=palette))


def _about(
    settings: ServiceSettings,
    archive: Archive,
    reference_time: np.datetime64,
    run: ModelRun,
    published: np.datetime64,
) -> dict[str, Any]:
    """What the manifest says of the nowcast as a whole."""
    attrs = run.forecast.attrs
    return {
        "service": settings.name,
        REFERENCE_TIME: to_text(reference_time),
        "published": to_text(published),
        "model": run.model,
        "fallback": run.fallback,
        **{key: attrs[key] for key in ("observed_from", "licence")},
        "checkpoint_sha256": attrs.get("checkpoint_sha256", ""),
        "interpolated_frames": attrs.get("interpolated_frames", ""),
        "archive_fingerprint": archive.fingerprint,
        "valid_times": [to_text(v) for v in run.forecast["valid_time"].values],
    }


def _files(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): sha256(p) for p in files}
