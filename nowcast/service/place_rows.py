"""What a published nowcast says of places and areas, as rows of the page's table."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PLACES_HEADER = ("place", "rain begins", "rain ends", "probability of rain", "mm in 60 min", "in words")
_MOST_ROWS = 100
_NONE = "-"


def place_rows(folder: Path, manifest: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Read the rows from the files of a nowcast; the first hundred, for the files have them all."""
    rows: list[tuple[str, ...]] = []
    for name in ("places.json", "areas.json"):
        if name in manifest.get("files", {}):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                document = json.loads((folder / name).read_text(encoding="utf-8"))
                rows += [_row(place) for place in document["places"]]
    return rows[:_MOST_ROWS]


def _row(place: Mapping[str, Any]) -> tuple[str, ...]:
    rain = place.get("rain", {})
    probability, total = rain.get("probability"), place.get("rain_sum", {}).get("mm")
    return (
        str(place["name"]),
        _clock(rain.get("begins")),
        _clock(rain.get("ends")),
        _NONE if probability is None else f"{float(probability):.0%}",
        _NONE if total is None else f"{float(total):.1f}",
        str(place["sentence"]),
    )


def _clock(time: str | None) -> str:
    return _NONE if not time else f"{time[11:16]} UTC"
