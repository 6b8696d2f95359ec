"""Charts as inline SVG: one line a model over lead time; colours and dashes come from the page's style."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 340.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 42.0, 10.0, 12.0, 34.0


class Line(NamedTuple):
    """The values of one model; NaN leaves a gap."""

    name: str
    style: int
    """Number of the model, which decides its colour and dashes."""
    values: Sequence[float]


def line_chart(
    title: str, lead_minutes: Sequence[float], lines: Sequence[Line], digits: int = 3,
    low: float | None = None, high: float | None = None, level: float | None = None,
    axis: str = "lead time, minutes",
) -> str:
    """Draw one chart: a value over lead time for each model.

    Args:
        title: said to those who cannot see it; the caption beside the chart is the caller's.
        lead_minutes: positions.
        lines: one a model, as many values as lead times.
        digits: decimals of the values shown on pointing.
        low, high: ends of the axis; None lets the values decide.
        level: a value to mark with a thin line (a perfect bias, no mean error).
        axis: what the positions are.
    """
    known = [v for line in lines for v in line.values if math.isfinite(v)]
    ticks = _ticks(*_range(known, low, high, level))
    bottom, top = ticks[0], ticks[-1]
    xs = [_x(m, lead_minutes) for m in lead_minutes]
    parts = [_grid(ticks, lead_minutes, bottom, top, axis)]
    if level is not None:
        y = _y(level, bottom, top)
        parts.append(f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    first = xs[0] if xs else LEFT
    parts.append(
        f'<line class="marker" x1="{first:.1f}" x2="{first:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
    )
    parts += [_line(line, xs, bottom, top) for line in lines]
    data = {
        "minutes": list(lead_minutes), "x": [round(x, 1) for x in xs], "digits": digits,
        "lines": [
            {"name": li.name, "style": li.style, "values": [v if math.isfinite(v) else None for v in li.values]}
            for li in lines
        ],
    }
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-label="{html.escape(title, quote=True)}" '
        f'data-chart="{html.escape(json.dumps(data, allow_nan=False), quote=True)}">{"".join(parts)}</svg>'
    )


def _range(
    known: Sequence[float], low: float | None, high: float | None, level: float | None
) -> tuple[float, float]:
    """Give the ends of the value axis."""
    values = [*known, *([] if level is None else [level])] or [0.0, 1.0]
    bottom = min(values) if low is None else low
    top = max(values) if high is None else high
    if top - bottom < 1e-9:
        top = bottom + 1.0
    return bottom, top


def _ticks(bottom: float, top: float) -> list[float]:
    """Give round values from at or below ``bottom`` to at or above ``top``, four to seven of them."""
    rough = (top - bottom) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    first, last = math.floor(bottom / step + 1e-6), math.ceil(top / step - 1e-6)
    return [i * step for i in range(first, last + 1)]


def _grid(
    ticks: Sequence[float], lead_minutes: Sequence[float], bottom: float, top: float, axis: str
) -> str:
    parts = []
    for tick in ticks:
        y = _y(tick, bottom, top)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{tick:g}</text>')
    every = max(1, math.ceil(len(lead_minutes) / 6))
    for i, lead in enumerate(lead_minutes):
        if i % every == every - 1 or len(lead_minutes) <= 6:
            x = _x(lead, lead_minutes)
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 15:g}" text-anchor="middle">'
                f"{lead:g}</text>"
            )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="axis" x="{middle:g}" y="{HEIGHT - 4:g}" text-anchor="middle">{html.escape(axis)}</text>'
    )
    return "".join(parts)


def _line(line: Line, xs: Sequence[float], bottom: float, top: float) -> str:
    """Draw one model: a path that breaks at NaN, and a dot a value."""
    path, dots, pen = [], [], "M"
    for x, value in zip(xs, line.values, strict=True):
        if not math.isfinite(value):
            pen = "M"
            continue
        y = _y(value, bottom, top)
        path.append(f"{pen}{x:.1f} {y:.1f}")
        dots.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2"/>')
        pen = "L"
    return f'<g class="m{line.style}"><path d="{"".join(path)}"/>{"".join(dots)}</g>'


def _x(minutes: float, lead_minutes: Sequence[float]) -> float:
    low, high = lead_minutes[0], lead_minutes[-1]
    share = 0.5 if high == low else (minutes - low) / (high - low)
    return LEFT + 8 + share * (WIDTH - LEFT - RIGHT - 16)


def _y(value: float, bottom: float, top: float) -> float:
    return TOP + (top - value) / (top - bottom) * (HEIGHT - TOP - BOTTOM)
