"""Figures of a benchmark: scores over lead time with their spread, a sweep, slots and arrows on frames.

Dimensions: C channels, H rows, W columns of a frame, h, w rows and columns of a map inside a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.figure import Figure

from nowcast.core.files import whole_file
from nowcast.report.model_colours import DASHES, MODELS, styles_of

Floats = npt.NDArray[np.floating]
_DPI = 110
_ARROWS_ACROSS = 12


class Curve(NamedTuple):
    """A score of one model over lead time."""

    mean: Sequence[float]
    low: Sequence[float]
    """Least and largest value of the seeds."""
    high: Sequence[float]


class SweepPoint(NamedTuple):
    """A score at one value of a setting."""

    setting: float
    mean: float
    half: float
    """Half the width of its interval; NaN where there is none."""


def draw_curves(path: Path, title: str, curves: Mapping[str, Curve]) -> Path:
    """Draw a score over lead time, a line a model, with a band from the worst to the best seed.

    Args:
        path: the PNG, whole or not at all.
        title: the score with its unit.
        curves: by name of the model.
    """
    figure = Figure(figsize=(9.0, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for name, style in styles_of(curves).items():
        curve, colour = curves[name], MODELS[style % len(MODELS)]
        leads = np.arange(1, len(curve.mean) + 1)
        axes.fill_between(leads, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(leads, curve.mean, color=colour, linestyle=_dashes(style), linewidth=1.4, label=name)
    axes.set(xlabel="lead time, frames", ylabel=title)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, handlelength=3.5)
    return _save(figure, path)


def draw_sweep(path: Path, setting: str, score: str, points: Sequence[SweepPoint]) -> Path:
    """Draw a score over the values of a setting, with intervals.

    Args:
        path: the PNG, whole or not at all.
        setting: its name.
        score: its name with its unit.
        points: in any order.
    """
    figure = Figure(figsize=(5.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    order = sorted(points)
    x, y, half = (np.array(values) for values in zip(*order, strict=True))
    axes.errorbar(x, y, yerr=np.nan_to_num(half), color=MODELS[0], marker="o", capsize=4, linewidth=1.4)
    axes.set(xlabel=setting, ylabel=score)
    axes.grid(alpha=0.25)
    return _save(figure, path)


def draw_slots(path: Path, frame: npt.NDArray[np.uint8], slots: Mapping[str, npt.NDArray[np.integer]]) -> Path:
    """Draw which slot of its memory stands out at each place of a frame, one picture a model.

    Args:
        path: the PNG, whole or not at all.
        frame: the newest past frame, (C, H, W).
        slots: by model, (h, w).
    """
    figure, all_axes = _row(len(slots))
    for axes, (name, found) in zip(all_axes, slots.items(), strict=True):
        _ground(axes, frame)
        high, wide = frame.shape[-2:]
        colours = colormaps["tab20"](found % 20)
        axes.imshow(colours, extent=(-0.5, wide - 0.5, high - 0.5, -0.5), alpha=0.45, interpolation="nearest")
        for (row, column), slot in np.ndenumerate(found):
            place = ((column + 0.5) * wide / found.shape[1], (row + 0.5) * high / found.shape[0])
            axes.text(*place, str(slot), ha="center", va="center", fontsize=7, color="white")
        axes.set_title(f"{name}, slots", fontsize=9)
    return _save(figure, path)


def draw_arrows(path: Path, frame: npt.NDArray[np.uint8], motions: Mapping[str, Floats]) -> Path:
    """Draw the motion along which networks move features, over a frame, one picture a model.

    Args:
        path: the PNG, whole or not at all.
        frame: the newest past frame, (C, H, W).
        motions: by model, (2, h, w): pixels a step down and to the right.

    Source: Wu et al. (2021), MotionRNN, figure 9.
    """
    figure, all_axes = _row(len(motions))
    for axes, (name, motion) in zip(all_axes, motions.items(), strict=True):
        _ground(axes, frame)
        every = max(1, motion.shape[-1] // _ARROWS_ACROSS)
        down, right = motion[:, ::every, ::every]
        scale = frame.shape[-1] / motion.shape[-1]
        rows = (np.arange(motion.shape[1])[::every] + 0.5) * scale - 0.5
        columns = (np.arange(motion.shape[2])[::every] + 0.5) * scale - 0.5
        if motion.any():  # a network that has not learned to move has no arrows
            axes.quiver(columns, rows, right, down, color="#ff5a1f", angles="xy", width=0.006)
        length = float(np.hypot(*motion).mean())
        axes.set_title(f"{name}, mean {length:.1f} pixels a step", fontsize=9)
    return _save(figure, path)


def _row(count: int) -> tuple[Figure, list[Any]]:
    across = min(count, 4)
    down = -(-count // across)
    figure = Figure(figsize=(3.3 * across, 3.5 * down), layout="constrained")
    return figure, [figure.add_subplot(down, across, number + 1) for number in range(count)]


def _ground(axes: Any, frame: npt.NDArray[np.uint8]) -> None:
    shown = frame[0] if len(frame) == 1 else frame.transpose(1, 2, 0)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set(xticks=[], yticks=[])


def _dashes(style: int) -> Any:
    again, place = divmod(style, len(MODELS))
    dash = DASHES[(place + again) % len(DASHES)]
    return (0, tuple(float(part) / 1.5 for part in dash.split())) if dash else "solid"


def _save(figure: Figure, path: Path) -> Path:
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, facecolor="white")
    return path
