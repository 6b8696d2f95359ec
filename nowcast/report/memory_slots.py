"""Draw what `nowcast.models.lmc.analysis` computes of a memory: use of slots, agreement, slots on a map.

Dimensions: N slots, H rows, W columns of a frame, h, w rows and columns of the query map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from nowcast.core.files import whole_file

Floats = npt.NDArray[np.floating]
_COLOURS = 20
_DPI = 110


class SlotPicture(NamedTuple):
    """One clip on the picture: its newest frame and the slot that stands out at each place."""

    title: str
    frame: Floats
    """(H, W), or (H, W, 3) in colour, about [0, 1]."""
    slots: npt.NDArray[np.int64]
    """(h, w)"""


def draw_memory_slots(
    path: Path,
    usage_long: Floats,
    usage_short: Floats,
    strongest: Floats,
    similarities: Mapping[str, tuple[float, float]],
    classes: Sequence[str],
    between_classes: Floats,
    change: Floats,
    activity: Floats,
    pictures: Sequence[SlotPicture],
) -> None:
    """Draw everything on one picture.

    Args:
        path: PNG that appears whole or not at all.
        usage_long: (N,) mean weight of each slot for long clips; sums to 1; NaN where none were addressed, and
            all similarities are then of short clips.
        usage_short: (N,) the same for short clips.
        strongest: (N,) share of places at which each slot stands out.
        similarities: by which clips are compared: cosine of addressing vectors, long clip against short,
            as they are and centred; NaN where there is none.
        classes: names of the classes of clips.
        between_classes: (classes, classes) centred similarity.
        change, activity: (N,) mean change of the frames over a short clip and from frame to frame, where
            each slot stands out; NaN where it never does.
        pictures: clips to show the slots on.
    """
    columns = max(4, len(pictures))
    rows = 2 if pictures else 1
    figure = Figure(figsize=(4.2 * columns, 3.6 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, columns)
    _usage(figure.add_subplot(grid[0, 0]), usage_long, usage_short, strongest)
    kind = "long" if np.isfinite(usage_long).any() else "short"
    _similarities(figure.add_subplot(grid[0, 1]), kind, similarities)
    _classes(figure, figure.add_subplot(grid[0, 2]), kind, classes, between_classes)
    ranks = _ranks(strongest)
    _frames_of_slots(figure.add_subplot(grid[0, 3]), change, activity, strongest, ranks)
    for column, picture in enumerate(pictures):
        _slots(figure.add_subplot(grid[1, column]), picture, ranks)
    _save(figure, path)


def draw_slot_map(path: Path, grid: Any, picture: SlotPicture, strongest: Floats) -> None:
    """Draw the slots of one clip over its newest frame on a map with coasts and borders.

    Args:
        path: PNG that appears whole or not at all.
        grid: the `nowcast.core.grid.Grid` of the frame's (H, W).
        picture: frame and slots.
        strongest: as `draw_memory_slots`; the commonest slots get the colours.
    """
    from nowcast.report.maps import base_map

    figure, axes = base_map(grid, 7.0)
    _paint(axes, picture, _ranks(strongest), grid.extent)
    axes.set_title(picture.title, fontsize=9)
    figure.set_facecolor("white")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def _usage(axes: Any, long: Floats, short: Floats, strongest: Floats) -> None:
    order = np.argsort(-short, kind="stable")
    place = np.arange(len(order))
    axes.bar(place, 100 * strongest[order], width=1.0, color="#c9d3df", label="stands out (share of places)")
    if np.isfinite(long).any():
        axes.plot(place, 100 * long[order], color="#b4442f", linewidth=1.2, label="long clips (mean weight)")
    axes.plot(place, 100 * short[order], color="#1f4e79", linewidth=1.2, label="short clips (mean weight)")
    axes.axhline(100 / len(order), color="black", linewidth=0.6, linestyle=":")
    axes.set(title="Use of the slots", xlabel="slots, most used first", ylabel="%")
    axes.legend(fontsize=7)


def _similarities(axes: Any, kind: str, similarities: Mapping[str, tuple[float, float]]) -> None:
    place = np.arange(len(similarities))
    looks = ((-0.2, "#9aa7b5", "as they are"), (0.2, "#1f4e79", "centred"))
    for (shift, colour, name), values in zip(looks, zip(*similarities.values(), strict=True), strict=True):
        heights = np.nan_to_num(np.array(values))
        bars = axes.bar(place + shift, heights, width=0.38, color=colour, label=name)
        axes.bar_label(bars, [f"{v:.3f}" if np.isfinite(v) else "none" for v in values], fontsize=7)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xticks(place, list(similarities))
    axes.margins(y=0.15)
    axes.set(title=f"Addressing: {kind} clips against short", ylabel="cosine similarity")
    axes.legend(fontsize=7)


def _classes(figure: Figure, axes: Any, kind: str, classes: Sequence[str], table: Floats) -> None:
    bound = max(float(np.nanmax(np.abs(table))), 1e-6) if np.isfinite(table).any() else 1.0
    image = axes.imshow(table, cmap="RdBu_r", vmin=-bound, vmax=bound)
    figure.colorbar(image, ax=axes, shrink=0.8)
    axes.set(title="Between classes (centred)", xlabel="short clips", ylabel=f"{kind} clips")
    if len(classes) <= 12:
        axes.set_xticks(range(len(classes)), [_short(c) for c in classes], rotation=60, fontsize=6)
        axes.set_yticks(range(len(classes)), [_short(c) for c in classes], fontsize=6)
    else:
        axes.set_xticks([])
        axes.set_yticks([])


def _frames_of_slots(
    axes: Any, change: Floats, activity: Floats, strongest: Floats, ranks: npt.NDArray[np.int64]
) -> None:
    known = np.isfinite(change)
    colours = _palette()[np.minimum(ranks, _COLOURS - 1)]
    axes.scatter(
        change[known],
        activity[known],
        s=30 + 600 * strongest[known],
        c=colours[known],
        edgecolor="black",
        linewidth=0.4,
    )
    for slot in np.flatnonzero(known & (ranks < 10)):
        axes.annotate(str(slot), (change[slot], activity[slot]), fontsize=6)
    axes.axvline(0, color="black", linewidth=0.5, linestyle=":")
    axes.set_title("Frames where slots stand out")
    axes.set(xlabel="change over the clip", ylabel="change from frame to frame")


def _palette() -> Floats:
    return np.vstack([colormaps["tab20"](np.arange(_COLOURS - 1)), [[0.5, 0.5, 0.5, 1.0]]])


def _slots(axes: Any, picture: SlotPicture, ranks: npt.NDArray[np.int64]) -> None:
    height, width = picture.frame.shape[:2]
    _paint(axes, picture, ranks, (0, width, height, 0))
    side = height / picture.slots.shape[0]
    if picture.slots.size <= 64:
        for (row, column), slot in np.ndenumerate(picture.slots):
            axes.text(
                (column + 0.5) * side, (row + 0.5) * side, str(slot), ha="center", va="center", fontsize=6
            )
    axes.set(title=picture.title, xticks=[], yticks=[])


def _paint(axes: Any, picture: SlotPicture, ranks: npt.NDArray[np.int64], extent: Any) -> None:
    from matplotlib.axes import Axes

    shown = np.minimum(ranks[picture.slots], _COLOURS - 1)
    options: dict[str, Any] = {"extent": extent, "interpolation": "nearest", "aspect": "auto"}
    ground = np.clip(np.nan_to_num(picture.frame), 0, 1)
    Axes.imshow(axes, ground, cmap="gray_r" if ground.ndim == 2 else None, vmin=0, vmax=1, **options)
    Axes.imshow(
        axes, shown, cmap=ListedColormap(_palette()), vmin=-0.5, vmax=_COLOURS - 0.5, alpha=0.45, **options
    )


def _ranks(strongest: Floats) -> npt.NDArray[np.int64]:
    """Rank of each slot by how often it stands out; the rarest share a colour."""
    ranks = np.empty(len(strongest), np.int64)
    ranks[np.argsort(-np.asarray(strongest), kind="stable")] = np.arange(len(strongest))
    return ranks


def _short(name: str) -> str:
    return name if len(name) <= 14 else "…" + name[-13:]
