"""Warnings in the ledger: what was judged, what came of it, and what is still to be told to whom."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nowcast.core.errors import printable
from nowcast.core.times import parse_time, to_text
from nowcast.service.ledger import Ledger, Statement
from nowcast.service.ledger_schema import DELIVERED, EXPIRED
from nowcast.service.settings import ServiceSettings

_MONTH = np.timedelta64(30, "D")


class PendingWarning(NamedTuple):
    """A warning, raised or not, whose period is not verified yet."""

    reference_time: np.datetime64
    published: np.datetime64
    name: str
    raised: bool
    warning: dict[str, Any]
    """As `nowcast.service.answers` judged it."""


class Message(NamedTuple):
    """What is to be told to one hook."""

    id: str
    hook: str
    body: str
    expires: np.datetime64


class Outcome(NamedTuple):
    """What became of a warning."""

    word: str
    lead_minutes: float | None = None
    """Of a hit: from its publication to the first observation of the event."""
    reason: str = ""


@dataclass(frozen=True)
class WarningLedger:
    """The tables ``judged`` and ``messages``. Every write is one transaction."""

    ledger: Ledger

    def raised_before(self, reference_time: np.datetime64, name: str) -> bool:
        """Whether the nowcast before one raised this warning."""
        rows = self.ledger.rows(
            "SELECT raised FROM judged WHERE name = ? AND issued < ? ORDER BY issued DESC LIMIT 1",
            name,
            to_text(reference_time),
        )
        return bool(rows and rows[0][0])

    def pending(self) -> list[PendingWarning]:
        """Return what is not verified yet, oldest first."""
        rows = self.ledger.rows(
            "SELECT issued, published, name, raised, warning FROM judged WHERE outcome = ''"
            " ORDER BY issued, name"
        )
        return [
            PendingWarning(parse_time(issued), parse_time(published), name, bool(raised), json.loads(text))
            for issued, published, name, raised, text in rows
        ]

    def settle(self, outcomes: Mapping[tuple[np.datetime64, str], Outcome]) -> None:
        """Record what became of warnings, all or none."""
        self.ledger.write_all(
            [
                (
                    "UPDATE judged SET outcome = ?, lead_minutes = ?, reason = ? WHERE issued = ? AND name = ?",
                    [(*outcome, to_text(issued), name) for (issued, name), outcome in outcomes.items()],
                )
            ]
        )

    def counts(self, since: np.datetime64) -> dict[str, dict[str, tuple[int, float | None]]]:
        """Return by warning and outcome: how many from frames since then, and the mean lead time in minutes."""
        found: dict[str, dict[str, tuple[int, float | None]]] = {}
        for name, outcome, count, lead in self.ledger.rows(
            "SELECT name, outcome, COUNT(*), AVG(lead_minutes) FROM judged WHERE issued >= ?"
            " GROUP BY name, outcome ORDER BY name",
            to_text(since),
        ):
            found.setdefault(name, {})[outcome] = (int(count), lead)
        return found

    def newest(self, reference_time: np.datetime64) -> list[dict[str, Any]]:
        """Return what a nowcast said of each warning."""
        rows = self.ledger.rows(
            "SELECT warning FROM judged WHERE issued = ? ORDER BY name", to_text(reference_time)
        )
        return [json.loads(row[0]) for row in rows]

    def to_tell(self, hooks: Sequence[str], now: np.datetime64) -> list[Message]:
        """Return the messages that wait, those least tried first, then the newest; others' time is over.

        Why in this order: one that its receiver will never take must not keep back those after it. What is
        settled goes after a month.
        """
        self.ledger.write_all(
            [
                (
                    "UPDATE messages SET outcome = ? WHERE outcome = '' AND expires < ?",
                    [(EXPIRED, to_text(now))],
                ),
                ("DELETE FROM messages WHERE outcome != '' AND expires < ?", [(to_text(now - _MONTH),)]),
            ]
        )
        rows = self.ledger.rows(
            "SELECT id, hook, body, expires FROM messages WHERE outcome = '' ORDER BY tries, rowid DESC"
        )
        return [Message(row[0], row[1], row[2], parse_time(row[3])) for row in rows if row[1] in hooks]

    def note_told(self, message: Message, tries: int, failure: str) -> None:
        """Record that a message was delivered, or why not."""
        outcome = "" if failure else DELIVERED
        self.ledger.write_all(
            [
                (
                    "UPDATE messages SET tries = tries + ?, outcome = ?, reason = ? WHERE id = ? AND hook = ?",
                    [(tries, outcome, printable(failure)[:300], message.id, message.hook)],
                )
            ]
        )

    def messages(self) -> dict[str, int]:
        """Count the messages of all time by outcome; the empty one waits."""
        return dict(self.ledger.rows("SELECT outcome, COUNT(*) FROM messages GROUP BY outcome"))

    def waiting(self) -> list[tuple[str, int, str]]:
        """Return (hook, how many of its messages wait, why the last try failed)."""
        return self.ledger.rows(
            "SELECT hook, COUNT(*), MAX(reason) FROM messages WHERE outcome = '' GROUP BY hook ORDER BY hook"
        )


def entries_of(settings: ServiceSettings, manifest: Mapping[str, Any]) -> list[Statement]:
    """Return what to record of warnings beside a published nowcast, from its manifest alone.

    Why from the manifest: a nowcast that a crash kept out of the ledger is entered from it, warnings, messages
    and all. What is there already stays as it is.
    """
    judged = manifest.get("judged") or []
    if not judged:
        return []
    issued = str(manifest["forecast_reference_time"])
    published = parse_time(str(manifest["published"]))
    expires = to_text(published + np.timedelta64(round(settings.hook_expire_minutes * 60), "s"))
    rows = [
        (issued, to_text(published), w["name"], int(w["raised"]), w["probability"], json.dumps(w))
        for w in judged
    ]
    told = [
        (warning["id"], hook.name, json.dumps(warning, ensure_ascii=False), expires)
        for warning in manifest["warnings"]
        for hook in settings.hooks
    ]
    return [
        (
            "INSERT OR IGNORE INTO judged (issued, published, name, raised, probability, warning)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        ),
        ("INSERT OR IGNORE INTO messages (id, hook, body, expires) VALUES (?, ?, ?, ?)", told),
    ]
