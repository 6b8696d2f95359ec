"""The part of the page with the numbers: one tab a score, each a table and charts over lead time."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence

from nowcast.core.score_row import ScoreRow
from nowcast.report.charts import Line, line_chart
from nowcast.report.colours import STYLES
from nowcast.report.content import text_of

DASH = "\u2013"
OTHER = "values"
"""Key of the tab with the scores that have no threshold."""


class Table:
    """The long table of scores, looked up by model, score, threshold and lead time."""

    def __init__(self, scores: Sequence[ScoreRow]) -> None:
        self._values = {tuple(s[:4]): float(s[4]) for s in scores}
        self.models = list(dict.fromkeys(s.model for s in scores))
        self.leads = sorted({s.lead_minutes for s in scores if s.lead_minutes is not None})
        self.of_events = list(dict.fromkeys(s.score for s in scores if s.threshold_dbz is not None))
        self.of_values = list(dict.fromkeys(s.score for s in scores if s.threshold_dbz is None))
        self.thresholds = sorted({s.threshold_dbz for s in scores if s.threshold_dbz is not None})

    def value(self, model: str, score: str, threshold: float | None, lead: float | None) -> float:
        """Give one value, NaN if there is none."""
        return self._values.get((model, score, threshold, lead), float("nan"))

    def line(self, model: str, score: str, threshold: float | None) -> list[float]:
        """Give the values over lead time."""
        return [self.value(model, score, threshold, lead) for lead in self.leads]


def scores_section(scores: Sequence[ScoreRow]) -> str:
    """Give the tabs with tables and charts as HTML, the empty string without scores."""
    table = Table(scores)
    if not table.models:
        return ""
    tabs: list[tuple[str, str, list[tuple[str, float | None]]]] = [
        (name, text_of(name).label, [(name, t) for t in table.thresholds]) for name in table.of_events
    ]
    if table.of_values:
        tabs.append((OTHER, "Errors and structure", [(name, None) for name in table.of_values]))
    buttons = "".join(
        f'<button type="button" role="tab" id="tab-{i}" aria-controls="panel-{i}" '
        f'aria-selected="{"true" if i == 0 else "false"}">{_safe(title)}</button>'
        for i, (_, title, _) in enumerate(tabs)
    )
    panels = "".join(
        f'<div role="tabpanel" id="panel-{i}" aria-labelledby="tab-{i}">{_tab(table, key, columns)}</div>'
        for i, (key, _, columns) in enumerate(tabs)
    )
    options = "".join(f'<option value="{i + 1}">+{lead:g} min</option>' for i, lead in enumerate(table.leads))
    return (
        f'<div class="bar"><div role="tablist" aria-label="Scores">{buttons}</div>'
        f'<label class="pick">Table shows <select id="lead"><option value="0">mean over lead times</option>'
        f"{options}</select></label></div>{_legend(table.models)}{panels}"
    )


def headline(scores: Sequence[ScoreRow]) -> str:
    """Give tiles with the best mean CSI at each threshold that has one."""
    table = Table(scores)
    tiles = []
    for threshold in table.thresholds:
        values = [(table.value(m, "csi", threshold, None), m) for m in table.models]
        known = [(v, m) for v, m in values if math.isfinite(v)]
        if known and threshold in (20.0, 30.0, 40.0):
            best, model = max(known)
            tiles.append(
                f'<div class="tile"><b>{best:.3f}</b><span>best mean CSI at {threshold:g} dBZ</span>'
                f"<em>{_safe(model)}</em></div>"
            )
    return "".join(tiles)


def _tab(table: Table, key: str, columns: Sequence[tuple[str, float | None]]) -> str:
    notes = [text_of(name) for name in dict.fromkeys(name for name, _ in columns)]
    explained = " ".join(
        _safe(n.text if key != OTHER else f"{n.label}: {n.text}") for n in notes if n.text
    )
    charts = "".join(_chart(table, name, threshold) for name, threshold in columns)
    return (
        f'<p class="note">{explained}</p><div class="scroll">{_table(table, key, columns)}</div>'
        f'<div class="charts">{charts}</div>'
    )


def _table(table: Table, key: str, columns: Sequence[tuple[str, float | None]]) -> str:
    head = "".join(
        f'<th scope="col" data-better="{text_of(name).better}">{_safe(_heading(name, threshold))}</th>'
        for name, threshold in columns
    )
    body = "".join(
        f'<tr><th scope="row"><i class="swatch m{i % STYLES}"></i>{_safe(model)}</th>'
        + "".join(_cell(table, model, name, threshold) for name, threshold in columns) + "</tr>"
        for i, model in enumerate(table.models)
    )
    title = "Scores" if key == OTHER else text_of(key).label
    return (
        f'<table class="scores" data-score="{_safe(key)}"><caption>{_safe(title)}, '
        '<span class="which">mean over lead times</span></caption>'
        f'<thead><tr><th scope="col">Model</th>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def _cell(table: Table, model: str, name: str, threshold: float | None) -> str:
    values = [table.value(model, name, threshold, None), *table.line(model, name, threshold)]
    digits = text_of(name).digits
    shown = [f"{v:.{digits}f}" if math.isfinite(v) else DASH for v in values]
    return f'<td data-values="{_safe(json.dumps(shown))}">{shown[0]}</td>'


def _heading(name: str, threshold: float | None) -> str:
    text = text_of(name)
    if threshold is not None:
        return f"≥ {threshold:g} dBZ"
    return f"{text.label}, {text.unit}" if text.unit else text.label


def _chart(table: Table, name: str, threshold: float | None) -> str:
    text = text_of(name)
    lines = [Line(m, i % STYLES, table.line(m, name, threshold)) for i, m in enumerate(table.models)]
    unit = f", {text.unit}" if text.unit else ""
    where = f" at {threshold:g} dBZ" if threshold is not None else unit
    level = {"one": 1.0, "zero": 0.0}.get(text.better)
    low = None if text.better == "zero" else 0.0
    drawn = line_chart(f"{text.label}{where} by lead time", table.leads, lines, text.digits, low, None, level)
    return f"<figure><figcaption>{_safe(text.label + where)}</figcaption>{drawn}</figure>"


def _legend(models: Sequence[str]) -> str:
    items = "".join(
        f'<li><svg viewBox="0 0 34 10" aria-hidden="true"><g class="m{i % STYLES}"><path d="M1 5L33 5"/></g>'
        f"</svg>{_safe(model)}</li>"
        for i, model in enumerate(models)
    )
    return f'<ul class="models">{items}</ul>'


def _safe(text: str) -> str:
    return html.escape(str(text), quote=True)
