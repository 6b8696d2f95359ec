"""The slider of the skill page: frames of every case as pictures, and where coasts run over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nowcast.core.errors import NowcastError
from nowcast.core.grid import Grid
from nowcast.core.times import minutes, to_text
from nowcast.report.coastlines import as_path
from nowcast.report.content import Case
from nowcast.report.palettes import ColourScale
from nowcast.report.pictures import frame_uri

OBSERVED = "Observed"
MINUS = "\u2212"
LONGEST_SIDE = 900
BUDGET_BYTES = 6_000_000
"""What all frames together may take; coarser pictures are made until they fit."""


class PageError(NowcastError):
    """Cases, scores or cells that do not fit together on one page."""


def frames_data(cases: Sequence[Case], palette: ColourScale | None = None) -> dict[str, Any]:
    """All frames and labels as plain data for the page's script.

    Raises:
        PageError: cases on different grids, or forecasts of one case with different lead times.
    """
    if not cases:
        return {"cases": [], "images": [], "map": None}
    grid = Grid.of(cases[0].past)
    for case in cases:
        _check(case, grid)
    thin = max(1, -(-max(grid.shape) // LONGEST_SIDE))
    while True:
        images: list[str] = []
        made = [_case(case, images, thin, palette) for case in cases]
        if sum(map(len, images)) <= BUDGET_BYTES or thin > 16:
            return {"cases": made, "images": images, "map": _map(grid)}
        thin += 1


def label(lead: float) -> str:
    """A lead time as the page shows it: ``+30 min``, ``now`` for 0, ``−10 min`` for the past."""
    if lead == 0:
        return "now"
    return f"{'+' if lead > 0 else MINUS}{abs(lead):g} min"


def _case(case: Case, images: list[str], thin: int, palette: ColourScale | None) -> dict[str, Any]:
    """One case: its frames in order, each with one picture a panel (an index into ``images``)."""

    def put(dbz: Any) -> int:
        images.append(frame_uri(np.asarray(dbz), thin, palette))
        return len(images) - 1

    def frame(moment: np.datetime64, panels: list[int], captions: list[str]) -> dict[str, Any]:
        lead = minutes(moment - case.reference_time)
        return {
            "lead": lead,
            "label": label(lead),
            "valid": _clock(moment),
            "panels": panels,
            "captions": ["", *captions],
        }

    names = list(case.forecasts)
    frames = []
    for moment, dbz in zip(case.past["time"].values, case.past.values, strict=True):
        frames.append(frame(moment, [put(dbz)] * (1 + len(names)), [""] * len(names)))
    observed = (
        {}
        if case.observed is None
        else dict(zip(case.observed["time"].values, case.observed.values, strict=True))
    )
    for s, lead_time in enumerate(case.forecasts[names[0]]["lead_time"].values if names else ()):
        moment = case.reference_time + lead_time
        panels = [put(observed[moment]) if moment in observed else -1]
        panels += [put(case.forecasts[name].values[s]) for name in names]
        captions = [str(case.captions[n][s]) if n in case.captions else "" for n in names]
        frames.append(frame(moment, panels, captions))
    return {
        "name": case.name or _clock(case.reference_time),
        "panels": [OBSERVED, *names],
        "frames": frames,
        "start": min(len(case.past["time"]), len(frames) - 1),
    }


def _clock(moment: np.datetime64) -> str:
    return to_text(moment)[:16].replace("T", " ") + " UTC"


def _map(grid: Grid) -> dict[str, Any]:
    """The shape of the map on the ground, and coasts and borders as SVG paths in cells."""
    (h, w), (km_y, km_x) = grid.shape, grid.cell_km
    return {
        "rows": h,
        "columns": w,
        "aspect": round(w * km_x / (h * km_y), 4),
        "width_km": round(w * km_x, 1),
        "coast": as_path(grid, "coast"),
        "border": as_path(grid, "border"),
    }


def _check(case: Case, grid: Grid) -> None:
    for part in (case.past, case.observed, *case.forecasts.values()):
        different = part is not None and grid.difference(Grid.of(part))
        if different:
            raise PageError(f"page: got cases on two grids ({different}), expected one; make a page for each")
    leads = [f["lead_time"].values for f in case.forecasts.values()]
    if any(not np.array_equal(leads[0], other) for other in leads[1:]):
        raise PageError(
            f"page: got forecasts of {to_text(case.reference_time)} with different lead times, expected "
            "the same for every model"
        )
