"""One value of the long table of scores: what verification makes and pages show."""

from __future__ import annotations

from typing import NamedTuple


class ScoreRow(NamedTuple):
    """One value of the long table."""

    model: str
    score: str
    threshold_dbz: float | None
    """None for scores of values rather than of events."""
    lead_minutes: float | None
    """None for the mean over lead times."""
    value: float
