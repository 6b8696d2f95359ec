"""The files that show the state of a service: page, status.json and metrics.prom."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from nowcast.core.files import whole_file
from nowcast.report.service_page import ServicePage, WarningLine, render_service_page
from nowcast.report.viewer.page import PageParts
from nowcast.service.clock import Clock
from nowcast.service.ledger import Ledger
from nowcast.service.model_child import FORECAST_FILE
from nowcast.service.place_rows import PLACES_HEADER, place_rows
from nowcast.service.publish import MANIFEST, MAP, WARNINGS
from nowcast.service.settings import ServiceSettings
from nowcast.service.status import Status, age_text, as_json, as_prometheus, csi_text, read_status
from nowcast.service.warning_status import record_text

_SHOWN = {
    FORECAST_FILE: "forecast (CF netCDF)",
    "maps/loop.gif": "loop (GIF)",
    WARNINGS: "warnings (JSON)",
    "places.json": "places (JSON)",
    "places.csv": "places (CSV)",
    "areas.json": "areas (JSON)",
    "areas.csv": "areas (CSV)",
}


def refresh(settings: ServiceSettings, ledger: Ledger, clock: Clock) -> None:
    """Write status.json, the page and (if asked) the Prometheus file, each whole or not at all."""
    status = read_status(settings, ledger, clock)
    _write(settings.output / "status.json", as_json(status))
    if settings.prometheus:
        _write(settings.output / "metrics.prom", as_prometheus(status))
    write_page(settings, ledger, status)


def _write(path: Path, text: str) -> None:
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def write_page(settings: ServiceSettings, ledger: Ledger, status: Status) -> None:
    """Write ``index.html`` into the output folder, with the newest nowcast whose files are there."""
    folder, manifest = _newest(settings, ledger)
    page = ServicePage(
        title=f"{settings.name}: nowcast",
        notice=f"a replay of {status.replay}, on its own clock: {status.at}" if status.replay else "",
        state="healthy" if status.healthy else "needs a look",
        healthy=status.healthy,
        complaints=status.complaints,
        metadata=_metadata(status, manifest),
        skill_header=("at least", "nowcast", "persistence"),
        skill=[
            (f"{s.threshold_dbz:g} dBZ", csi_text(s.published), csi_text(s.persistence)) for s in status.skill
        ],
        reference_time=status.newest_nowcast or "",
        age=age_text(status.nowcast_age_minutes) if status.nowcast_age_minutes is not None else "",
        stale_minutes=None if status.replay else settings.stale_minutes,
        downloads=_downloads(folder, manifest),
        files=_files(folder, manifest),
        shown=_shown(settings.output / folder, manifest),
        warnings=[
            WarningLine(w.headline if w.raised else f"{w.name}: none", record_text(w), w.raised, w.until)
            for w in status.warnings
        ],
        places_header=PLACES_HEADER,
        places=place_rows(settings.output / folder, manifest) if folder else (),
        notes=_notes(status, manifest),
    )
    _write(settings.output / "index.html", render_service_page(page))


def _newest(settings: ServiceSettings, ledger: Ledger) -> tuple[str, dict[str, Any]]:
    """Return the folder and the manifest of the newest nowcast that has both."""
    for nowcast in reversed(ledger.kept()):
        path = settings.output / nowcast.folder / MANIFEST
        with contextlib.suppress(OSError, ValueError):
            manifest = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(manifest, dict):
                return nowcast.folder, manifest
    return "", {}


def _metadata(status: Status, manifest: dict[str, Any]) -> dict[str, str]:
    missed = "-" if status.missed_cycles is None else str(status.missed_cycles)
    return {
        "model": status.model or "-",
        "fallback": status.fallback or "no",
        "published": status.published or "-",
        "newest frame": status.newest_frame or "-",
        "page made": status.at,
        "nowcasts": f"{status.nowcasts}, {status.fallbacks} by the fallback, {missed} missed",
        "cycles": ", ".join(f"{n} {k}" for k, n in status.cycles.items()) or "-",
        "to be verified": str(status.nowcasts_pending),
        "disk free": f"{status.disk_free_mb} MB",
        "observations": str(manifest.get("observed_from", "-")),
        "licence": str(manifest.get("licence", "-")),
    }


def _notes(status: Status, manifest: dict[str, Any]) -> list[str]:
    frames = str(manifest.get("interpolated_frames") or "")
    notes = [f"past frames that were missing, interpolated along the motion: {frames}"] if frames else []
    return notes + ([status.calibration] if status.calibration and not status.calibration_drifted else [])


def _shown(folder: Path, manifest: dict[str, Any]) -> PageParts | None:
    """Return the newest nowcast as the page shows it; None where it has none, or it cannot be read."""
    if MAP not in manifest.get("files", {}):
        return None
    with contextlib.suppress(OSError, ValueError, TypeError):
        return PageParts.from_json((folder / MAP).read_text(encoding="utf-8"))
    return None


def _downloads(folder: str, manifest: dict[str, Any]) -> list[tuple[str, str]]:
    there = manifest.get("files", {})
    named = [(label, f"{folder}/{name}") for name, label in _SHOWN.items() if name in there]
    named += [
        (f"meteogram {Path(name).stem}", f"{folder}/{name}")
        for name in sorted(there)
        if name.startswith("meteograms/")
    ]
    status = ("state of the service (JSON)", "status.json")
    return [*named, ("manifest with checksums", f"{folder}/{MANIFEST}"), status] if there else [status]


def _files(folder: str, manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """Every file of the nowcast that has no label of its own."""
    named = {target for _, target in _downloads(folder, manifest)}
    every = [(name, f"{folder}/{name}") for name in sorted(manifest.get("files", {})) if name != MAP]
    return [(name, target) for name, target in every if target not in named]
