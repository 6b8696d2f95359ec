"""Charts of one number against another as inline SVG: guides behind, a curve a model, counts below.

Colours and dashes come from the page's style, by the number of the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from nowcast.report.rendering import render

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 340.0, 42.0, 14.0, 12.0, 34.0
_LOWEST_SHARE = 1e-6
_SHARES = ((1.0, "100 %"), (1e-2, "1 %"), (1e-4, "0.01 %"))
_STRIP = 64.0
_GAP = 14.0
Points = Sequence[tuple[float, float]]


class PlaneAxis(NamedTuple):
    """One axis: from ``low`` to ``high``, with a text at some values."""

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]


class Guide(NamedTuple):
    """A thin line behind the curves, with a text at its end."""

    points: Points
    label: str = ""
    dashed: bool = False


class PlaneCurve(NamedTuple):
    """The points of one model; NaN leaves a gap."""

    name: str
    style: int
    points: Points
    texts: Sequence[str] = ()
    """Told on pointing, one a point; none for a curve without dots."""
    bars: Sequence[tuple[float, float, float]] = ()
    """Upright bars: where, from, to."""
    shares: Points = ()
    """What the strip below shows: where, and the share of all cases."""


@dataclass(frozen=True)
class Plane:
    """One such chart."""

    title: str
    """For those who cannot see it; the caption beside the chart is the caller's."""
    x: PlaneAxis
    y: PlaneAxis
    curves: Sequence[PlaneCurve]
    guides: Sequence[Guide] = ()
    height: float = 300.0
    """Of the part with the curves."""

    def render(self) -> Markup:
        """Draw it."""
        from markupsafe import Markup

        foot = self.height - BOTTOM
        strip = any(curve.shares for curve in self.curves)
        top = foot + _GAP
        return Markup(
            render(
                "plane.html",
                title=self.title,
                x_title=self.x.title,
                y_title=self.y.title,
                width=WIDTH,
                height=self.height + (_STRIP + _GAP if strip else 0.0),
                box={"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "foot": foot},
                x_foot=foot + (_STRIP + _GAP if strip else 0.0),
                x_ticks=[(text, self._x(at)) for at, text in self.x.ticks],
                y_ticks=[(text, self._y(at)) for at, text in self.y.ticks],
                guides=[(self._path(g.points), g.label, self._end(g.points), g.dashed) for g in self.guides],
                curves=[self._curve(curve, top) for curve in self.curves],
                strip={
                    "top": top,
                    "foot": top + _STRIP,
                    "ticks": [(text, _share_y(share, top)) for share, text in _SHARES],
                }
                if strip
                else None,
            )
        )

    def _x(self, value: float) -> float:
        return LEFT + (value - self.x.low) / (self.x.high - self.x.low) * (WIDTH - LEFT - RIGHT)

    def _y(self, value: float) -> float:
        within = min(max(value, self.y.low), self.y.high)
        return TOP + (self.y.high - within) / (self.y.high - self.y.low) * (self.height - TOP - BOTTOM)

    def _end(self, points: Points) -> tuple[float, float]:
        return self._x(points[-1][0]), self._y(points[-1][1])

    def _path(self, points: Points) -> str:
        path, pen = "", "M"
        for x, y in points:
            known = math.isfinite(x) and math.isfinite(y)
            path += f"{pen}{self._x(x):.1f} {self._y(y):.1f}" if known else ""
            pen = "L" if known else "M"
        return path

    def _curve(self, curve: PlaneCurve, strip_top: float) -> dict[str, object]:
        dots = [
            (self._x(x), self._y(y), f"{curve.name}: {text}")
            for (x, y), text in zip(curve.points, curve.texts, strict=False)
            if math.isfinite(x) and math.isfinite(y)
        ]
        bars = [
            (self._x(x), self._y(low), self._y(high))
            for x, low, high in curve.bars
            if math.isfinite(x) and math.isfinite(low) and math.isfinite(high)
        ]
        shares = [(self._x(x), _share_y(share, strip_top)) for x, share in curve.shares if share > 0]
        path = "".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(shares))
        return {
            "style": curve.style,
            "path": self._path(curve.points),
            "dots": dots,
            "bars": bars,
            "strip": path,
            "counts": shares,
        }


def tells(values: Iterable[float]) -> bool:
    """Whether a chart of these values shows anything: one at least that is known and not 0."""
    return any(math.isfinite(value) and abs(value) > 1e-9 for value in values)


def _share_y(share: float, top: float) -> float:
    """Where a share stands in the strip, on a scale of powers of ten."""
    low = math.log10(_LOWEST_SHARE)
    return top + _STRIP * math.log10(max(share, _LOWEST_SHARE)) / low
