"""A verification as a person keeps it: scores.csv, confidence.csv and the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nowcast.archive.thinned import RadarFrames
from nowcast.core.files import provenance, whole_file
from nowcast.core.times import minutes, to_text
from nowcast.evaluation.comparison import Against, Confidence, compare, confidence_csv
from nowcast.evaluation.diagrams import diagrams_of
from nowcast.evaluation.grouping import groups_csv
from nowcast.evaluation.period import CALIBRATED, Verification
from nowcast.report.content import Case, CellMap
from nowcast.scores.confidence import pooled_csi
from nowcast.scores.evaluate import scores_csv

NOTE_DBZ = 20.0
"""Threshold of the CSI that stands under each map, if it is one of those that are scored."""
MAP_DBZ = (20.0, 30.0, 40.0)
"""Thresholds whose scores are drawn on the map, those of them that are scored."""
_OF_ARCHIVE = ("archive", "archive_fingerprint", "observed_from", "licence")
"""Metadata of a forecast that say where its frames are from; the page says that once."""
_LONGEST = 300
"""Characters of a metadata text on the page."""


@dataclass(frozen=True)
class SkillReport:
    """Scores, comparisons, and the files they were written to, if any."""

    verification: Verification
    confidence: Confidence
    scores: Path | None = None
    intervals: Path | None = None
    page: Path | None = None
    groups: Path | None = None


def drawn_thresholds(thresholds: Sequence[float]) -> list[float]:
    """Those of the scored thresholds whose CSI is drawn on the map."""
    return [t for t in MAP_DBZ if t in thresholds] or list(thresholds[:1])


def write_skill(
    out: Path | None,
    archive: RadarFrames,
    found: Verification,
    period: tuple[np.datetime64, np.datetime64],
    against: Against,
    *,
    title: str = "",
    notes: Sequence[str] = (),
    palette: str = "safe",
) -> SkillReport:
    """Compare the models and write scores.csv, confidence.csv and index.html into ``out``: all or none.

    With groups there is also groups.csv.

    Args:
        out: folder; other files in it are left alone. None writes nothing.
        archive: what was verified on.
        found: the verification, with the cases that the page shows.
        period: [start, end) that was asked for.
        against: with which model the others are compared, and how.
        title: of the page; the days if empty.
        notes: further attribution beside what the archive says of its source and licence.
        palette: of reflectivity, a name of `nowcast.report.palettes`.

    Raises:
        NowcastError: no such reference; the folder cannot be written.
    """
    sure = compare(found, against)
    if out is None:
        return SkillReport(found, sure)
    from nowcast.report.skill_page import SkillPage, render_skill_page

    under = NOTE_DBZ if NOTE_DBZ in found.thresholds else found.thresholds[0]
    page = render_skill_page(
        SkillPage(
            title or f"Nowcast skill, {_days(found.reference_times[0], found.reference_times[-1])}",
            [as_page_case(case, found, under) for case in found.cases],
            found.rows,
            _cell_maps(archive, found),
            subtitle=_subtitle(found),
            metadata=_metadata(archive, found, period),
            notes=[*_attribution(archive), *notes],
            comparisons=sure.comparisons,
            horizons=sure.horizons,
            csi=sure.csi,
            diagrams=diagrams_of(found, against.how),
            groups=found.groups,
            palette=palette,
            z_r=str(archive.attrs.get("z_r_relation", "")),
        )
    )
    groups = out / "groups.csv" if found.groups else None
    texts: dict[Path, Callable[[], str]] = {
        out / "scores.csv": lambda: scores_csv(found.rows),
        out / "confidence.csv": lambda: confidence_csv(sure),
        out / "index.html": lambda: page,
        **({groups: lambda: groups_csv(found.groups)} if groups else {}),
    }
    with ExitStack() as files:
        for path, text in texts.items():
            files.enter_context(whole_file(path)).write_text(text(), encoding="utf-8")
    return SkillReport(found, sure, out / "scores.csv", out / "confidence.csv", out / "index.html", groups)


def as_page_case(case: Case, found: Verification, threshold_dbz: float) -> Case:
    """Return a case as the page shows it: CSI of this nowcast under its maps, calibrated probabilities."""
    nowcast = found.reference_times.tolist().index(int(case.reference_time.astype(np.int64)))
    k = found.thresholds.index(threshold_dbz)
    captions = {
        name: [
            f"CSI {value:.2f} at {threshold_dbz:g} dBZ" if math.isfinite(value) else ""
            for value in pooled_csi(found.counts[name][nowcast])[k]
        ]
        for name in case.forecasts
    }
    raw = {name.removesuffix(CALIBRATED) for name in case.probabilities if name.endswith(CALIBRATED)}
    best = {name: known for name, known in case.probabilities.items() if name not in raw}
    return replace(case, captions=captions, probabilities=best)


def _cell_maps(archive: RadarFrames, found: Verification) -> list[CellMap]:
    """Every map of the page."""
    return [
        CellMap(
            model,
            key.threshold_dbz,
            archive.grid,
            values,
            found.block,
            key.score,
            None if key.lead is None else found.lead_minutes[key.lead],
        )
        for model, maps in found.cells.items()
        for key, values in maps.items()
    ]


def left_out(found: Verification) -> str:
    """How many lead times were not scored because no frame is there, by lead time; nothing where none was."""
    if not found.missing.any():
        return ""
    each = ", ".join(
        f"{n} at {lead:g} min" for n, lead in zip(found.missing, found.lead_minutes, strict=True) if n
    )
    return f"; left out, as no frame was observed: {each}"


def _subtitle(found: Verification) -> str:
    plain = [model for model in found.models if not model.endswith(CALIBRATED)]
    names = ", ".join(plain) + (", raw and calibrated" if len(plain) < len(found.models) else "")
    one = "nowcast" if found.nowcasts == 1 else "nowcasts"
    return (
        f"{found.nowcasts} {one} of {found.lead_minutes[0]:g} to {found.lead_minutes[-1]:g} minutes by each of "
        f"{names}, scored on the same initialisation times against what the radars observed."
    )


def _days(first: np.datetime64, last: np.datetime64) -> str:
    """A period of days as a title shows it: ``21 to 22 March 2025``."""
    one, other = (moment.astype("datetime64[s]").item() for moment in (first, last))
    end = f"{other.day} {other:%B %Y}"
    if one.date() == other.date():
        return end
    begin = f"{one:%B %Y}" if one.year != other.year else f"{one:%B}" if one.month != other.month else ""
    return f"{one.day} {begin}".strip() + f" to {end}"


def _metadata(
    archive: RadarFrames, found: Verification, period: tuple[np.datetime64, np.datetime64]
) -> dict[str, str]:
    km_y, km_x = archive.grid.cell_km
    rows, columns = archive.grid.shape
    projection = archive.grid.crs.name
    if projection in ("undefined", "unknown"):
        projection = "latitude and longitude" if archive.grid.geographic else "projected"
    dry = f"; {found.too_dry} initialisation times left out as too dry" if found.too_dry else ""
    first, last = found.reference_times[0], found.reference_times[-1]
    shown = {
        "Archive": f"{archive.path.name}, content {archive.fingerprint}",
        "Period": f"{to_text(period[0])} to {to_text(period[1])}, end excluded",
        "Nowcasts": f"{found.nowcasts}, {to_text(first)} to {to_text(last)}{dry}{left_out(found)}",
        "Grid": f"{rows} x {columns} cells of {km_y:.3g} x {km_x:.3g} km, {projection}",
        "Step": f"{minutes(archive.step):g} minutes; lead times of {found.lead_minutes[0]:g} minutes and more",
    }
    for name, metadata in found.metadata.items():
        told = {k: v for k, v in metadata.items() if v and v != "{}" and k not in _OF_ARCHIVE}
        own = "; ".join(f"{k} {_shortened(v)}" for k, v in told.items())
        shared = name.endswith(CALIBRATED) and name.removesuffix(CALIBRATED) in found.metadata
        more = " more than the forecast itself" if shared else ""
        shown[name] = f"{own}; {found.seconds[name]:.2g} s a nowcast{more}".removeprefix("; ")
    shown["Made with"] = ", ".join(f"{k} {v}" for k, v in provenance().items())
    return shown


def _shortened(text: str) -> str:
    """A text as the page shows it: of a long one, as a calibration is, its beginning."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\u2026 ({len(text)} characters)"


def _attribution(archive: RadarFrames) -> list[str]:
    known = [key for key in ("source", "licence") if archive.attrs.get(key)]
    return [f"{key.capitalize()}: {archive.attrs[key]}" for key in known]
