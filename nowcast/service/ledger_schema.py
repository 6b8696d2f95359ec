"""What the ledger holds: its tables, its rows, the words in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

INGESTED, REFUSED = "ingested", "refused"
"""What became of a file."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    seen TEXT NOT NULL, outcome TEXT NOT NULL, message TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cycles (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL, frame TEXT, outcome TEXT NOT NULL,
    exit_code INTEGER NOT NULL, message TEXT NOT NULL, seconds TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS nowcasts (
    issued TEXT PRIMARY KEY, published TEXT NOT NULL, model TEXT NOT NULL,
    fallback TEXT NOT NULL, folder TEXT NOT NULL, manifest TEXT NOT NULL,
    pending INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS scores (
    issued TEXT NOT NULL, model TEXT NOT NULL, lead_minutes REAL NOT NULL,
    threshold_dbz REAL NOT NULL, hits INTEGER NOT NULL, misses INTEGER NOT NULL,
    false_alarms INTEGER NOT NULL, PRIMARY KEY (issued, model, lead_minutes, threshold_dbz));
CREATE TABLE IF NOT EXISTS unverified (
    issued TEXT NOT NULL, lead_minutes REAL NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (issued, lead_minutes));
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS judged (
    issued TEXT NOT NULL, published TEXT NOT NULL, name TEXT NOT NULL, raised INTEGER NOT NULL,
    probability REAL, warning TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT '', lead_minutes REAL,
    reason TEXT NOT NULL DEFAULT '', PRIMARY KEY (issued, name));
CREATE TABLE IF NOT EXISTS messages (
    id TEXT NOT NULL, hook TEXT NOT NULL, body TEXT NOT NULL, expires TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, outcome TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (id, hook));
CREATE TABLE IF NOT EXISTS reliability (
    day TEXT NOT NULL, calibration TEXT NOT NULL, sums TEXT NOT NULL, PRIMARY KEY (day, calibration));
CREATE INDEX IF NOT EXISTS judged_pending ON judged (issued) WHERE outcome = '';
CREATE INDEX IF NOT EXISTS messages_pending ON messages (expires) WHERE outcome = '';
CREATE INDEX IF NOT EXISTS cycles_by_start ON cycles (started);
CREATE INDEX IF NOT EXISTS nowcasts_pending ON nowcasts (pending) WHERE pending = 1;
CREATE INDEX IF NOT EXISTS nowcasts_kept ON nowcasts (issued) WHERE folder != '';
"""
NEWEST_FRAME, STEP_SECONDS, REPLAY = "newest_frame", "step_seconds", "replay"
"""Keys of the table ``facts``: newest whole frame, the archive's step, what is replayed if anything."""
RELIABILITY = "reliability"
"""Another: the reliability that the calibration of the newest verified nowcast found, as JSON."""


HIT, MISS, FALSE_ALARM, CORRECT_NO, NOT_VERIFIABLE = (
    "hit",
    "miss",
    "false alarm",
    "correct no",
    "not verifiable",
)
"""What became of a warning, or of none, in the table ``judged``; empty until its period was observed."""
DELIVERED, EXPIRED = "delivered", "expired"
"""What became of a message, in the table ``messages``; empty while it is to be told."""


@dataclass(frozen=True)
class PublishedNowcast:
    """One published nowcast as the ledger knows it."""

    reference_time: np.datetime64
    model: str
    fallback: str
    folder: str
    """Below the output folder; empty once the files were removed."""
    published: str = ""
    """When it was published, as the ledger wrote it."""


@dataclass(frozen=True)
class LeadScore:
    """Contingency counts of one lead time and threshold of one nowcast."""

    reference_time: np.datetime64
    model: str
    lead_minutes: float
    threshold_dbz: float
    hits: int
    misses: int
    false_alarms: int


class FileRow(NamedTuple):
    """What became of a file in one state of it."""

    path: str
    size: int
    mtime_ns: int
    outcome: str
    message: str = ""
