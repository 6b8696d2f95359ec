"""Whether there is a nowcast and how old it is, for monitoring: /health and /metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nowcast.core.files import read_at_most
from nowcast.core.times import minutes, now_utc, to_text
from nowcast.serve.answers import as_bytes
from nowcast.serve.counts import Counts
from nowcast.serve.problems import RefusedRequestError
from nowcast.serve.settings import ServeSettings
from nowcast.serve.shelf import Shelf

_LARGEST_STATUS = 2**20


class Health:
    """Answers ``/health`` and ``/metrics``."""

    def __init__(self, shelf: Shelf, settings: ServeSettings, counts: Counts) -> None:
        self._shelf, self._settings, self._counts = shelf, settings, counts

    def health(self, request: Request) -> Response:
        """200 where there is a nowcast that is not out of date, else 503; what is known of it as JSON."""
        found: dict[str, Any] = {"status": "ok"}
        try:
            served = self._shelf.latest()
            age = minutes(now_utc() - served.data.reference_time)
            found |= {
                "instance": served.instance,
                "forecast_reference_time": to_text(served.data.reference_time),
                "age_minutes": round(age, 1),
            }
            if self._settings.stale_minutes is not None and age > self._settings.stale_minutes:
                found["status"] = "stale"
        except RefusedRequestError as error:
            found |= {"status": "no forecast", "description": error.text}
        service = _status_of_service(self._settings.place)
        if service:
            found["service"] = service
        body = json.dumps(found).encode()
        del request
        headers = {"Cache-Control": "no-store"}
        return Response(body, 200 if found["status"] == "ok" else 503, headers, "application/json")

    def metrics(self, request: Request) -> Response:
        """Counters of this server, the age of the nowcast, and what the service wrote for Prometheus."""
        lines = [self._counts.as_prometheus()]
        try:
            reference_time = self._shelf.latest().data.reference_time
            age = 60.0 * minutes(now_utc() - reference_time)
            name = "nowcast_serve_forecast_age_seconds"
            lines.append(f"# HELP {name} Time since the observation that the newest nowcast starts from.\n")
            lines.append(f"# TYPE {name} gauge\n{name} {age:.0f}\n")
        except RefusedRequestError:
            pass
        lines.append(_text_of(self._settings.place / "metrics.prom"))
        return as_bytes(request, "".join(lines).encode(), "text/plain; version=0.0.4; charset=utf-8")


def _status_of_service(place: Path) -> dict[str, Any]:
    """What status.json of a service says of its health; nothing where there is none."""
    try:
        found = json.loads(_text_of(place / "status.json") or "{}")
        return {key: found[key] for key in ("healthy", "complaints") if key in found}
    except (ValueError, TypeError):
        return {}


def _text_of(path: Path) -> str:
    """A small file of the folder itself, no link to elsewhere; empty where there is none."""
    try:
        return "" if path.is_symlink() else read_at_most(path, _LARGEST_STATUS).decode("utf-8")
    except (OSError, ValueError):
        return ""
