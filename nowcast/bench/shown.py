"""How rows and numbers are called in the tables."""

from __future__ import annotations

import math

from nowcast.bench.outcome import TableLine

DASH = "-"


def shown_name(line: TableLine) -> str:
    """The name of a row, and how its futures were scored where there are several: ``SAVP-VAE (best of 9)``."""
    way = drawn(line)
    return f"{line.row.name} ({way})" if way else line.row.name


def drawn(line: TableLine) -> str:
    """How its futures were scored; empty where there is one."""
    return next((record.draws for record in line.records if record.draws), "")


def knows_the_truth(line: TableLine) -> bool:
    """Whether its forecasts were chosen by what came, so that it is not compared with the others."""
    return drawn(line) != "" and line.row.draw_protocol == "best"


def number(value: float) -> str:
    """A value with four significant figures, as a table shows it."""
    if not math.isfinite(value):
        return DASH
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:#.4g}".rstrip(".")


def finite(values: object) -> list[float]:
    """What of these is a number."""
    return [v for v in values if math.isfinite(v)]  # type: ignore[attr-defined]
