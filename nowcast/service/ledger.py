"""The ledger: one SQLite file with every file seen, every cycle, every nowcast and every score."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from nowcast.core.errors import FileError, printable
from nowcast.core.times import parse_time, to_text
from nowcast.service.ledger_schema import INGESTED, REFUSED, SCHEMA, FileRow, LeadScore, PublishedNowcast

Statement = tuple[str, Sequence[tuple[object, ...]]]
"""A statement of SQL and the rows of values it is run with."""
_TRY_AGAIN = np.timedelta64(30, "m")
_NOWCAST = "SELECT issued, model, fallback, folder, published FROM nowcasts"
"""The column of the forecast reference time has kept its first name, so that every ledger opens."""


class Ledger:
    """Open with a path, use, close. Every write is one transaction and on the disk when it returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
            with self._db:
                self._db.executescript(SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise FileError(
                f"{path}: cannot be opened as the service's ledger ({error}); "
                "check the disk, or move the file away to begin a new one"
            ) from error

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        lately = abs(now - parse_time(row[3])) < _TRY_AGAIN
        return row[2] == INGESTED or (row[2] == REFUSED and bool(lately))

    def note_files(self, rows: Iterable[FileRow], now: np.datetime64) -> None:
        """Record that files were handled, all of them or none."""
        self._write_many(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
            [(r.path, r.size, r.mtime_ns, to_text(now), r.outcome, r.message) for r in rows],
        )

    def note_metadata(self, metadata: Mapping[str, str]) -> None:
        """Record what holds for the service now: `NEWEST_FRAME`, `STEP_SECONDS`, `REPLAY`."""
        self._write_many("INSERT OR REPLACE INTO facts VALUES (?, ?)", list(metadata.items()))

    def metadata(self) -> dict[str, str]:
        """Return what was last recorded of the service."""
        return dict(self._all("SELECT key, value FROM facts"))

    def forget_cycles(self) -> None:
        """Remove the cycles, and what they recorded of the service."""
        self._write("DELETE FROM cycles", ())
        self._write("DELETE FROM facts", ())

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
        rounded = json.dumps({part: round(value, 3) for part, value in seconds.items()})
        when = None if frame is None else to_text(frame)
        self._write(
            "INSERT INTO cycles (started, frame, outcome, exit_code, message, seconds)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (to_text(started), when, outcome, exit_code, message, rounded),
        )

    def note_nowcast(
        self,
        nowcast: PublishedNowcast,
        published: np.datetime64,
        manifest: Mapping[str, Any],
        further: Sequence[Statement] = (),
    ) -> None:
        """Record a published nowcast; the same forecast reference time again replaces nothing.

        ``further`` is recorded with it or not at all: what it warns of, and whom to tell.
        """
        n = nowcast
        row = (
            to_text(n.reference_time),
            to_text(published),
            n.model,
            printable(n.fallback),
            n.folder,
            json.dumps(manifest),
        )
        self.write_all(
            [
                (
                    "INSERT OR IGNORE INTO nowcasts (issued, published, model, fallback, folder, manifest)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    [row],
                ),
                *further,
            ]
        )

    def nowcasts(self, pending_only: bool = False) -> list[PublishedNowcast]:
        """Return the nowcasts, oldest first; only those with unscored lead times when asked.

        Without ``pending_only`` this grows with the years: a cycle asks the narrower questions below.
        """
        return self._nowcasts("WHERE pending = 1 ORDER BY issued" if pending_only else "ORDER BY issued")

    def newest(self) -> PublishedNowcast | None:
        """Return the nowcast of the newest frame, None before the first."""
        return next(iter(self._nowcasts("ORDER BY issued DESC LIMIT 1")), None)

    def kept(self) -> list[PublishedNowcast]:
        """Return the nowcasts whose files were not removed, oldest first."""
        return self._nowcasts("WHERE folder != '' ORDER BY issued")

    def first(self) -> np.datetime64 | None:
        """Return the forecast reference time of the first nowcast of all."""
        text = self._one("SELECT MIN(issued) FROM nowcasts")[0]
        return None if text is None else parse_time(text)

    def count_nowcasts(self, since: np.datetime64) -> tuple[int, int]:
        """Count the nowcasts from frames since then, and those of them that are the fallback's."""
        count, fallbacks = self._one(
            "SELECT COUNT(*), COALESCE(SUM(fallback != ''), 0) FROM nowcasts WHERE issued >= ?", to_text(since)
        )
        return int(count), int(fallbacks)

    def count_pending(self) -> int:
        """Count the nowcasts with lead times that are not settled."""
        return int(self._one("SELECT COUNT(*) FROM nowcasts WHERE pending = 1")[0])

    def valid_times(self, reference_time: np.datetime64) -> list[np.datetime64]:
        """Return the times that a nowcast is for, from its manifest."""
        row = self._one("SELECT manifest FROM nowcasts WHERE issued = ?", to_text(reference_time))
        return [parse_time(text) for text in json.loads(row[0]).get("valid_times", [])]

    def has_nowcast(self, reference_time: np.datetime64) -> bool:
        """Whether a nowcast of this forecast reference time is out."""
        return self._one("SELECT 1 FROM nowcasts WHERE issued = ?", to_text(reference_time)) is not None

    def settled_lead_times(self, reference_time: np.datetime64) -> set[float]:
        """Return the lead times (minutes) of a nowcast that are scored or given up."""
        key = to_text(reference_time)
        rows = self._all("SELECT DISTINCT lead_minutes FROM scores WHERE issued = ?", key)
        rows += self._all("SELECT lead_minutes FROM unverified WHERE issued = ?", key)
        return {row[0] for row in rows}

    def add_scores(self, rows: Sequence[LeadScore]) -> None:
        """Record counts, all or none of them."""
        self._write_many(
            "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(to_text(row.reference_time), *astuple(row)[1:]) for row in rows],
        )

    def give_up(self, reference_time: np.datetime64, lead_minutes: Iterable[float], reason: str) -> None:
        """Record that lead times can never be verified, and why."""
        self._write_many(
            "INSERT OR REPLACE INTO unverified VALUES (?, ?, ?)",
            [(to_text(reference_time), lead, reason) for lead in lead_minutes],
        )

    def finish(self, reference_time: np.datetime64, further: Sequence[Statement] = ()) -> None:
        """Record that every lead time of a nowcast is settled, and with it ``further``."""
        done = ("UPDATE nowcasts SET pending = 0 WHERE issued = ?", [(to_text(reference_time),)])
        self.write_all([*further, done])

    def forget_folder(self, reference_time: np.datetime64) -> None:
        """Record that the files of a nowcast were removed; its row and scores stay."""
        key = (to_text(reference_time),)
        self._write("UPDATE nowcasts SET folder = '', pending = 0 WHERE issued = ?", key)

    def skill(self, since: np.datetime64) -> list[tuple[str, float, int, int, int]]:
        """Return (model, threshold_dbz, hits, misses, false alarms) summed over nowcasts since then."""
        return self._all(
            "SELECT model, threshold_dbz, SUM(hits), SUM(misses), SUM(false_alarms) FROM scores"
            " WHERE issued >= ? GROUP BY model, threshold_dbz ORDER BY model, threshold_dbz",
            to_text(since),
        )

    def count_cycles(self, since: np.datetime64) -> dict[str, int]:
        """Count the cycles since then by outcome."""
        return dict(
            self._all(
                "SELECT outcome, COUNT(*) FROM cycles WHERE started >= ? GROUP BY outcome", to_text(since)
            )
        )

    def last_cycle(self) -> dict[str, Any] | None:
        """Return the newest cycle's row by column name, None before the first."""
        names = ("started", "frame", "outcome", "exit_code", "message", "seconds")
        row = self._one(f"SELECT {', '.join(names)} FROM cycles ORDER BY id DESC LIMIT 1")
        return None if row is None else dict(zip(names, row, strict=True))

    def check(self) -> None:
        """Look at every page of the file.

        Raises:
            FileError: one is damaged; the message names the file.
        """
        found = self._one("PRAGMA quick_check(1)")[0]
        if found != "ok":
            raise self._damaged(found)

    def _nowcasts(self, which: str) -> list[PublishedNowcast]:
        return [PublishedNowcast(parse_time(row[0]), *row[1:]) for row in self._all(f"{_NOWCAST} {which}")]

    def _one(self, query: str, *values: object) -> Any:
        return next(iter(self._all(query, *values)), None)

    def rows(self, query: str, *values: object) -> list[Any]:
        """Return what a query finds, for what has tables of its own in this file.

        Raises:
            FileError: a damaged file.
        """
        return self._all(query, *values)

    def _all(self, query: str, *values: object) -> list[Any]:
        try:
            with closing(self._db.execute(query, values)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def _damaged(self, why: object) -> FileError:
        return FileError(
            printable(
                f"{self.path}: the service's ledger is damaged ({why}); move it away, the next cycle "
                "begins a new one and enters the published nowcasts"
            )
        )

    def _write(self, query: str, values: Iterable[object]) -> None:
        self._write_many(query, [tuple(values)])

    def _write_many(self, query: str, rows: Sequence[tuple[object, ...]]) -> None:
        self.write_all([(query, rows)])

    def write_all(self, statements: Sequence[Statement]) -> None:
        """Run statements in one transaction.

        Raises:
            FileError: a damaged file, a full disk; then none of them was run.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for query, rows in statements:
                    self._db.executemany(query, rows)
            except sqlite3.Error:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise self._damaged(error) from error
            raise FileError(
                f"{self.path}: the service's ledger cannot be written ({error}); free some space on its disk"
            ) from error
