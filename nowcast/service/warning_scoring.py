"""Verify warnings against what was observed, once their period is over: hit, miss or false alarm.

The event is the same as in the forecast (`nowcast.service.chance`): the strongest cell, or the mean over the
cells, of the rain sum of the period or of any frame in it.

Dimensions: F frames, H rows, W columns, C cells.
"""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError
from nowcast.core.rain import ZRelation, z_r, z_r_of_text
from nowcast.core.times import minutes, parse_time
from nowcast.postprocessing.accumulation import Accumulation
from nowcast.postprocessing.motion import motion_of
from nowcast.postprocessing.places.locations import Location, PlaceCells, locate
from nowcast.postprocessing.rain_rate import rate_mm_h
from nowcast.service.asked import RELATION, areas_of, location_of, points_of
from nowcast.service.chance import HIGHEST_MM_H, reduced
from nowcast.service.ledger_schema import CORRECT_NO, FALSE_ALARM, HIT, MISS, NOT_VERIFIABLE
from nowcast.service.settings import ServiceSettings
from nowcast.service.warning_ledger import Outcome, PendingWarning, WarningLedger
from nowcast.service.warning_settings import RAIN_RATE, RAIN_SUM, WarningSettings

log = logging.getLogger(__name__)
_PATIENCE = np.timedelta64(1, "h")
"""How long after its period a warning waits for frames that are missing."""
_MARGIN_KM = 60.0
"""Around a place: rain that moves into it during a step between two frames."""
_SUBSTEP_MINUTES, _RAIN_DBZ = 2.5, 10.0


def verify_warnings(settings: ServiceSettings, ledger: WarningLedger, archive: Archive) -> int:
    """Settle every warning whose period is over; return how many. It never raises: the others wait for it."""
    outcomes: dict[tuple[np.datetime64, str], Outcome] = {}
    newest = archive.times[-1]
    try:
        pending = [w for w in ledger.pending() if parse_time(w.warning["period_ends"]) <= newest]
        if not pending:
            return 0
        known = {w.name: w for w in settings.warnings}
        points, areas = points_of(settings), areas_of(settings)
        for each in pending:
            asked = known.get(each.name)
            try:
                if asked is None or asked.event != each.warning["event"]:
                    outcome: Outcome | None = Outcome(NOT_VERIFIABLE, reason="it is asked no more")
                else:
                    outcome = _verify(settings, archive, each, asked, location_of(asked, points, areas))
            except NowcastError as error:
                outcome = Outcome(NOT_VERIFIABLE, reason=str(error))
            if outcome is not None:
                outcomes[each.reference_time, each.name] = outcome
        ledger.settle(outcomes)
    except Exception as error:
        log.warning("warnings cannot be verified: %s", error, exc_info=error)
    return len(outcomes)


def _verify(
    settings: ServiceSettings,
    archive: Archive,
    pending: PendingWarning,
    asked: WarningSettings,
    place: Location,
) -> Outcome | None:
    """What became of one; None while frames may still come."""
    start, end = pending.reference_time, parse_time(pending.warning["period_ends"])
    expected = start + archive.step * np.arange(int((end - start) // archive.step) + 1)
    times = expected[np.isin(expected, archive.times)]
    if len(times) < len(expected) and archive.times[-1] - end < _PATIENCE:
        return None
    if len(times) < 2 or times[0] != start:
        return Outcome(NOT_VERIFIABLE, reason="its frames never came")
    cells = locate(archive.grid, [place])
    if not len(cells.index):
        return Outcome(NOT_VERIFIABLE, reason="outside the grid")
    share, values = observed_values(archive, times, cells, asked, _relation(settings, archive))
    share *= (len(times) - 1) / (len(expected) - 1)
    if share < settings.observed_share:
        return Outcome(NOT_VERIFIABLE, reason=f"{share:.0%} of it was observed")
    reached = np.flatnonzero(values >= np.float32(asked.at_least))
    if len(reached):
        if not pending.raised:
            return Outcome(MISS)
        return Outcome(HIT, minutes(times[1 + int(reached[0])] - pending.published))
    return Outcome(FALSE_ALARM if pending.raised else CORRECT_NO)


def _relation(settings: ServiceSettings, archive: Archive) -> ZRelation | None:
    own = z_r_of_text(str(archive.attrs.get(RELATION, "")))
    return own if own is not None or settings.z_r is None else z_r(settings.z_r)


def observed_values(
    archive: Archive,
    times: npt.NDArray[np.datetime64],
    cells: PlaceCells,
    asked: WarningSettings,
    relation: ZRelation | None,
) -> tuple[float, npt.NDArray[np.float32]]:
    """Read what was observed at a place after the first of some frames.

    Returns:
        The share of its cells and of these frames that was observed, and the quantity at the time of each frame
        but the first (F - 1): of rain sums, the sum up to then.

    Raises:
        NowcastError: no Z-R relation for mm.
    """
    if relation is None and asked.quantity in (RAIN_SUM, RAIN_RATE):
        raise NowcastError("no Z-R relation is known any more")
    rows, columns = _around(archive, cells)
    frames = archive.frames(times).isel(y=rows, x=columns).compute(scheduler="synchronous")
    near = cells.moved_into(archive.grid.shape, (rows, columns)).index
    flat = frames.values.reshape(len(times), -1)[:, near]
    if asked.quantity == RAIN_SUM:
        assert relation is not None
        sums = _running_sums(frames, relation, archive.grid.cell_km).reshape(len(times) - 1, -1)[:, near]
        known = float(np.isfinite(sums[-1]).mean())
        values = sums
    else:
        known = float(np.isfinite(flat[1:]).mean())
        values = flat[1:]
        if asked.quantity == RAIN_RATE:
            assert relation is not None
            values = rate_mm_h(values, relation, HIGHEST_MM_H)
    return known * float(cells.share_inside[0]), reduced(values, asked.of)


def _around(archive: Archive, cells: PlaceCells) -> tuple[slice, slice]:
    """Rows and columns of the cells of a place and of a margin around them."""
    found = []
    for part, size, km in zip(
        cells.window(archive.grid.shape), archive.grid.shape, archive.grid.cell_km, strict=True
    ):
        margin = round(_MARGIN_KM / km)
        found.append(slice(max(part.start - margin, 0), min(part.stop + margin, size)))
    return found[0], found[1]


def _running_sums(
    frames: xr.DataArray, relation: ZRelation, cell_km: tuple[float, float]
) -> npt.NDArray[np.float32]:
    """Sums (F - 1, H, W) in mm from the first frame up to each other one, along the motion."""
    dbz = np.asarray(frames.values, np.float32)
    at = [minutes(time - frames["time"].values[0]) for time in frames["time"].values]
    step = at[1] - at[0]
    steady = np.allclose(np.diff(at), step)
    motion = motion_of(dbz, _RAIN_DBZ, cell_km, step) / np.float32(step) if steady else None
    known = np.asarray(np.isfinite(dbz).all(axis=0))
    sums = Accumulation(at, at[1:], motion, _SUBSTEP_MINUTES).sums(
        lambda frame: rate_mm_h(np.where(known, dbz[frame], np.float32(-99.0)), relation, HIGHEST_MM_H)[None],
        known,
    )
    return sums[:, 0]
