"""What a forecast says of the service's places, areas and warnings, as files beside it.

Runs where the forecast is in memory: in the model's process for networks and members, so that the cycle's
process never holds these.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError, printable
from nowcast.core.field import NAME
from nowcast.core.files import whole_file
from nowcast.core.grid import Grid
from nowcast.core.times import to_text, unbroken_runs
from nowcast.postprocessing.places.document import to_document
from nowcast.postprocessing.places.locations import Location, locate
from nowcast.postprocessing.reliability import reliability_of
from nowcast.service.asked import areas_of, location_of, points_of
from nowcast.service.chance import Chance, Chances, plain_number
from nowcast.service.settings import ServiceSettings
from nowcast.service.warning_settings import RAIN_RATE, UNITS, WarningSettings
from nowcast.workflows.at import at_places, relation_of
from nowcast.workflows.past import newest_frames

Note = Callable[[str], None]
JUDGED = "judged.json"
"""File of what became of each warning; it is published in warnings.json and in the manifest."""
_PANELS = 12
_COLUMNS = (
    "name",
    "latitude",
    "longitude",
    "status",
    "rain_probability",
    "rain_begins",
    "rain_ends",
    "peak_dbz",
    "peak_mm_h",
    "peak_time",
    "rain_60_min_mm",
    "sentence",
)


def write_answers(
    folder: Path, settings: ServiceSettings, archive: Archive, forecast: xr.Dataset, note: Note
) -> None:
    """Write what is asked about places, areas and warnings into a folder.

    Each part that cannot be made is noted in one line; the others are written.

    Args:
        folder: where the forecast file lies, or will.
        settings: the service, without what its archive cannot give (`nowcast.service.asked.feasible`).
        archive: where the forecast started from.
        forecast: with members and products.
        note: takes one line about what was left out.
    """
    start = forecast["valid_time"].values[0] - forecast["lead_time"].values[0]
    observed = newest_frames(archive, start)
    points, areas = points_of(settings), areas_of(settings)
    for stem, asked in (("places", points), ("areas", areas)):
        if asked:
            with _guarded(stem, note):
                _write_places(folder, stem, settings, forecast, observed, asked)
    judged: list[dict[str, Any]] = []
    if settings.warnings:
        recent = _without_gap(observed, archive.step)
        chances = Chances(forecast, recent, relation_of(forecast, observed, settings.z_r))
        for warning in settings.warnings:
            with _guarded(f"warning {warning.name}", note):
                judged.append(_judged(warning, chances, location_of(warning, points, areas)))
    _write(folder / JUDGED, json.dumps(judged, ensure_ascii=False))


@contextlib.contextmanager
def _guarded(what: str, note: Note) -> Iterator[None]:
    try:
        yield
    except NowcastError as error:
        note(f"no {what}: {error}")


def _write(path: Path, text: str) -> None:
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


def _without_gap(observed: xr.DataArray, step: np.timedelta64) -> xr.DataArray:
    """The newest frames without a gap between them."""
    first = unbroken_runs(observed["time"].values, step)[-1][0]
    return observed.isel(time=slice(first, None))


def _write_places(
    folder: Path,
    stem: str,
    settings: ServiceSettings,
    forecast: xr.Dataset,
    observed: xr.DataArray,
    asked: Sequence[Location],
) -> None:
    found = at_places(forecast, asked, z_r_name=settings.z_r, observed=observed)
    document = to_document(found)
    _write(folder / f"{stem}.json", json.dumps(document, allow_nan=False, ensure_ascii=False))
    _write(folder / f"{stem}.csv", _table(document))
    if settings.products.meteograms:
        _draw(folder, stem, found, [place["sentence"] for place in document["places"]])


def _draw(folder: Path, stem: str, found: xr.Dataset, sentences: Sequence[str]) -> None:
    from datetime import UTC

    from nowcast.report.meteogram import draw_meteogram

    (folder / "meteograms").mkdir(exist_ok=True)
    for number, first in enumerate(range(0, len(sentences), _PANELS), 1):
        some = slice(first, first + _PANELS)
        draw_meteogram(
            folder / "meteograms" / f"{stem}_{number:02d}.png", found.isel(place=some), sentences[some], UTC
        )


def _table(document: dict[str, Any]) -> str:
    out = io.StringIO(newline="")
    lines = csv.writer(out)
    lines.writerow(_COLUMNS)
    for place in document["places"]:
        rain, peak = place.get("rain", {}), place.get("peak", {})
        cells = (
            place["name"],
            place["latitude"],
            place["longitude"],
            place["status"],
            rain.get("probability"),
            rain.get("begins"),
            rain.get("ends"),
            peak.get("reflectivity_dbz"),
            peak.get("rain_rate_mm_h"),
            peak.get("time"),
            place.get("rain_sum", {}).get("mm"),
            place["sentence"],
        )
        lines.writerow(["" if cell is None else _no_formula(cell) for cell in cells])
    return out.getvalue()


def _no_formula(cell: object) -> object:
    """Text that a spreadsheet would run as a formula gets a quotation mark first."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@" else cell


def _judged(warning: WarningSettings, chances: Chances, location: Location) -> dict[str, Any]:
    """What became of a warning, as plain values."""
    forecast = chances.forecast
    cells = locate(Grid.of(forecast[NAME]), [location])
    chance = chances.of(warning, cells.index)
    start = forecast["valid_time"].values[0] - forecast["lead_time"].values[0]
    onset = start + np.timedelta64(round(chance.onset_minutes * 60), "s")
    return {
        "name": warning.name,
        "where": warning.where,
        "kind": location.kind,
        "event": warning.event,
        "quantity": warning.quantity,
        "unit": UNITS[warning.quantity],
        "at_least": warning.at_least,
        "minutes": warning.minutes,
        "of": warning.of,
        "limit": warning.probability,
        "raised": chance.raised,
        "probability": plain_number(chance.probability),
        "by": chance.by,
        "lower_bound": not chance.exact,
        "share_inside": plain_number(float(cells.share_inside[0])),
        "onset": to_text(onset),
        "period_begins": to_text(start),
        "period_ends": to_text(start + np.timedelta64(round(warning.minutes * 60), "s")),
        "cells_reliability": _cells_reliability(warning, chances, chance, len(cells.index)),
    }


def _cells_reliability(warning: WarningSettings, chances: Chances, chance: Chance, cells: int) -> str:
    """How often it came when such a probability was given to a cell; empty where the calibration tells nothing.

    The calibration counted single cells and lead times: it says nothing of areas, sums or a whole period.
    """
    table = reliability_of(chances.forecast.attrs)
    probability, lead = chance.probability, chance.of_lead_minutes
    if table is None or probability is None or lead is None or np.isnan(probability) or cells != 1:
        return ""
    dbz = warning.at_least
    if warning.quantity == RAIN_RATE and chances.relation is not None:
        dbz = float(chances.relation.to_dbz(dbz))
    point = table.at(dbz, lead, probability)
    if not point.cases:
        return ""
    return printable(
        f"on validation days such a probability of a cell came true in {point.observed_frequency:.0%} of "
        f"{point.cases} cases"
    )
