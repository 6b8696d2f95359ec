"""The page of a benchmark: its tables, scores over lead time, predicted frames. Self-contained, no script.

Every name and sentence is escaped: nothing that a configuration says becomes markup.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import NamedTuple

from nowcast.report.charts import Line, line_chart
from nowcast.report.colours import STYLES, model_style


class Cell(NamedTuple):
    """One cell of a table."""

    text: str
    best: bool = False
    """Whether it is the best of what was computed in its column."""
    reported: bool = False
    """Whether it is what a paper prints, not what was computed."""


class Table(NamedTuple):
    """One table; its first column names the rows."""

    caption: str
    header: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Chart(NamedTuple):
    """One score over lead time."""

    title: str
    lines: Mapping[str, Sequence[float]]
    """Model -> a value a lead time."""


class Shown(NamedTuple):
    """One picture."""

    caption: str
    kind: str
    """``png`` or ``gif``."""
    content: bytes


@dataclass(frozen=True)
class BenchPage:
    """Everything the page shows, as plain text; the page escapes it all."""

    title: str
    subtitles: Sequence[str] = ()
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    pictures: Sequence[Shown] = ()
    notes: Sequence[str] = ()
    missing: Sequence[str] = ()
    """What the table lacks; stands above it."""


def render_bench_page(page: BenchPage) -> str:
    """Give the page as HTML text. Nothing in it comes from the network."""
    style = (files("nowcast.report") / "page.css").read_text(encoding="utf-8") + model_style() + _STYLE
    return _TEMPLATE.substitute(
        title=_safe(page.title), style=style,
        subtitles="".join(f'<p class="subtitle">{_safe(text)}</p>' for text in page.subtitles),
        missing=_missing(page.missing),
        tables="".join(_table(table) for table in page.tables),
        charts=_charts(page.charts), no_charts="" if page.charts else " hidden",
        pictures="".join(_picture(shown) for shown in page.pictures),
        no_pictures="" if page.pictures else " hidden",
        notes="".join(f"<li>{_safe(note)}</li>" for note in page.notes),
    )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col"{_kind(cell)}>{_safe(cell.text)}</th>' for cell in table.header)
    body = "".join(
        f'<tr><th scope="row">{_safe(row[0].text)}</th>'
        + "".join(f"<td{_kind(cell)}>{_safe(cell.text)}</td>" for cell in row[1:]) + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="scroll"><table class="scores"><caption>{_safe(table.caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _kind(cell: Cell) -> str:
    kinds = [name for name in ("best", "reported") if getattr(cell, name)]
    return f' class="{" ".join(kinds)}"' if kinds else ""


def _charts(charts: Sequence[Chart]) -> str:
    names = list(dict.fromkeys(name for chart in charts for name in chart.lines))
    style = {name: i % STYLES for i, name in enumerate(names)}
    legend = "".join(
        f'<li><svg viewBox="0 0 34 10" aria-hidden="true"><g class="m{style[name]}"><path d="M1 5L33 5"/></g>'
        f"</svg>{_safe(name)}</li>"
        for name in names
    )
    drawn = []
    for chart in charts:
        lines = [Line(name, style[name], values) for name, values in chart.lines.items()]
        leads = range(1, 1 + max(len(line.values) for line in lines))
        svg = line_chart(f"{chart.title} by lead time", list(leads), lines, axis="lead time, frames")
        drawn.append(f"<figure><figcaption>{_safe(chart.title)}</figcaption>{svg}</figure>")
    return f'<ul class="models">{legend}</ul><div class="charts">{"".join(drawn)}</div>'


def _picture(shown: Shown) -> str:
    kind = "gif" if shown.kind == "gif" else "png"
    data = base64.b64encode(shown.content).decode("ascii")
    return (
        f'<figure class="frames"><figcaption>{_safe(shown.caption)}</figcaption>'
        f'<img src="data:image/{kind};base64,{data}" alt="{_safe(shown.caption)}"></figure>'
    )


def _missing(texts: Sequence[str]) -> str:
    if not texts:
        return ""
    items = "".join(f"<li>{_safe(text)}</li>" for text in texts)
    return f'<section class="stage missing"><h2>Not whole yet</h2><ul>{items}</ul></section>'


def _safe(text: str) -> str:
    return html.escape(str(text), quote=True)


_STYLE = """
.marker { display: none; }
.scores .reported { color: var(--dim); font-style: italic; }
.scores caption { font-size: .95rem; font-weight: 600; color: var(--ink); }
.scores td { white-space: normal; }
.frames { margin: 0 0 18px; } .frames img { max-width: 100%; height: auto; display: block; background: #fff; }
.frames figcaption { font-weight: 600; font-size: .9rem; margin-bottom: 6px; }
.missing { border-color: #b3261e; } .missing ul { margin: 0; padding-left: 18px; overflow-wrap: anywhere; }
"""

_TEMPLATE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header><div><h1>$title</h1>$subtitles</div></header>
<main>
$missing
<section id="scores" aria-label="Tables">$tables</section>
<section class="stage" aria-labelledby="h-charts"$no_charts><h2 id="h-charts">Over lead time</h2>
$charts</section>
<section class="stage" aria-labelledby="h-frames"$no_pictures><h2 id="h-frames">Predicted frames</h2>
$pictures</section>
<section id="about" aria-labelledby="h-about"><h2 id="h-about">How the numbers are made</h2>
<ul class="notes">$notes</ul></section>
</main>
</body>
</html>
""")
