"""Charts as inline SVG: one line a model over lead time; colours and dashes come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from nowcast.report.rendering import render

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT = 340.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 42.0, 10.0, 12.0, 34.0


class Line(NamedTuple):
    """The values of one model; NaN leaves a gap."""

    name: str
    style: int
    """Number of the model, which decides its colour and dashes."""
    values: Sequence[float]
    band: Sequence[tuple[float, float]] = ()
    """Lower and upper end of the interval of each value, NaN where there is none."""
    faint: bool = False
    """Drawn thin and without dots, beside another line of the same model."""


def line_chart(
    title: str,
    lead_minutes: Sequence[float],
    lines: Sequence[Line],
    digits: int = 3,
    low: float | None = None,
    level: float | None = None,
    axis: str = "lead time, minutes",
) -> Markup:
    """Draw one chart: a value over lead time for each model.

    Args:
        title: for those who cannot see it; the caption beside the chart is the caller's.
        lead_minutes: positions.
        lines: one a model, as many values as lead times.
        digits: decimals of the values shown on pointing.
        low: lower end of the axis; None lets the values decide.
        level: a value to mark with a thin line (a perfect bias, no mean error).
        axis: what the positions are.
    """
    from markupsafe import Markup

    known = [v for line in lines for v in line.values if math.isfinite(v)]
    known += [v for line in lines for ends in line.band for v in ends if math.isfinite(v)]
    ticks = _ticks(known, low, level)
    xs = [_x(m, lead_minutes) for m in lead_minutes]

    def y(value: float) -> float:
        return TOP + (ticks[-1] - value) / (ticks[-1] - ticks[0]) * (HEIGHT - TOP - BOTTOM)

    def curve(line: Line) -> tuple[int, str, list[tuple[float, float]]]:
        """Number of the style, path with a gap at each NaN, and where a dot stands for each value."""
        path, dots, pen = "", [], "M"
        for x, value in zip(xs, line.values, strict=True):
            if math.isfinite(value):
                dots.append((x, y(value)))
                path += f"{pen}{x:.1f} {y(value):.1f}"
            pen = "L" if math.isfinite(value) else "M"
        return line.style, path, dots

    def area(line: Line) -> str:
        """The band as a closed path, where both ends are known."""
        ends = [(x, *pair) for x, pair in zip(xs, line.band, strict=False) if all(map(math.isfinite, pair))]
        around = [(x, high) for x, _, high in ends] + [(x, low) for x, low, _ in reversed(ends)]
        return "".join(f"{'L' if i else 'M'}{x:.1f} {y(v):.1f}" for i, (x, v) in enumerate(around))

    every = 1 if len(xs) <= 6 else math.ceil(len(xs) / 6)
    return Markup(
        render(
            "chart.html",
            title=title,
            axis=axis,
            width=WIDTH,
            height=HEIGHT,
            box={"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "foot": HEIGHT - BOTTOM},
            ticks=[(f"{tick:g}", y(tick)) for tick in ticks],
            level=None if level is None else y(level),
            leads=[(f"{m:g}", x) for m, x in zip(lead_minutes, xs, strict=True)][every - 1 :: every],
            first=xs[0] if xs else LEFT,
            curves=[(*curve(line), area(line), line.faint) for line in lines],
            data={
                "minutes": list(lead_minutes),
                "x": [round(x, 1) for x in xs],
                "digits": digits,
                "lines": [
                    {
                        "name": line.name,
                        "style": line.style,
                        "values": [v if math.isfinite(v) else None for v in line.values],
                    }
                    for line in lines
                ],
            },
        )
    )


def _ticks(known: Sequence[float], low: float | None, level: float | None) -> list[float]:
    """Round values from at or below the lowest to at or above the highest value, four to seven of them."""
    values = [*known, *([] if level is None else [level])] or [0.0, 1.0]
    bottom, top = min(values) if low is None else low, max(values)
    if top - bottom < 1e-9:
        top = bottom + 1.0
    rough = (top - bottom) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    first, last = math.floor(bottom / step + 1e-6), math.ceil(top / step - 1e-6)
    return [i * step for i in range(first, last + 1)]


def _x(minutes: float, lead_minutes: Sequence[float]) -> float:
    low, high = lead_minutes[0], lead_minutes[-1]
    share = 0.5 if high == low else (minutes - low) / (high - low)
    return LEFT + 8 + share * (WIDTH - LEFT - RIGHT - 16)
