"""What scripts that write skill into pages share: rows of the files of ``nowcast verify``, cells of tables."""

from __future__ import annotations

import csv
import math
from pathlib import Path

Row = dict[str, str]


def rows(path: Path) -> list[Row]:
    """Read scores.csv or confidence.csv."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def number(value: float, digits: int) -> str:
    """Write a score; "-" where it is undefined."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def interval(pair: Row) -> str:
    """Write a difference of CSI with its interval; without it where there is none, "-" where undefined."""
    found, low, high = (float(pair[key] or "nan") for key in ("value", "low", "high"))
    if math.isnan(found):
        return "-"
    return f"{found:+.3f}" + ("" if math.isnan(low) else f" [{low:+.3f}, {high:+.3f}]")
