"""What a server has done, for /metrics: requests by part and status, and the seconds they took."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict

PARTS = {
    "": "page",
    "index.html": "page",
    "tiles": "tiles",
    "wms": "wms",
    "collections": "edr",
    "conformance": "edr",
    "api": "edr",
    "health": "health",
    "metrics": "metrics",
}
"""First part of the path -> what is counted together; all else is ``files``."""


def part_of(path: str) -> str:
    """What a path belongs to; whoever asks cannot make up new parts."""
    return PARTS.get(path.lstrip("/").split("/", 1)[0], "files")


class Counts:
    """Counters, safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, path: str, status: int, seconds: float) -> None:
        """Count one request."""
        part = part_of(path)
        with self._lock:
            self._requests[part, status] += 1
            self._seconds[part] += seconds

    def as_prometheus(self) -> str:
        """Write them in Prometheus' text format."""
        with self._lock:
            requests, seconds = sorted(self._requests.items()), sorted(self._seconds.items())
        lines = [
            "# HELP nowcast_serve_requests_total Requests answered, by part and status.",
            "# TYPE nowcast_serve_requests_total counter",
            *(
                f'nowcast_serve_requests_total{{part="{part}",status="{status}"}} {count}'
                for (part, status), count in requests
            ),
            "# HELP nowcast_serve_seconds_total Seconds from a request to the end of its answer, by part.",
            "# TYPE nowcast_serve_seconds_total counter",
            *(f'nowcast_serve_seconds_total{{part="{part}"}} {value:.6f}' for part, value in seconds),
        ]
        return "\n".join(lines) + "\n"
