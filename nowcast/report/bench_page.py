"""The page of a benchmark: its tables, scores over lead time, predicted frames. Self-contained, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nowcast.report.charts import Line, line_chart
from nowcast.report.content import Picture, Table
from nowcast.report.model_colours import styles_of
from nowcast.report.rendering import render


class Chart(NamedTuple):
    """One score over lead time."""

    title: str
    lines: Mapping[str, Sequence[float]]
    """Model -> a value a lead time."""


@dataclass(frozen=True)
class BenchPage:
    """Everything the page shows, as plain text."""

    title: str
    subtitles: Sequence[str] = ()
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    pictures: Sequence[Picture] = ()
    notes: Sequence[str] = ()
    missing: Sequence[str] = ()
    """What the table lacks; stands above it."""


def render_bench_page(page: BenchPage) -> str:
    """The page as HTML text."""
    models = list(dict.fromkeys(name for chart in page.charts for name in chart.lines))
    styles = styles_of(models)
    charts = []
    for chart in page.charts:
        lines = [Line(name, styles[name], values) for name, values in chart.lines.items()]
        leads = range(1, 1 + max(len(line.values) for line in lines))
        charts.append(line_chart(f"{chart.title} by lead time", leads, lines, axis="lead time, frames"))
    return render("bench.html", page=page, styles=styles, charts=charts)
