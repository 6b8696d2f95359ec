"""The ledger: one SQLite file with every file seen, every cycle, every nowcast and every score."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nowcast.core.errors import FileError
from nowcast.core.times import parse_time, to_text

INGESTED, REFUSED = "ingested", "refused"
_TRY_AGAIN = np.timedelta64(30, "m")

_SCHEMA = """
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
"""


@dataclass(frozen=True)
class Issued:
    """One published nowcast as the ledger knows it."""

    issued: np.datetime64
    model: str
    fallback: str
    folder: str
    """Below the output folder; empty once the files were removed."""
    published: str = ""
    """When it was published, as the ledger wrote it."""


@dataclass(frozen=True)
class ScoreRow:
    """Contingency counts of one lead time and threshold of one nowcast."""

    issued: np.datetime64
    model: str
    lead_minutes: float
    threshold_dbz: float
    hits: int
    misses: int
    false_alarms: int


class Ledger:
    """Open with a path, use, close. Every write is one transaction and on the disk when it returns."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
            with self._db:
                self._db.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise FileError(
                f"{path}: cannot be opened as the service's ledger ({error}); "
                "check the disk, or move the file away to begin a new one"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def file_known(self, path: str, size: int, mtime_ns: int, now: np.datetime64) -> bool:
        """Whether this very state of the file was handled before.

        A refused file is tried again after a while: it may have been the clock that was wrong.
        """
        row = self._one("SELECT size, mtime_ns, outcome, seen FROM files WHERE path = ?", path)
        if row is None or row[:2] != (size, mtime_ns):
            return False
        return bool(row[2] == INGESTED or abs(now - parse_time(row[3])) < _TRY_AGAIN)

    def note_file(
        self,
        path: str,
        size: int,
        mtime_ns: int,
        now: np.datetime64,
        outcome: str,
        message: str = "",
    ) -> None:
        """Record that a file was handled: `INGESTED` or `REFUSED`."""
        self._write(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
            (path, size, mtime_ns, to_text(now), outcome, message),
        )

    def note_cycle(
        self,
        started: np.datetime64,
        frame: np.datetime64 | None,
        outcome: str,
        exit_code: int,
        message: str,
        seconds: Mapping[str, float],
    ) -> None:
        """Record how a cycle went and how long each part of it took."""
        self._write(
            "INSERT INTO cycles (started, frame, outcome, exit_code, message, seconds)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                to_text(started),
                None if frame is None else to_text(frame),
                outcome,
                exit_code,
                message,
                json.dumps({k: round(v, 3) for k, v in seconds.items()}),
            ),
        )

    def note_nowcast(
        self, nowcast: Issued, published: np.datetime64, manifest: Mapping[str, Any]
    ) -> None:
        """Record a published nowcast; the same issue time again replaces nothing."""
        self._write(
            "INSERT OR IGNORE INTO nowcasts (issued, published, model, fallback, folder, manifest)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                to_text(nowcast.issued),
                to_text(published),
                nowcast.model,
                nowcast.fallback,
                nowcast.folder,
                json.dumps(manifest),
            ),
        )

    def issued(self, pending_only: bool = False) -> list[Issued]:
        """Give the nowcasts, oldest first; only those with unscored lead times when asked."""
        where = " WHERE pending = 1" if pending_only else ""
        rows = self._all(
            f"SELECT issued, model, fallback, folder, published FROM nowcasts{where} ORDER BY issued"
        )
        return [Issued(parse_time(r[0]), *r[1:]) for r in rows]

    def is_issued(self, moment: np.datetime64) -> bool:
        """Whether a nowcast of this issue time is out."""
        return self._one("SELECT 1 FROM nowcasts WHERE issued = ?", to_text(moment)) is not None

    def settled_leads(self, issued: np.datetime64) -> set[float]:
        """Give the lead times (minutes) of a nowcast that are scored or given up."""
        key = to_text(issued)
        rows = self._all("SELECT DISTINCT lead_minutes FROM scores WHERE issued = ?", key)
        rows += self._all("SELECT lead_minutes FROM unverified WHERE issued = ?", key)
        return {row[0] for row in rows}

    def add_scores(self, rows: Sequence[ScoreRow]) -> None:
        """Record counts, all or none of them."""
        self._write_many(
            "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    to_text(r.issued),
                    r.model,
                    r.lead_minutes,
                    r.threshold_dbz,
                    r.hits,
                    r.misses,
                    r.false_alarms,
                )
                for r in rows
            ],
        )

    def give_up(self, issued: np.datetime64, lead_minutes: float, reason: str) -> None:
        """Record that a lead time can never be verified, and why."""
        self._write(
            "INSERT OR REPLACE INTO unverified VALUES (?, ?, ?)",
            (to_text(issued), lead_minutes, reason),
        )

    def finish(self, issued: np.datetime64) -> None:
        """Record that every lead time of a nowcast is settled."""
        self._write("UPDATE nowcasts SET pending = 0 WHERE issued = ?", (to_text(issued),))

    def forget_folder(self, issued: np.datetime64) -> None:
        """Record that the files of a nowcast were removed; its row and scores stay."""
        self._write(
            "UPDATE nowcasts SET folder = '', pending = 0 WHERE issued = ?", (to_text(issued),)
        )

    def skill(self, since: np.datetime64) -> list[tuple[str, float, int, int, int]]:
        """Give (model, threshold_dbz, hits, misses, false alarms) summed over nowcasts since then."""
        return self._all(
            "SELECT model, threshold_dbz, SUM(hits), SUM(misses), SUM(false_alarms) FROM scores"
            " WHERE issued >= ? GROUP BY model, threshold_dbz ORDER BY model, threshold_dbz",
            to_text(since),
        )

    def counts(self, since: np.datetime64) -> dict[str, int]:
        """Count the cycles since then by outcome."""
        rows = self._all(
            "SELECT outcome, COUNT(*) FROM cycles WHERE started >= ? GROUP BY outcome",
            to_text(since),
        )
        return dict(rows)

    def last_cycle(self) -> dict[str, Any] | None:
        """Give the newest cycle's row by column name, None before the first."""
        cursor = self._db.execute("SELECT * FROM cycles ORDER BY id DESC LIMIT 1")
        with closing(cursor):
            row = cursor.fetchone()
            return (
                None
                if row is None
                else dict(zip([c[0] for c in cursor.description], row, strict=True))
            )

    def _one(self, query: str, *values: object) -> Any:
        with closing(self._db.execute(query, values)) as cursor:
            return cursor.fetchone()

    def _all(self, query: str, *values: object) -> list[Any]:
        with closing(self._db.execute(query, values)) as cursor:
            return cursor.fetchall()

    def _write(self, query: str, values: Iterable[object]) -> None:
        self._write_many(query, [tuple(values)])

    def _write_many(self, query: str, rows: Sequence[tuple[object, ...]]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(query, rows)
            except sqlite3.Error:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise FileError(
                f"the service's ledger cannot be written ({error}); free some space on its disk"
            ) from error
