"""The slider of the skill page: frames of every case as pictures, and where coasts run over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from nowcast.core.errors import NowcastError
from nowcast.core.grid import Grid
from nowcast.core.times import minutes, to_text
from nowcast.report.coastlines import as_path
from nowcast.report.content import Case
from nowcast.report.palettes import ColourScale, palette_of
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
        return {"cases": [], "images": [], "map": None, "thresholds": []}
    grid = Grid.of(cases[0].past)
    for case in cases:
        _check(case, grid)
    thin = max(1, -(-max(grid.shape) // LONGEST_SIDE))
    known = (p["threshold"].values.tolist() for case in cases for p in case.probabilities.values())
    thresholds = sorted({threshold for own in known for threshold in own})
    palettes = palette or palette_of(), palette_of("probability")
    while True:
        pictures = _Pictures(*palettes, thin)
        made = [_case(case, pictures, thresholds) for case in cases]
        if sum(map(len, pictures.images)) <= BUDGET_BYTES or thin > 16:
            return {"cases": made, "images": pictures.images, "map": map_data(grid), "thresholds": thresholds}
        thin += 1


@dataclass
class _Pictures:
    """Pictures of frames, each found by its number."""

    dbz: ColourScale
    probability: ColourScale
    thin: int
    images: list[str] = field(default_factory=list)

    def put(self, dbz: Any) -> int:
        """Draw a frame of dBZ."""
        return self._put(frame_uri(np.asarray(dbz), self.thin, self.dbz))

    def put_probability(self, values: Any) -> int:
        """Draw a frame of probabilities, with half as many rows and columns: they are smooth."""
        return self._put(frame_uri(np.asarray(values), 2 * self.thin, self.probability))

    def _put(self, image: str) -> int:
        self.images.append(image)
        return len(self.images) - 1


def label(lead: float) -> str:
    """A lead time as the page shows it: ``+30 min``, ``now`` for 0, ``−10 min`` for the past."""
    if lead == 0:
        return "now"
    return f"{'+' if lead > 0 else MINUS}{abs(lead):g} min"


def _case(case: Case, pictures: _Pictures, thresholds: Sequence[float]) -> dict[str, Any]:
    """One case: its panels, and its frames in order with the number of each panel's picture (into ``images``).

    Beside a model that knows probabilities stands a panel with a picture for each threshold.
    """
    panels = [OBSERVED]
    of_thresholds: list[Sequence[float] | None] = [None]
    for name in case.forecasts:
        twice = name in case.probabilities
        panels += [name] * (1 + twice)
        of_thresholds += [None, thresholds] if twice else [None]
    frames = []
    for moment, dbz in _moments(case.past):
        number = pictures.put(dbz)
        same = [number if known is None else -1 for known in of_thresholds]
        frames.append(_frame(case, moment, same, [""] * len(panels)))
    observed = {} if case.observed is None else dict(_moments(case.observed))
    leads = [f["lead_time"].values for f in case.forecasts.values()]
    for s, lead_time in enumerate(leads[0] if leads else ()):
        moment = case.reference_time + lead_time
        numbers: list[Any] = [pictures.put(observed[moment]) if moment in observed else -1]
        captions = [""]
        for name, forecast in case.forecasts.items():
            numbers.append(pictures.put(forecast.values[s]))
            captions.append(str(case.captions[name][s]) if name in case.captions else "")
            if name in case.probabilities:
                own = case.probabilities[name][:, s]
                drawn = {t: pictures.put_probability(own.sel(threshold=t)) for t in own["threshold"].values}
                numbers.append([drawn.get(t, -1) for t in thresholds])
                captions.append("")
        frames.append(_frame(case, moment, numbers, captions))
    return {
        "name": case.name or _clock(case.reference_time),
        "panels": panels,
        "thresholds": of_thresholds,
        "frames": frames,
        "start": min(len(case.past["time"]), len(frames) - 1),
    }


def _frame(
    case: Case, moment: np.datetime64, numbers: Sequence[Any], captions: Sequence[str]
) -> dict[str, Any]:
    lead = minutes(moment - case.reference_time)
    return {
        "lead": lead,
        "label": label(lead),
        "valid": _clock(moment),
        "panels": list(numbers),
        "captions": list(captions),
    }


def _moments(shown: xr.DataArray) -> Iterator[tuple[np.datetime64, Any]]:
    """Times of a field and its frames."""
    return zip(shown["time"].values, shown.values, strict=True)


def _clock(moment: np.datetime64) -> str:
    return to_text(moment)[:16].replace("T", " ") + " UTC"


def map_data(grid: Grid) -> dict[str, Any]:
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
    for part in (case.past, case.observed, *case.forecasts.values(), *case.probabilities.values()):
        different = part is not None and grid.difference(Grid.of(part))
        if different:
            raise PageError(f"page: got cases on two grids ({different}), expected one; make a page for each")
    leads = [f["lead_time"].values for f in case.forecasts.values()]
    if any(not np.array_equal(leads[0], other) for other in leads[1:]):
        raise PageError(
            f"page: got forecasts of {to_text(case.reference_time)} with different lead times, expected "
            "the same for every model"
        )
