"""The state of a service: age of the newest frame and nowcast, fallbacks, skill, disk; page and metrics."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nowcast.core.times import minutes, parse_time, to_text
from nowcast.scores.categorical import csi
from nowcast.service.clock import Clock, ManualClock, SystemClock
from nowcast.service.ledger import Ledger
from nowcast.service.ledger_schema import NEWEST_FRAME, REPLAY, STEP_SECONDS, PublishedNowcast
from nowcast.service.settings import ServiceSettings
from nowcast.service.warning_status import WarningRecord, read_warnings, warning_lines, warning_metrics


@dataclass(frozen=True)
class RunningSkill:
    """CSI of what was published and of persistence at one threshold; None when nothing was counted."""

    threshold_dbz: float
    published: float | None
    persistence: float | None


@dataclass(frozen=True)
class Status:
    """What `nowcast status` says. Ages in minutes, None before the first.

    ``newest_frame`` is the newest observation of the archive, ``newest_nowcast`` the frame that the
    newest nowcast starts from and ``published`` the time it came out.
    """

    service: str
    replay: str
    """The archive that is replayed, on whose clock all times are; empty for a service on files that come in."""
    at: str
    healthy: bool
    complaints: tuple[str, ...]
    newest_frame: str | None
    frame_age_minutes: float | None
    newest_nowcast: str | None
    nowcast_age_minutes: float | None
    published: str | None
    model: str | None
    fallback: str | None
    last_cycle: str | None
    cycles: dict[str, int]
    """Cycles of the last ``score_hours`` by outcome."""
    nowcasts: int
    """Nowcasts of the last ``score_hours``."""
    fallbacks: int
    """Those of them that the configured model did not make."""
    missed_cycles: int | None
    """Times of the radar's clock in the last ``score_hours``, since the first nowcast, that have none."""
    nowcasts_pending: int
    skill: tuple[RunningSkill, ...]
    disk_free_mb: int
    warnings: tuple[WarningRecord, ...] = ()
    messages_waiting: int = 0
    """Warnings that some hook was not told of yet."""
    calibration: str = ""
    """What the running reliability says of the calibration, in one sentence; empty where there is none."""
    calibration_drifted: bool = False


def clock_of(ledger: Ledger) -> Clock:
    """Return the machine's clock, or for a replay one that stands where its last cycle began."""
    last = ledger.last_cycle()
    if ledger.metadata().get(REPLAY) and last:
        return ManualClock(parse_time(last["started"]))
    return SystemClock()


def read_status(settings: ServiceSettings, ledger: Ledger, clock: Clock) -> Status:
    """Gather the state of the service from ledger and disk, without opening the archive."""
    now = clock.now()
    since = now - np.timedelta64(int(settings.score_hours * 3600), "s")
    newest, last, metadata = ledger.newest(), ledger.last_cycle(), ledger.metadata()
    frame = parse_time(metadata[NEWEST_FRAME]) if NEWEST_FRAME in metadata else None
    age = minutes(now - newest.reference_time) if newest else None
    free = shutil.disk_usage(settings.output).free // 2**20
    nowcasts, fallbacks = ledger.count_nowcasts(since)
    found = read_warnings(settings, ledger, newest, now)
    complaints = _complaints(settings, newest, age, last, free) + found.complaints
    return Status(
        service=settings.name,
        replay=metadata.get(REPLAY, ""),
        at=to_text(now),
        healthy=not complaints,
        complaints=complaints,
        newest_frame=to_text(frame) if frame is not None else None,
        frame_age_minutes=minutes(now - frame) if frame is not None else None,
        newest_nowcast=to_text(newest.reference_time) if newest else None,
        nowcast_age_minutes=age,
        published=newest.published if newest else None,
        model=newest.model if newest else None,
        fallback=newest.fallback if newest else None,
        last_cycle=str(last["started"]) if last else None,
        cycles=ledger.count_cycles(since),
        nowcasts=nowcasts,
        fallbacks=fallbacks,
        missed_cycles=_missed(settings, ledger, since, now, metadata.get(STEP_SECONDS)),
        nowcasts_pending=ledger.count_pending(),
        skill=_skill(ledger, since),
        disk_free_mb=int(free),
        warnings=found.warnings,
        messages_waiting=found.messages_waiting,
        calibration=found.calibration,
        calibration_drifted=found.calibration_drifted,
    )


def _complaints(
    settings: ServiceSettings,
    newest: PublishedNowcast | None,
    age: float | None,
    last: dict[str, Any] | None,
    free_mb: int,
) -> tuple[str, ...]:
    found = []
    if newest is None:
        found.append("no nowcast yet")
    elif age is not None and age > settings.stale_minutes:
        found.append(f"newest nowcast is from {age_text(age)} ago")
    if last and last["outcome"] == "failed":
        found.append(f"last cycle failed: {last['message']}")
    if newest and newest.fallback:
        found.append(f"running on the fallback: {newest.fallback}")
    if free_mb < settings.low_disk_mb:
        found.append(f"the disk is nearly full: {free_mb} MB left")
    return tuple(found)


