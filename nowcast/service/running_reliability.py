"""The running reliability: how often it came when the service gave it a probability, against its calibration.

Counts add up: one row of the ledger a day and calibration. Only what the configured, calibrated model published
counts; the fallback's probabilities are those of another forecaster.

Dimensions: K thresholds, S lead times, R bins, H rows, W columns.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import numpy as np

from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError
from nowcast.core.field import PROBABILITY
from nowcast.core.times import to_text
from nowcast.evaluation.drift import Drift, drift
from nowcast.postprocessing.reliability import ATTRIBUTE, ReliabilityTable
from nowcast.products.cf_netcdf import read_forecast
from nowcast.service.ledger import Ledger, Statement
from nowcast.service.ledger_schema import RELIABILITY, PublishedNowcast

log = logging.getLogger(__name__)


def counted(ledger: Ledger, archive: Archive, nowcast: PublishedNowcast, path: Path) -> list[Statement]:
    """Return what to record of the probabilities of a nowcast whose observations are in.

    Why statements: they are written in the transaction that says the nowcast is settled, so that a crash counts
    none twice.
    """
    if nowcast.fallback or not path.is_file():
        return []
    try:
        forecast = read_forecast(path, only=(PROBABILITY,))
        text = forecast.attrs.get(ATTRIBUTE)
        if PROBABILITY not in forecast or text is None:
            return []
        valid = forecast["valid_time"].values
        there = np.isin(valid, archive.times)
        observed = np.full(forecast["reflectivity"].shape, np.nan, np.float32)
        if there.any():
            observed[there] = archive.frames(valid[there]).values
        found = ReliabilityTable.counted(forecast, observed)
        day, calibration = to_text(nowcast.reference_time)[:10], _key(str(text))
        rows = ledger.rows("SELECT sums FROM reliability WHERE day = ? AND calibration = ?", day, calibration)
        pooled = found + _table(rows[0][0]) if rows else found
    except NowcastError as error:
        log.warning("reliability of the nowcast of %s: %s", to_text(nowcast.reference_time), error)
        return []
    return [
        ("INSERT OR REPLACE INTO reliability VALUES (?, ?, ?)", [(day, calibration, _text(pooled))]),
        ("INSERT OR REPLACE INTO facts VALUES (?, ?)", [(RELIABILITY, str(text))]),
    ]


def running_drift(ledger: Ledger, days: float, now: np.datetime64) -> Drift | None:
    """Hold the last days against the calibration of the newest verified nowcast; None before the first.

    Raises:
        NowcastError: tables that cannot be compared.
    """
    text = ledger.metadata().get(RELIABILITY)
    if text is None:
        return None
    since = to_text(now - np.timedelta64(round(days * 86400), "s"))[:10]
    rows = ledger.rows("SELECT sums FROM reliability WHERE day >= ? AND calibration = ?", since, _key(text))
    if not rows:
        return None
    tables = [_table(row[0]) for row in rows]
    recent = tables[0]
    for table in tables[1:]:
        recent = recent + table
    return drift(recent, ReliabilityTable.from_json(text))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(table: ReliabilityTable) -> str:
    """The sums as they are: means that are rounded would not add up."""
    sums = [np.round(part, 6).tolist() for part in table.sums]
    return json.dumps([table.thresholds_dbz, table.lead_minutes, *sums])


def _table(text: str) -> ReliabilityTable:
    thresholds, leads, *sums = json.loads(text)
    cases, forecast, observed = (np.array(part, np.float64) for part in sums)
    return ReliabilityTable.of(thresholds, leads, cases, forecast, observed)
