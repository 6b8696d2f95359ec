"""A verification in words for the terminal: every score that was asked for, mean over lead times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nowcast.core.text_table import text_table
from nowcast.evaluation.period import Verification
from nowcast.evaluation.skill_report import left_out
from nowcast.report.score_texts import text_of

WIDTH = 100
"""About how wide a table may become; further scores follow in one below."""
_Column = tuple[str, float | None]


def summary(found: Verification) -> str:
    """Means over lead times as tables, one row a model; a score keeps its thresholds together."""
    first = found.lead_minutes[0], found.lead_minutes[-1]
    nowcasts = f"{found.nowcasts} nowcast{'' if found.nowcasts == 1 else 's'}"
    head = f"mean over lead times of {first[0]:g} to {first[1]:g} minutes, {nowcasts}{left_out(found)}"
    values = {row[:3]: row.value for row in found.rows if row.lead_minutes is None}
    columns = {
        column: [_heading(column), *(_text(column[0], values[model, *column]) for model in found.models)]
        for column in dict.fromkeys((row.score, row.threshold_dbz) for row in found.rows)
    }
    names = ["model", *found.models]
    tables = [
        text_table(list(zip(names, *(columns[column] for column in part), strict=True)))
        for part in _parted(columns, WIDTH - max(map(len, names)))
    ]
    return "\n".join([head, *tables])


def _parted(columns: Mapping[_Column, Sequence[str]], width: int) -> Iterator[list[_Column]]:
    """Columns of one table after the other: whole scores while they fit, one score at least."""
    part: list[_Column] = []
    used = 0
    for score in dict.fromkeys(score for score, _ in columns):
        own = [column for column in columns if column[0] == score]
        wide = sum(2 + max(map(len, columns[column])) for column in own)
        if part and used + wide > width:
            yield part
            part, used = [], 0
        part += own
        used += wide
    if part:
        yield part


def _heading(column: _Column) -> str:
    """``CSI20``, ``MAE``, ``mean_error``, ``fss_17@20``: the score's name and the threshold in dBZ."""
    score, threshold = column
    short = len(score) <= 4
    if threshold is None:
        return score.upper() if short else score
    return f"{score.upper()}{threshold:g}" if short else f"{score}@{threshold:g}"


def _text(score: str, value: float) -> str:
    text = f"{value:.{max(3, text_of(score).digits)}f}"
    return text if text.strip("-0.") else text.removeprefix("-")