def _missed(
    settings: ServiceSettings,
    ledger: Ledger,
    since: np.datetime64,
    now: np.datetime64,
    step_seconds: str | None,
) -> int | None:
    """Count the times from the first nowcast (or ``since``) until now that have no nowcast.

    A time counts once its frame was waited for and the model's time is over, or a later one is out.
    """
    first, newest = ledger.first(), ledger.newest()
    if first is None or newest is None or step_seconds is None:
        return None
    step = np.timedelta64(int(step_seconds), "s")
    if first < since:
        first = first + step * int(np.ceil((since - first) / step))
    grace = settings.late_minutes * 60 + settings.budget_seconds
    due = max(now - np.timedelta64(int(grace), "s"), newest.reference_time)
    expected = int((due - first) // step) + 1 if due >= first else 0
    return max(expected - ledger.count_nowcasts(first)[0], 0)


def as_text(status: Status) -> str:
    """Write the state for a person at a terminal."""
    lines = [
        f"{status.service}: {'healthy' if status.healthy else 'NOT HEALTHY'} at {status.at}"
        + (f" on the clock of a replay of {status.replay}" if status.replay else ""),
        *(f"  ! {c}" for c in status.complaints),
        f"  newest frame    {status.newest_frame or '-'} ({_age(status.frame_age_minutes)})",
        f"  newest nowcast  {status.newest_nowcast or '-'} ({_age(status.nowcast_age_minutes)})"
        f" by {status.model or '-'}, published {status.published or '-'}",
        f"  nowcasts        {status.nowcasts}, {status.fallbacks} by the fallback,"
        f" {'-' if status.missed_cycles is None else status.missed_cycles} missed",
        "  cycles          " + (", ".join(f"{n} {k}" for k, n in status.cycles.items()) or "-"),
        f"  to be verified  {status.nowcasts_pending}",
        f"  disk free       {status.disk_free_mb} MB",
    ]
    for skill in status.skill:
        lines.append(
            f"  CSI >= {skill.threshold_dbz:g} dBZ   {csi_text(skill.published)}"
            f" (persistence {csi_text(skill.persistence)})"
        )
    lines += warning_lines(status.warnings)
    if status.calibration and not status.calibration_drifted:
        lines.append(f"  calibration     {status.calibration}")
    return "\n".join(lines)


def as_json(status: Status) -> str:
    """Write the state for a machine."""
    return json.dumps(asdict(status), indent=1)


def as_prometheus(status: Status) -> str:
    """Write the state as a Prometheus text file."""
    label = f'{{service="{status.service}"}}'
    values: dict[str, float | None] = {
        "nowcast_healthy": float(status.healthy),
        "nowcast_frame_age_minutes": status.frame_age_minutes,
        "nowcast_age_minutes": status.nowcast_age_minutes,
        "nowcast_fallback": float(bool(status.fallback)),
        "nowcast_fallbacks": float(status.fallbacks),
        "nowcast_missed_cycles": status.missed_cycles,
        "nowcast_disk_free_megabytes": float(status.disk_free_mb),
        "nowcast_pending_verifications": float(status.nowcasts_pending),
    }
    lines = [f"{name}{label} {value:g}" for name, value in values.items() if value is not None]
    for skill in status.skill:
        for source, value in (("published", skill.published), ("persistence", skill.persistence)):
            if value is not None:
                where = f'{{service="{status.service}",source="{source}",dbz="{skill.threshold_dbz:g}"}}'
                lines.append(f"nowcast_csi{where} {value:.6g}")
    lines += [
        f"nowcast_calibration_drifted{label} {float(status.calibration_drifted):g}",
        f"nowcast_messages_waiting{label} {status.messages_waiting}",
        *warning_metrics(status.service, status.warnings),
    ]
    return "\n".join(lines) + "\n"


def _skill(ledger: Ledger, since: np.datetime64) -> tuple[RunningSkill, ...]:
    found: dict[float, dict[str, float | None]] = {}
    for model, threshold, hits, misses, false_alarms in ledger.skill(since):
        value = float(csi(hits, misses, false_alarms))
        found.setdefault(threshold, {})[model] = None if math.isnan(value) else value
    return tuple(
        RunningSkill(threshold, by_model.get("published"), by_model.get("persistence"))
        for threshold, by_model in found.items()
    )


def _age(value: float | None) -> str:
    return "none yet" if value is None else f"{age_text(value)} ago"


def age_text(age_minutes: float) -> str:
    """Write an age in the unit people think in: minutes up to two hours, then hours, then days."""
    if abs(age_minutes) <= 120:
        return f"{age_minutes:.0f} minutes"
    return f"{age_minutes / 60:.0f} hours" if abs(age_minutes) <= 2880 else f"{age_minutes / 1440:.0f} days"


def csi_text(value: float | None) -> str:
    """Write a CSI with three digits, a dash for none."""
    return "-" if value is None else f"{value:.3f}"
