"""Verify every published nowcast against the observations, as soon as they are in."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import xarray as xr

from nowcast.archive.reader import Archive
from nowcast.core.field import NAME
from nowcast.core.times import minutes, to_text
from nowcast.products.cf_netcdf import read_forecast
from nowcast.scores.categorical import Contingency
from nowcast.service.ledger import Ledger
from nowcast.service.ledger_schema import LeadScore, PublishedNowcast
from nowcast.service.model_child import FORECAST_FILE
from nowcast.service.running_reliability import counted
from nowcast.service.settings import ServiceSettings

log = logging.getLogger(__name__)
PUBLISHED, PERSISTENCE = "published", "persistence"
_PATIENCE = np.timedelta64(6, "h")
"""A frame this much older than the newest one will not come any more."""


def score_pending(settings: ServiceSettings, ledger: Ledger, archive: Archive) -> int:
    """Score every lead time whose frame is in, of the nowcast and of persistence beside it.

    Why both: a number alone says little; the running skill shows what the nowcast adds to "no change".
    A lead time whose frame will not come any more is given up with the reason. Scores of one nowcast go
    into the ledger at once or not at all, so a crash between two cycles loses none and counts none twice.

    Returns:
        How many lead times were scored.
    """
    present = set(archive.times.tolist())
    newest = archive.times[-1]
    scored = 0
    for nowcast in ledger.nowcasts(pending_only=True):
        try:
            scored += _score_one(settings, ledger, archive, nowcast, present, newest)
        except Exception as error:  # one that cannot be read must not keep the others from their scores
            log.warning("nowcast of %s cannot be verified: %s", to_text(nowcast.reference_time), error)
    return scored


def _score_one(
    settings: ServiceSettings,
    ledger: Ledger,
    archive: Archive,
    nowcast: PublishedNowcast,
    present: set[int],
    newest: np.datetime64,
) -> int:
    start = nowcast.reference_time
    lead_times = [valid - start for valid in ledger.valid_times(start)]
    settled = ledger.settled_lead_times(start)
    unsettled = [d for d in lead_times if minutes(d) not in settled]
    due = [d for d in unsettled if _key(start + d) in present]
    path = Path(settings.output) / nowcast.folder / FORECAST_FILE
    if due and path.is_file():
        ledger.add_scores(_counts(settings, archive, start, read_forecast(path, only=())[NAME], due))
    elif due:
        ledger.give_up(start, map(minutes, due), "its file is gone")
    late = [d for d in unsettled if d not in due and newest - start - d > _PATIENCE]
    ledger.give_up(start, map(minutes, late), "its frame never came")
    if len(ledger.settled_lead_times(start)) == len(lead_times):
        ledger.finish(start, counted(ledger, archive, nowcast, path))
    return len(due)


def _counts(
    settings: ServiceSettings,
    archive: Archive,
    start: np.datetime64,
    forecast: xr.DataArray,
    due: list[np.timedelta64],
) -> list[LeadScore]:
    observed = archive.frames(np.array([start + d for d in due])).values
    newest = archive.frames(np.array([start])).values
    forecasts = {
        PUBLISHED: forecast.sel(lead_time=np.array(due)).values,
        PERSISTENCE: np.repeat(newest, len(due), axis=0),
    }
    rows = []
    for model, dbz in forecasts.items():
        for threshold in settings.thresholds_dbz:
            sums = Contingency(threshold).sums(dbz, observed)
            rows += [
                LeadScore(
                    start,
                    model,
                    minutes(lead),
                    threshold,
                    int(sums["hits"][i]),
                    int(sums["misses"][i]),
                    int(sums["false_alarms"][i]),
                )
                for i, lead in enumerate(due)
            ]
    return rows


def _key(moment: np.datetime64) -> int:
    return int(moment.astype("datetime64[ns]").astype(np.int64))
