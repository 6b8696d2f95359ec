"""The state of a service: age of the newest frame and nowcast, fallbacks, skill, disk; page and metrics."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from nowcast.core.files import whole_file
from nowcast.core.times import minutes, parse_time, to_text
from nowcast.service.clock import Clock
from nowcast.service.ledger import Ledger
from nowcast.service.settings import ServiceSettings


@dataclass(frozen=True)
class Skill:
    """CSI of what was published and of persistence at one threshold; None when nothing was counted."""

    threshold_dbz: float
    published: float | None
    persistence: float | None


@dataclass(frozen=True)
class Status:
    """What `nowcast status` says. Ages in minutes, None before the first."""

    service: str
    at: str
    healthy: bool
    complaints: tuple[str, ...]
    newest_frame: str | None
    frame_age_minutes: float | None
    newest_nowcast: str | None
    nowcast_age_minutes: float | None
    model: str | None
    fallback: str | None
    last_cycle: str | None
    cycles: dict[str, int]
    """Cycles of the last ``score_hours`` by outcome."""
    nowcasts_pending: int
    skill: tuple[Skill, ...]
    disk_free_mb: int


def read_status(settings: ServiceSettings, ledger: Ledger, clock: Clock) -> Status:
    """Gather the state of the service from ledger and disk, without opening the archive."""
    now = clock.now()
    since = now - np.timedelta64(int(settings.score_hours * 3600), "s")
    issued = ledger.issued()
    newest = issued[-1] if issued else None
    age = minutes(now - newest.issued) if newest else None
    last = ledger.last_cycle()
    free = shutil.disk_usage(settings.output).free // 2**20
    complaints = []
    if newest is None:
        complaints.append("no nowcast yet")
    elif age is not None and age > settings.stale_minutes:
        complaints.append(f"newest nowcast is {age:.0f} minutes old")
    if last and last["outcome"] == "failed":
        complaints.append(f"last cycle failed: {last['message']}")
    if newest and newest.fallback:
        complaints.append(f"running on the fallback: {newest.fallback}")
    published = _parse(newest.published) if newest else None
    return Status(
        service=settings.name, at=to_text(now), healthy=not complaints,
        complaints=tuple(complaints),
        newest_frame=to_text(newest.issued) if newest else None, frame_age_minutes=age,
        newest_nowcast=to_text(published) if published is not None else None,
        nowcast_age_minutes=minutes(now - published) if published is not None else None,
        model=newest.model if newest else None, fallback=newest.fallback if newest else None,
        last_cycle=str(last["started"]) if last else None, cycles=ledger.counts(since),
        nowcasts_pending=len(ledger.issued(pending_only=True)),
        skill=_skill(ledger, since), disk_free_mb=int(free),
    )  # fmt: skip


def _parse(text: str) -> np.datetime64 | None:
    """Read a time the ledger wrote; None for an empty one."""
    return parse_time(text) if text else None


def as_text(status: Status) -> str:
    """Write the state for a person at a terminal."""
    lines = [
        f"{status.service}: {'healthy' if status.healthy else 'NOT HEALTHY'} at {status.at}",
        *(f"  ! {c}" for c in status.complaints),
        f"  newest frame    {status.newest_frame or '-'} ({_age(status.frame_age_minutes)})",
        f"  newest nowcast  {status.newest_nowcast or '-'} ({_age(status.nowcast_age_minutes)})"
        f" by {status.model or '-'}",
        "  cycles          " + (", ".join(f"{n} {k}" for k, n in status.cycles.items()) or "-"),
        f"  to be verified  {status.nowcasts_pending}",
        f"  disk free       {status.disk_free_mb} MB",
    ]
    for skill in status.skill:
        lines.append(
            f"  CSI >= {skill.threshold_dbz:g} dBZ   {csi_text(skill.published)}"
            f" (persistence {csi_text(skill.persistence)})"
        )
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
        "nowcast_disk_free_megabytes": float(status.disk_free_mb),
        "nowcast_pending_verifications": float(status.nowcasts_pending),
    }
    lines = [f"{name}{label} {value:g}" for name, value in values.items() if value is not None]
    for skill in status.skill:
        for source, csi in (("published", skill.published), ("persistence", skill.persistence)):
            if csi is not None:
                where = f'{{service="{status.service}",source="{source}",dbz="{skill.threshold_dbz:g}"}}'
                lines.append(f"nowcast_csi{where} {csi:.6g}")
    return "\n".join(lines) + "\n"


def refresh(settings: ServiceSettings, ledger: Ledger, clock: Clock) -> None:
    """Write status.json, the page and (if asked) the Prometheus file, each whole or not at all."""
    status = read_status(settings, ledger, clock)
    _put(settings.output / "status.json", as_json(status))
    if settings.prometheus:
        _put(settings.output / "metrics.prom", as_prometheus(status))
    from nowcast.service.web import write_page

    write_page(settings, ledger, status)


def _put(path: Path, text: str) -> None:
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def _skill(ledger: Ledger, since: np.datetime64) -> tuple[Skill, ...]:
    found: dict[float, dict[str, float | None]] = {}
    for model, threshold, hits, misses, false_alarms in ledger.skill(since):
        events = hits + misses + false_alarms
        found.setdefault(threshold, {})[model] = hits / events if events else None
    return tuple(
        Skill(threshold, by_model.get("published"), by_model.get("persistence"))
        for threshold, by_model in found.items()
    )


def _age(value: float | None) -> str:
    return "none yet" if value is None else f"{value:.0f} min ago"


def csi_text(value: float | None) -> str:
    """Write a CSI with three digits, a dash for none."""
    return "-" if value is None else f"{value:.3f}"
