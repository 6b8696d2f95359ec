"""How sure differences between models are, as tables: paired intervals, and the skill horizon of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from nowcast.report.content import Cell, Comparison, SkillHorizon, Table
from nowcast.report.score_texts import text_of

MINUS = "\u2212"
DASH = "\u2013"


def differences(comparisons: Sequence[Comparison], styles: Mapping[str, int]) -> list[Table]:
    """A table of differences for each score of events and one for all others.

    Marked where the whole interval lies on the better side of 0.
    """
    of_events = dict.fromkeys(c.score for c in comparisons if c.threshold_dbz is not None)
    tables = [_differences([c for c in comparisons if c.score == score], styles) for score in of_events]
    others = [c for c in comparisons if c.threshold_dbz is None]
    return [*tables, _differences(others, styles)] if others else tables


def _differences(comparisons: Sequence[Comparison], styles: Mapping[str, int]) -> Table:
    columns = list(dict.fromkeys((c.score, c.threshold_dbz) for c in comparisons))
    known = {
        (c.model, c.reference, c.score, c.threshold_dbz): _cell(c, text_of(c.score).better) for c in comparisons
    }
    rows = tuple(
        (
            Cell(model, detail=f"against {reference}", style=styles.get(model)),
            *(known.get((model, reference, *column), Cell(DASH)) for column in columns),
        )
        for model, reference in dict.fromkeys((c.model, c.reference) for c in comparisons)
    )
    heads = (Cell(text_of(score).label if t is None else f"≥ {t:g} dBZ") for score, t in columns)
    what = "Scores less those" if columns[0][1] is None else f"{text_of(columns[0][0]).label} less that"
    return Table(
        f"{what} of the reference, mean over lead times, with its {comparisons[0].confidence:.0%} interval",
        (Cell("Model"), *heads),
        rows,
    )


def skill_horizons(horizons: Sequence[SkillHorizon], styles: Mapping[str, int]) -> Table:
    """The table of skill horizons."""
    first = horizons[0]
    return Table(
        f"Skill horizon: lead time at which CSI at {first.threshold_dbz:g} dBZ falls under {first.csi:g}",
        (Cell("Model"), Cell("Lead time")),
        tuple((Cell(h.model, style=styles.get(h.model)), Cell(_minutes(h))) for h in horizons),
    )


def _cell(found: Comparison, better: str) -> Cell:
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return Cell(_signed(found.difference), detail="no interval")
    surely = found.high < 0 if better == "lower" else found.low > 0
    return Cell(_signed(found.difference), surely, detail=f"{_signed(found.low)} to {_signed(found.high)}")


def _signed(value: float) -> str:
    """A difference with its sign and three digits, a dash if it is undefined."""
    if not math.isfinite(value):
        return DASH
    shown = f"{abs(value):.3f}"
    return shown if float(shown) == 0.0 else f"{'+' if value > 0 else MINUS}{shown}"


def _minutes(found: SkillHorizon) -> str:
    if math.isnan(found.minutes):
        return DASH
    return f"over {found.longest:g} min" if math.isinf(found.minutes) else f"{found.minutes:.0f} min"
