"""The numbers of the skill page: one tab a score, each with a table and charts over lead time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from nowcast.core.score_row import ScoreRow
from nowcast.report.charts import Line, line_chart
from nowcast.report.confidence import DASH
from nowcast.report.content import Cell, Table
from nowcast.report.model_colours import styles_of
from nowcast.report.plane import tells
from nowcast.report.score_texts import text_of

if TYPE_CHECKING:
    from markupsafe import Markup

STRUCTURE = {"rapsd_ratio": "single field", "rapsd_ratio_members": "members"}
"""Scores that tell how much fine structure is left, and of what."""
OTHER = "values"
"""Key of the tab with the scores that have no threshold."""


class Column(NamedTuple):
    """One score at one threshold."""

    heading: str
    better: str
    title: str
    """Caption of the chart."""
    chart: Markup | None
    """None where no value is known that is not 0."""
    cells: list[list[str]]
    """By model: the mean over lead times, then the value of each lead time."""


class Tab(NamedTuple):
    """One score at all thresholds, or all scores without."""

    key: str
    title: str
    caption: str
    note: str
    columns: list[Column]


class ScoreTable:
    """The long table of scores, looked up by model, score, threshold and lead time."""

    def __init__(self, scores: Sequence[ScoreRow]) -> None:
        self._values = {tuple(s[:4]): float(s[4]) for s in scores}
        self.models = list(dict.fromkeys(s.model for s in scores))
        self.styles = styles_of(self.models)
        """Number of each model, which decides its colour and dashes wherever it is drawn."""
        self.leads = sorted({s.lead_minutes for s in scores if s.lead_minutes is not None})
        self.of_events = list(dict.fromkeys(s.score for s in scores if s.threshold_dbz is not None))
        self.of_values = list(dict.fromkeys(s.score for s in scores if s.threshold_dbz is None))
        self.thresholds = sorted({s.threshold_dbz for s in scores if s.threshold_dbz is not None})

    def value(self, model: str, score: str, threshold: float | None, lead: float | None) -> float:
        """One value, NaN if there is none."""
        return self._values.get((model, score, threshold, lead), float("nan"))

    def highest_csi(self, among: Sequence[float] = (20.0, 30.0, 40.0)) -> list[tuple[float, float, str]]:
        """Threshold, highest mean CSI and its model, for each threshold that has one."""
        found = []
        for threshold in (t for t in self.thresholds if t in among):
            values = [(self.value(model, "csi", threshold, None), model) for model in self.models]
            known = [pair for pair in values if math.isfinite(pair[0])]
            found += [(threshold, *max(known))] if known else []
        return found

    def tabs(self) -> list[Tab]:
        """A tab for each score of events, then one for all scores of values."""
        made = []
        for name in self.of_events:
            text = text_of(name)
            columns = [self._column(name, t) for t in self.thresholds]
            made.append(Tab(name, text.label, text.label, text.text, columns))
        if self.of_values:
            texts = [text_of(name) for name in self.of_values]
            note = " ".join(f"{text.label}: {text.text}" for text in texts if text.text)
            columns = [self._column(name, None) for name in self.of_values]
            made.append(Tab(OTHER, "Errors and structure", "Scores", note, columns))
        return made

    def structure(self) -> Table | None:
        """Fine structure of the one field and of members: mean and last lead time; None where not scored."""
        known = [name for name in STRUCTURE if name in self.of_values]
        if not known or not self.leads:
            return None
        last = self.leads[-1]
        heads = [
            f"{STRUCTURE[name]}, {when}"
            for name in known
            for when in ("mean over lead times", f"+{last:g} min")
        ]
        rows = []
        for model in self.models:
            values = [self.value(model, name, None, lead) for name in known for lead in (None, last)]
            texts = [f"{v:.2f}" if math.isfinite(v) else DASH for v in values]
            rows.append((Cell(model, style=self.styles[model]), *map(Cell, texts)))
        return Table(
            "Fine structure that is left: power at 8 to 16 km over that observed",
            tuple(map(Cell, ("Model", *heads))),
            tuple(rows),
        )

    def _column(self, name: str, threshold: float | None) -> Column:
        text = text_of(name)
        of_value = f"{text.label}, {text.unit}" if text.unit else text.label
        title = of_value if threshold is None else f"{text.label} at {threshold:g} dBZ"
        values = [
            [self.value(model, name, threshold, lead) for lead in (None, *self.leads)] for model in self.models
        ]
        known = [v for row in values for v in row[1:] if math.isfinite(v)]
        lowest = min(known, default=0.0)
        chart = (
            line_chart(
                f"{title} by lead time",
                self.leads,
                [Line(m, self.styles[m], v[1:]) for m, v in zip(self.models, values, strict=True)],
                text.digits,
                None if text.better == "zero" or lowest < 0 else 0.0,
                {"one": 1.0, "zero": 0.0}.get(text.better),
            )
            if tells(known)
            else None
        )
        cells = [[f"{v:.{text.digits}f}" if math.isfinite(v) else DASH for v in row] for row in values]
        heading = of_value if threshold is None else f"≥ {threshold:g} dBZ"
        return Column(heading, text.better, title, chart, cells)
