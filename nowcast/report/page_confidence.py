"""The part of the page that says how sure differences are: intervals, and how long CSI holds."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from nowcast.report.content import Comparison, SkillHorizon

MINUS = "\u2212"
DASH = "\u2013"


def confidence_section(comparisons: Sequence[Comparison], horizons: Sequence[SkillHorizon] = ()) -> str:
    """Give the tables as HTML, the empty string without anything to show."""
    parts = []
    if comparisons:
        parts.append(_differences(comparisons))
    if horizons:
        parts.append(_horizons(horizons))
    return f"<h3>How sure the differences are</h3>{''.join(parts)}" if parts else ""


def difference_text(value: float) -> str:
    """Give a difference with its sign and three digits, a dash if it is undefined."""
    if not math.isfinite(value):
        return DASH
    shown = f"{abs(value):.3f}"
    return shown if float(shown) == 0.0 else f"{'+' if value > 0 else MINUS}{shown}"


def minutes_text(minutes: float, longest: float) -> str:
    """Give a time in whole minutes, ``over`` the longest lead time if it is infinite."""
    if math.isnan(minutes):
        return DASH
    return f"over {longest:g} min" if math.isinf(minutes) else f"{minutes:.0f} min"


def _differences(comparisons: Sequence[Comparison]) -> str:
    thresholds = sorted({c.threshold_dbz for c in comparisons})
    known = {(c.model, c.reference, c.threshold_dbz): c for c in comparisons}
    pairs = list(dict.fromkeys((c.model, c.reference) for c in comparisons))
    head = "".join(f'<th scope="col">&ge; {t:g} dBZ</th>' for t in thresholds)
    body = "".join(
        f'<tr><th scope="row">{_safe(model)} <small>against {_safe(reference)}</small></th>'
        + "".join(_cell(known.get((model, reference, t))) for t in thresholds) + "</tr>"
        for model, reference in pairs
    )
    how = comparisons[0]
    blocks = f"{how.blocks} block{'' if how.blocks == 1 else 's'} of {how.block_hours:g} hours"
    return (
        '<div class="scroll"><table class="scores"><caption>CSI less that of the reference, mean over lead '
        f'times, with its {how.confidence:.0%} interval</caption><thead><tr><th scope="col">Model</th>{head}'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
        f'<p class="note">Both models are scored on the same start times. Intervals are those of a bootstrap '
        f"over {blocks} of start times ({how.resamples} resamples): marked where all of it lies above 0, "
        "absent where an event is too rare or there is only one block.</p>"
    )


def _cell(found: Comparison | None) -> str:
    if found is None:
        return f"<td>{DASH}</td>"
    value = difference_text(found.difference)
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return f"<td>{value} <small>no interval</small></td>"
    sure = ' class="best"' if found.low > 0 else ""
    return (
        f"<td{sure}>{value} <small>{difference_text(found.low)} to {difference_text(found.high)}</small></td>"
    )


def _horizons(horizons: Sequence[SkillHorizon]) -> str:
    first = horizons[0]
    body = "".join(
        f'<tr><th scope="row">{_safe(h.model)}</th><td>{minutes_text(h.minutes, h.longest)}</td></tr>'
        for h in horizons
    )
    return (
        f'<div class="scroll"><table class="scores"><caption>Lead time at which CSI at {first.threshold_dbz:g} '
        f'dBZ falls under {first.csi:g}</caption><thead><tr><th scope="col">Model</th><th scope="col">Lead '
        f"time</th></tr></thead><tbody>{body}</tbody></table></div>"
    )


def _safe(text: str) -> str:
    return html.escape(str(text), quote=True)
