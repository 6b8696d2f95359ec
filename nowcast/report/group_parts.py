"""CSI by hour of the day as charts, and by region and by event as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from nowcast.report.confidence import DASH
from nowcast.report.content import Cell, GroupRow, Table
from nowcast.report.diagrams import Figure, FigureGroup
from nowcast.report.plane import Plane, PlaneAxis, PlaneCurve, tells

SHOWN_DBZ = (20.0, 30.0, 40.0)
_HOURS = [(float(hour), f"{hour:02d}") for hour in range(0, 25, 3)]
_TENTHS = [(k / 5, f"{k / 5:g}") for k in range(6)]


def _mean_csi(rows: Sequence[GroupRow], by: str) -> dict[float, dict[str, dict[str, float]]]:
    """CSI, mean over lead times, by threshold, model and group."""
    found: dict[float, dict[str, dict[str, float]]] = {}
    for row in rows:
        score = row.score
        if (row.by, score.score, score.lead_minutes) == (by, "csi", None) and score.threshold_dbz in SHOWN_DBZ:
            found.setdefault(score.threshold_dbz, {}).setdefault(score.model, {})[row.group] = score.value
    return found


def hour_groups(rows: Sequence[GroupRow], styles: Mapping[str, int]) -> list[FigureGroup]:
    """The charts by hour of the day, in a list that is empty where there are none."""
    figures = []
    for threshold, models in sorted(_mean_csi(rows, "hour").items()):
        curves = [
            PlaneCurve(
                model,
                styles[model],
                [(float(hour), value) for hour, value in sorted(values.items())],
                [f"{hour} UTC, {value:.3f}" for hour, value in sorted(values.items())],
            )
            for model, values in models.items()
        ]
        if tells(y for curve in curves for _, y in curve.points):
            caption = f"CSI at {threshold:g} dBZ by hour of the day"
            figures.append(
                Figure(
                    caption,
                    Plane(
                        caption,
                        PlaneAxis("hour of the forecast reference time, UTC", 0.0, 24.0, _HOURS),
                        PlaneAxis("CSI", 0.0, 1.0, _TENTHS),
                        curves,
                        height=240.0,
                    ).render(),
                )
            )
    note = "Mean over lead times of the nowcasts that start in an hour of the day."
    return [FigureGroup("hours", "By hour of the day", note, figures)] if figures else []


def event_table(rows: Sequence[GroupRow], styles: Mapping[str, int]) -> Table | None:
    """CSI of each event by each model, a row an event: `region_table` turned round; None without events."""
    found = region_table(rows, styles, by="event")
    if found is None:
        return None
    header, *body = zip(found.header, *found.rows, strict=True)
    return Table(found.caption, (Cell("Event"), *header[1:]), tuple(body))


def region_table(rows: Sequence[GroupRow], styles: Mapping[str, int], by: str = "region") -> Table | None:
    """CSI of each model in each region, at the lowest threshold that is shown; None without regions."""
    found = _mean_csi(rows, by)
    if not found:
        return None
    threshold, models = min(found.items())
    regions = list(dict.fromkeys(region for values in models.values() for region in values))

    def cell(model: str, region: str) -> Cell:
        value = models[model].get(region, math.nan)
        others = [v for values in models.values() if math.isfinite(v := values.get(region, math.nan))]
        if not math.isfinite(value):
            return Cell(DASH)
        return Cell(f"{value:.3f}", best=len(others) > 1 and value == max(others))

    return Table(
        f"CSI at {threshold:g} dBZ by {by}, mean over lead times",
        (Cell("Model"), *map(Cell, regions)),
        tuple((Cell(m, style=styles.get(m)), *(cell(m, region) for region in regions)) for m in models),
    )
