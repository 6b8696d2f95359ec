"""A verification as a person keeps it: scores.csv, confidence.csv, the page and a table in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nowcast.core.files import provenance, whole_file
from nowcast.core.times import minutes, to_text
from nowcast.evaluation.comparison import Against, Confidence, compare, confidence_csv
from nowcast.evaluation.period import NowcastCase, Verification, make_case, verify_period, wettest
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.calibrated import SUFFIX, Calibrated
from nowcast.report.content import Case, CellMap
from nowcast.scores.catalog import DEFAULT_SCORES
from nowcast.scores.categorical import DEFAULT_THRESHOLDS_DBZ
from nowcast.scores.evaluate import scores_csv

NOTE_DBZ = 20.0
"""Threshold of the CSI that stands under each map, if it is one of those that are scored."""
MAP_DBZ = (20.0, 30.0, 40.0)
"""Thresholds whose CSI is drawn on the map, those of them that are scored."""


@dataclass(frozen=True)
class Skill:
    """What was found and where it is."""

    verification: Verification
    confidence: Confidence
    scores: Path
    intervals: Path
    page: Path


def write_skill(
    out: Path,
    archive: Any,
    forecasters: Mapping[str, Forecaster],
    start: np.datetime64,
    end: np.datetime64,
    *,
    stride: int = 6,
    steps: int = 10,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS_DBZ,
    scores: Sequence[str] = DEFAULT_SCORES,
    min_wet_pixels: int = 0,
    cases: int = 3,
    title: str = "",
    notes: Sequence[str] = (),
    against: Against | None = None,
    progress: bool = False,
) -> Skill:
    """Verify a period and write scores.csv, confidence.csv and index.html into ``out``: all or none.

    Args:
        out: folder; other files in it are left alone.
        archive: an open `nowcast.archive.reader.Archive`.
        forecasters: by the name they shall have.
        start, end, stride, steps, thresholds, scores, min_wet_pixels: see `verify_period`.
        cases: how many of the wettest nowcasts the page shows frame by frame.
        title: of the page; the archive and the period if empty.
        notes: further attribution beside what the archive says of its source and licence.
        against: which model the others are compared with, and how.
        progress: show a bar on stderr.

    Raises:
        NowcastError: as `verify_period`; the folder cannot be written.
    """
    thresholds = list(thresholds)
    against = against or Against()
    against.check(list(forecasters), thresholds)
    drawn = [t for t in MAP_DBZ if t in thresholds] or thresholds[:1]
    found = verify_period(
        archive, forecasters, start, end, stride=stride, steps=steps, thresholds=thresholds,
        scores=scores, min_wet_pixels=min_wet_pixels, map_thresholds=drawn, progress=progress,
    )
    sure = compare(found, against)
    under = NOTE_DBZ if NOTE_DBZ in thresholds else thresholds[0]
    shown = [
        as_page_case(make_case(archive, forecasters, issued, steps=steps, thresholds=[under]), under)
        for issued in wettest(found, cases)
    ]
    from nowcast.report.skill_page import SkillPage, render_skill_page

    page = render_skill_page(SkillPage(
        title or f"Nowcast skill, {_days(found.issued[0], found.issued[-1])}",
        shown, found.rows,
        [CellMap(m, t, archive.grid, v, found.block) for (m, t), v in found.csi_cells.items()],
        subtitle=_subtitle(found), metadata=_facts(archive, found, forecasters, start, end),
        notes=[*_attribution(archive), *notes],
        comparisons=sure.comparisons, horizons=sure.horizons,
    ))
    table_path, intervals, index = (
        Path(out) / name for name in ("scores.csv", "confidence.csv", "index.html")
    )
    with whole_file(table_path) as table, whole_file(intervals) as other, whole_file(index) as text:
        table.write_text(scores_csv(found.rows), encoding="utf-8")
        other.write_text(confidence_csv(sure), encoding="utf-8")
        text.write_text(page, encoding="utf-8")
    return Skill(found, sure, table_path, intervals, index)


def as_page_case(case: NowcastCase, threshold_dbz: float) -> Case:
    """Turn a case into what the page shows, with the CSI of each map under it."""
    captions = {
        name: [
            f"CSI {row.value:.2f} at {threshold_dbz:g} dBZ" if math.isfinite(row.value) else ""
            for row in case.rows
            if row[:3] == (name, "csi", threshold_dbz) and row.lead_minutes is not None
        ]
        for name in case.forecasts
    }
    return Case(case.issued, case.past, case.forecasts, case.observed, captions)


def summary(found: Verification) -> str:
    """Give the means over lead times as a table of plain text, one row a model."""
    wanted: dict[tuple[str, float | None], str] = {}
    for row in found.rows:
        if row.score == "csi":
            wanted[row.score, row.threshold_dbz] = f"CSI{row.threshold_dbz:g}"
        elif row.score in ("mae", "gdl", "ssim"):
            wanted[row.score, None] = row.score.upper()
    values = {row[:3]: row.value for row in found.rows if row.lead_minutes is None}
    lines = [["model", *wanted.values()]]
    lines += [
        [model, *(f"{values[model, score, threshold]:.3f}" for score, threshold in wanted)]
        for model in found.models
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    first = found.lead_minutes[0], found.lead_minutes[-1]
    head = f"mean over lead times of {first[0]:g} to {first[1]:g} minutes, {found.nowcasts} nowcasts"
    body = [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    ]
    return "\n".join([head, *body])


def _subtitle(found: Verification) -> str:
    names = ", ".join(found.models)
    one = "nowcast" if found.nowcasts == 1 else "nowcasts"
    return (
        f"{found.nowcasts} {one} of {found.lead_minutes[0]:g} to {found.lead_minutes[-1]:g} minutes by each of "
        f"{names}, scored on the same start times against what the radars saw."
    )


def _days(first: np.datetime64, last: np.datetime64) -> str:
    """Give a period of days as a title shows it: ``21 to 22 March 2025``."""
    one, other = (moment.astype("datetime64[s]").item() for moment in (first, last))
    end = f"{other.day} {other:%B %Y}"
    if one.date() == other.date():
        return end
    begin = f"{one:%B %Y}" if one.year != other.year else f"{one:%B}" if one.month != other.month else ""
    return f"{one.day} {begin}".strip() + f" to {end}"


def _facts(
    archive: Any, found: Verification, forecasters: Mapping[str, Forecaster],
    start: np.datetime64, end: np.datetime64,
) -> dict[str, str]:
    km_y, km_x = archive.grid.cell_km
    rows, columns = archive.grid.shape
    projection = archive.grid.crs.name
    if projection in ("undefined", "unknown"):
        projection = "latitude and longitude" if archive.grid.geographic else "projected"
    dry = f"; {found.too_dry} start times left out as too dry" if found.too_dry else ""
    facts = {
        "Archive": f"{Path(archive.path).name}, content {archive.fingerprint}",
        "Period": f"{to_text(start)} to {to_text(end)}, end excluded",
        "Nowcasts": f"{found.nowcasts}, {to_text(found.issued[0])} to {to_text(found.issued[-1])}{dry}",
        "Grid": f"{rows} x {columns} cells of {km_x:.3g} x {km_y:.3g} km, {projection}",
        "Step": f"{minutes(archive.step):g} minutes",
    }
    for name, forecaster in forecasters.items():
        said = "; ".join(f"{k} {v}" for k, v in forecaster.describe().items() if v and v != "{}")
        shared = isinstance(forecaster, Calibrated) and name.endswith(SUFFIX)
        more = " more than the forecast itself" if shared else ""
        facts[name] = f"{said}; {found.seconds[name]:.2g} s a nowcast{more}".removeprefix("; ")
    facts["Made with"] = ", ".join(f"{k} {v}" for k, v in provenance().items())
    return facts


def _attribution(archive: Any) -> list[str]:
    known = [key for key in ("source", "licence") if archive.attrs.get(key)]
    return [f"{key.capitalize()}: {archive.attrs[key]}" for key in known]
