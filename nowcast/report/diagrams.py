"""The diagrams of the skill page: groups of charts with a heading and a sentence, empty ones left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nowcast.report.charts import Line, line_chart
from nowcast.report.content import IntervalRow
from nowcast.report.diagram_content import DiagramCurve, Diagrams, RankShares, ReliabilityCurve
from nowcast.report.plane import Guide, Plane, PlaneAxis, PlaneCurve, tells
from nowcast.report.score_tabs import ScoreTable

if TYPE_CHECKING:
    from markupsafe import Markup

Styles = Mapping[str, int]
"""Number of each model, which decides its colour and dashes wherever it is drawn."""
_TENTHS = tuple((k / 5, f"{k / 5:g}") for k in range(6))
_UNIT = (0.0, 1.0, _TENTHS)


class Figure(NamedTuple):
    """One chart with its caption."""

    caption: str
    chart: Markup


class FigureGroup(NamedTuple):
    """Charts of one kind, one a threshold."""

    key: str
    title: str
    note: str
    figures: list[Figure]


NOTES = {
    "csi": (
        "CSI by lead time, with intervals",
        "Bands are intervals of a bootstrap over blocks of initialisation times, of each model by itself: of "
        "two models whose bands overlap one may still be surely better, which the differences above tell.",
    ),
    "performance": (
        "Performance diagram",
        "A dot a lead time; up and right is better, where the first ones are. Curves are lines of equal CSI, "
        "rays of equal bias.",
    ),
    "reliability": (
        "Reliability",
        "Frequency of the event against its probability, all lead times; on the diagonal probabilities are "
        "reliable. Below: the share of all cases in each bin.",
    ),
    "roc": (
        "ROC",
        "Hit rate against false alarm rate when acting at ever lower probabilities; up and left is better, "
        "the diagonal cannot tell events from others.",
    ),
    "value": (
        "Relative economic value",
        "What a user saves who pays C for protection or else loses L, as a share of what a perfect forecast "
        "saves, acting on the best probability. It is largest where C/L is the frequency of the event.",
    ),
    "ranks": (
        "Rank histogram",
        "Where the observed stands among the members: flat at 1 where it could be one of them, high at both "
        "ends where members are too alike.",
    ),
    "spread": (
        "Spread and error",
        "Root mean squared error of the ensemble mean (dots) and spread of the members (thin): equal where "
        "the observed could be one of them.",
    ),
}
"""Heading and explanation of each group."""


def figure_groups(
    shown: Diagrams, csi: Sequence[IntervalRow], table: ScoreTable, styles: Styles
) -> list[FigureGroup]:
    """Every group that has a chart."""
    figures = {
        "csi": _csi(csi, styles),
        "performance": _by_threshold(shown.performance, _performance, styles, "Performance"),
        "reliability": _by_threshold(shown.reliability, _reliability, styles, "Reliability"),
        "roc": _by_threshold(shown.roc, _roc, styles, "ROC"),
        "value": _by_threshold(shown.value, _value, styles, "Value"),
        "ranks": _ranks(shown.ranks, styles),
        "spread": _spread(table, styles),
    }
    groups = [FigureGroup(key, *NOTES[key], list(found)) for key, found in figures.items()]
    return [
        group._replace(note=f"{group.note} {_bars_note(shown.blocks)}") if group.key == "reliability" else group
        for group in groups
        if group.figures
    ]


def _bars_note(blocks: int) -> str:
    if blocks < 2:
        return "Bars around the diagonal take pixels for independent and are far too short: there is one block."
    return (
        "Bars around the diagonal are consistency bars: where frequencies would lie if probabilities were "
        "reliable, "
        f"from {blocks} blocks of initialisation times."
    )


def _by_threshold(
    curves: Sequence[DiagramCurve] | Sequence[ReliabilityCurve],
    draw: Callable[..., Plane],
    styles: Styles,
    name: str,
) -> Iterator[Figure]:
    for threshold in sorted({curve.threshold_dbz for curve in curves}):
        caption = f"{name} at {threshold:g} dBZ"
        plane = draw(caption, [c for c in curves if c.threshold_dbz == threshold], styles)
        points = [point for curve in plane.curves for point in curve.points]
        if tells(x - y if draw is _roc else y for x, y in points if math.isfinite(x)):
            yield Figure(caption, plane.render())


def _reliability(title: str, curves: Sequence[ReliabilityCurve], styles: Styles) -> Plane:
    climate = curves[0].climatology
    guides = [
        Guide(((0.0, 0.0), (1.0, 1.0))),
        Guide(((0.0, climate), (1.0, climate)), "climatology", dashed=True),
    ]
    made = []
    for c in curves:
        total = max(sum(c.cases), 1)
        texts = [
            f"probability {f:.2f}, observed {o:.2f}, {n} cases"
            for f, o, n in zip(c.forecast, c.observed, c.cases, strict=True)
        ]
        made.append(
            PlaneCurve(
                c.model,
                styles[c.model],
                list(zip(c.forecast, c.observed, strict=True)),
                texts,
                list(zip(c.forecast, c.low, c.high, strict=True)),
                [((i + 0.5) / len(c.cases), n / total) for i, n in enumerate(c.cases)],
            )
        )
    return Plane(
        title, PlaneAxis("forecast probability", *_UNIT), PlaneAxis("observed frequency", *_UNIT), made, guides
    )


def _plain(curves: Sequence[DiagramCurve], styles: Styles) -> list[PlaneCurve]:
    return [PlaneCurve(c.model, styles[c.model], list(zip(c.x, c.y, strict=True)), c.texts) for c in curves]


def _roc(title: str, curves: Sequence[DiagramCurve], styles: Styles) -> Plane:
    return Plane(
        title,
        PlaneAxis("false alarm rate", *_UNIT),
        PlaneAxis("hit rate", *_UNIT),
        _plain(curves, styles),
        [Guide(((0.0, 0.0), (1.0, 1.0)))],
    )


def _performance(title: str, curves: Sequence[DiagramCurve], styles: Styles) -> Plane:
    guides = []
    for csi in (0.2, 0.4, 0.6, 0.8):
        steps = [csi + (1 - csi) * i / 40 for i in range(41)]
        # 1 / CSI = 1 / success ratio + 1 / POD - 1
        guides.append(Guide([(1 / (1 / csi + 1 - 1 / p), p) for p in reversed(steps)], f"{csi:g}"))
    for bias in (0.5, 1.0, 2.0):
        end = (1.0, bias) if bias <= 1 else (1 / bias, 1.0)
        guides.append(Guide(((0.0, 0.0), end), dashed=True))
    x = PlaneAxis("success ratio, 1 - FAR", *_UNIT)
    return Plane(title, x, PlaneAxis("POD", *_UNIT), _plain(curves, styles), guides)


def _value(title: str, curves: Sequence[DiagramCurve], styles: Styles) -> Plane:
    ticks = [(math.log10(at), f"{at:g}") for at in (0.001, 0.01, 0.1, 1.0)]
    made = [
        PlaneCurve(
            c.model,
            styles[c.model],
            [(math.log10(x), y if y >= 0 else math.nan) for x, y in zip(c.x, c.y, strict=True)],
        )
        for c in curves
    ]
    return Plane(
        title,
        PlaneAxis("cost / loss", -3.0, 0.0, ticks),
        PlaneAxis("relative value", *_UNIT),
        made,
        height=240.0,
    )


def _ranks(ranks: Sequence[RankShares], styles: Styles) -> Iterator[Figure]:
    for least in dict.fromkeys(r.least_dbz for r in ranks):
        chosen = [r for r in ranks if r.least_dbz == least and all(map(math.isfinite, r.shares))]
        if not chosen:
            continue
        count = len(chosen[0].shares)
        top = max(2.0, math.ceil(max(max(r.shares) for r in chosen)))
        step = max(1, math.ceil(top / 5))
        where = "everywhere" if least is None else f"where {least:g} dBZ are reached"
        yield Figure(
            f"Rank histogram {where}",
            Plane(
                f"Rank histogram {where}",
                PlaneAxis(
                    "rank of the observed, lowest to highest",
                    0.0,
                    count,
                    [(k + 0.5, str(k + 1)) for k in range(count)],
                ),
                PlaneAxis(
                    "share of a class / even share",
                    0.0,
                    top,
                    [(float(k), str(k)) for k in range(0, int(top) + 1, step)],
                ),
                [
                    PlaneCurve(
                        r.model,
                        styles[r.model],
                        [(float(x), share) for i, share in enumerate(r.shares) for x in (i, i + 1)],
                    )
                    for r in chosen
                ],
                [Guide(((0.0, 1.0), (float(count), 1.0)), dashed=True)],
                height=240.0,
            ).render(),
        )


def _csi(rows: Sequence[IntervalRow], styles: Styles) -> Iterator[Figure]:
    for threshold in sorted({row.threshold_dbz for row in rows}):
        chosen = [row for row in rows if row.threshold_dbz == threshold]
        leads = sorted({row.lead_minutes for row in chosen})
        lines = []
        for model in dict.fromkeys(row.model for row in chosen):
            own = {row.lead_minutes: row for row in chosen if row.model == model}
            lines.append(
                Line(
                    model,
                    styles[model],
                    [own[lead].value for lead in leads],
                    [(own[lead].low, own[lead].high) for lead in leads],
                )
            )
        if tells(v for line in lines for v in line.values):
            caption = f"CSI at {threshold:g} dBZ"
            yield Figure(caption, line_chart(f"{caption} by lead time with intervals", leads, lines, low=0.0))


def _spread(table: ScoreTable, styles: Styles) -> Iterator[Figure]:
    def by_lead(model: str, score: str) -> list[float]:
        return [table.value(model, score, None, lead) for lead in table.leads]

    lines = []
    for model in table.models:
        spread, error = by_lead(model, "ensemble_spread"), by_lead(model, "ensemble_rmse")
        if any(v > 0 for v in spread) and any(map(math.isfinite, error)):
            lines += [
                Line(f"{model}, error", styles[model], error),
                Line(f"{model}, spread", styles[model], spread, faint=True),
            ]
    if lines:
        caption = "RMSE of the ensemble mean and spread, dB"
        yield Figure(caption, line_chart(f"{caption} by lead time", table.leads, lines, 2, low=0.0))
