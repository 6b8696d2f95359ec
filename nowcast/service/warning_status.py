"""What the status says of warnings: which are raised, what came of others, who was not told; and drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nowcast.core.errors import NowcastError
from nowcast.core.times import parse_time
from nowcast.scores.categorical import far, pod
from nowcast.service.bulletin import headline
from nowcast.service.ledger import Ledger
from nowcast.service.ledger_schema import CORRECT_NO, FALSE_ALARM, HIT, MISS, NOT_VERIFIABLE, PublishedNowcast
from nowcast.service.running_reliability import running_drift
from nowcast.service.settings import ServiceSettings
from nowcast.service.warning_ledger import WarningLedger


@dataclass(frozen=True)
class WarningRecord:
    """One warning now, and its record over the last ``warning_hours``; each nowcast counts once."""

    name: str
    event: str
    raised: bool
    """By the newest nowcast, and not over yet."""
    headline: str
    until: str
    """When its period is over; empty where it is not raised."""
    probability: float | None
    hits: int
    false_alarms: int
    misses: int
    """Events that came without a warning."""
    correct_noes: int
    not_verifiable: int
    pending: int
    pod: float | None
    """Share of the events that were warned of; None without an event."""
    far: float | None
    """Share of the warnings that were false; None without one."""
    mean_lead_minutes: float | None
    """Of hits: from publication to the first observation of the event."""


class WarningState(NamedTuple):
    """All of it, as the status takes it."""

    warnings: tuple[WarningRecord, ...]
    messages_waiting: int
    calibration: str
    calibration_drifted: bool
    complaints: tuple[str, ...]


def read_warnings(
    settings: ServiceSettings, ledger: Ledger, newest: PublishedNowcast | None, now: np.datetime64
) -> WarningState:
    """Gather it from the ledger."""
    known = WarningLedger(ledger)
    since = now - np.timedelta64(round(settings.warning_hours * 3600), "s")
    counts = known.counts(since)
    said = {} if newest is None else {w["name"]: w for w in known.newest(newest.reference_time)}
    records = []
    for warning in settings.warnings:
        of = counts.get(warning.name, {})
        hits, alarms, misses, noes, lost, waiting = (
            of.get(word, (0, None))[0] for word in (HIT, FALSE_ALARM, MISS, CORRECT_NO, NOT_VERIFIABLE, "")
        )
        told = said.get(warning.name)
        active = told is not None and bool(told["raised"]) and bool(now < parse_time(told["period_ends"]))
        records.append(
            WarningRecord(
                warning.name,
                warning.event,
                active,
                headline(told) if told is not None and active else "",
                str(told["period_ends"]) if told is not None and active else "",
                None if told is None else told["probability"],
                hits,
                alarms,
                misses,
                noes,
                lost,
                waiting,
                float(pod(hits, misses)) if hits + misses else None,
                float(far(hits, alarms)) if hits + alarms else None,
                of.get(HIT, (0, None))[1],
            )
        )
    waiting_for = known.waiting()
    sentence, drifted = _calibration(settings, ledger, now)
    complaints = [
        f"{count} messages wait for hook {hook}: {reason or 'not tried yet'}"
        for hook, count, reason in waiting_for
        if reason
    ]
    if drifted:
        complaints.append(sentence)
    return WarningState(
        tuple(records), sum(count for _, count, _ in waiting_for), sentence, drifted, tuple(complaints)
    )


def _calibration(settings: ServiceSettings, ledger: Ledger, now: np.datetime64) -> tuple[str, bool]:
    try:
        found = running_drift(ledger, settings.drift_days, now)
    except NowcastError as error:
        return f"calibration not judged: {error}", False
    return ("", False) if found is None else (found.sentence, found.drifted)


def record_text(record: WarningRecord) -> str:
    """Say what came of a warning so far."""
    judged = record.hits + record.false_alarms + record.misses
    if not judged:
        noes = record.correct_noes
        return f"no event and no warning: {noes}" if noes else "nothing to verify yet"
    parts = [f"{record.hits} hits", f"{record.false_alarms} false alarms", f"{record.misses} misses"]
    parts += [] if record.pod is None else [f"POD {record.pod:.2f}"]
    parts += [] if record.far is None else [f"FAR {record.far:.2f}"]
    parts += [] if record.mean_lead_minutes is None else [f"mean lead {record.mean_lead_minutes:.0f} min"]
    return ", ".join(parts)


def warning_lines(records: Sequence[WarningRecord]) -> list[str]:
    """Write them for a person at a terminal."""
    return [
        line
        for record in records
        for line in (
            f"  warning         {record.headline if record.raised else f'{record.name}: none'}",
            f"                  {record_text(record)}",
        )
    ]


def warning_metrics(service: str, records: Sequence[WarningRecord]) -> list[str]:
    """Write them as lines of a Prometheus text file."""
    lines = []
    for record in records:
        where = f'service="{service}",warning="{_label(record.name)}"'
        lines.append(f"nowcast_warning_raised{{{where}}} {float(record.raised):g}")
        for outcome in ("hits", "false_alarms", "misses", "correct_noes", "not_verifiable"):
            lines.append(f'nowcast_warnings_verified{{{where},outcome="{outcome}"}} {getattr(record, outcome)}')
        for key in ("pod", "far", "mean_lead_minutes"):
            value = getattr(record, key)
            if value is not None:
                lines.append(f"nowcast_warning_{key}{{{where}}} {value:.6g}")
    return lines


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
