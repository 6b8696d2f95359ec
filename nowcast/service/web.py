"""Gather what the service's page shows; `nowcast.report.service_page` writes it."""

from __future__ import annotations

import json
from typing import Any

from nowcast.report.service_page import Picture, ServicePage, write_service_page
from nowcast.service.ledger import Ledger
from nowcast.service.publish import FORECAST_FILE, MANIFEST
from nowcast.service.settings import ServiceSettings
from nowcast.service.status import Status, csi_text

_SHOWN = {FORECAST_FILE: "forecast (CF netCDF)", "maps/loop.gif": "loop (GIF)"}


def write_page(settings: ServiceSettings, ledger: Ledger, status: Status) -> None:
    """Write ``index.html`` into the output folder, with the newest nowcast whose files are there."""
    newest = next((n for n in reversed(ledger.issued()) if n.folder), None)
    manifest: dict[str, Any] = {}
    if newest:
        text = (settings.output / newest.folder / MANIFEST).read_text(encoding="utf-8")
        manifest = json.loads(text)
    folder = newest.folder if newest else ""
    write_service_page(
        settings.output / "index.html",
        ServicePage(
            title=f"{settings.name}: nowcast",
            state="healthy" if status.healthy else "needs a look",
            healthy=status.healthy,
            complaints=status.complaints,
            facts=_facts(status),
            pictures=_pictures(folder, manifest),
            skill_header=("at least", "nowcast", "persistence"),
            skill=[
                (f"{s.threshold_dbz:g} dBZ", csi_text(s.published), csi_text(s.persistence))
                for s in status.skill
            ],
            issued=status.newest_frame or "",
            downloads=_downloads(folder, manifest),
        ),
    )


def _facts(status: Status) -> list[tuple[str, str]]:
    return [
        ("model", status.model or "-"),
        ("fallback", status.fallback or "no"),
        ("published", status.newest_nowcast or "-"),
        ("page made", status.at),
        ("cycles", ", ".join(f"{n} {k}" for k, n in status.cycles.items()) or "-"),
        ("to be verified", str(status.nowcasts_pending)),
        ("disk free", f"{status.disk_free_mb} MB"),
    ]


def _pictures(folder: str, manifest: dict[str, Any]) -> list[Picture]:
    names = sorted(n for n in manifest.get("files", {}) if n.startswith("maps/lead_"))
    valid = manifest.get("valid_times", [])
    issued = manifest.get("issued", "")
    captions = [f"observed {issued}", *(f"forecast for {v}" for v in valid)]
    return [
        Picture(f"{folder}/{name}", caption) for name, caption in zip(names, captions, strict=False)
    ]


def _downloads(folder: str, manifest: dict[str, Any]) -> list[tuple[str, str]]:
    there = manifest.get("files", {})
    named = [(label, f"{folder}/{name}") for name, label in _SHOWN.items() if name in there]
    status = ("state of the service (JSON)", "status.json")
    return (
        [*named, ("manifest with checksums", f"{folder}/{MANIFEST}"), status] if there else [status]
    )
