"""Maps with cartopy, coastlines and borders from the package's own file: nothing is ever downloaded.

A map is drawn in the projection of the grid itself, so a cell is a rectangle and nothing is resampled;
latitude and longitude are stretched so that a kilometre is as long both ways in the middle of the map.
"""

from __future__ import annotations

from typing import Any

import cartopy.crs as ccrs
import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from nowcast.core.grid import Grid
from nowcast.report.coastlines import on_grid
from nowcast.report.palettes import ColourScale, palette_of

Array = npt.NDArray[np.floating]
INK = "#7c8591"
"""Gray of lines and labels, readable on white and on black."""
WIDTH_INCHES = 5.2


class GridProjection(ccrs.Projection):  # type: ignore[misc]
    """The projection of a projected grid, bounded by a frame around that grid."""

    def __init__(self, grid: Grid) -> None:
        super().__init__(grid.crs)
        west, east, south, north = grid.extent
        mx, my = east - west, north - south
        self.bounds = (west - mx, east + mx, south - my, north + my)
        self.threshold = mx / 1000  # how finely lines are followed, in metres


def projection(grid: Grid) -> ccrs.Projection:
    """The cartopy projection in which the cells of a grid are rectangles."""
    if not grid.geographic:
        return GridProjection(grid)
    return ccrs.PlateCarree(globe=ccrs.Globe(ellipse="WGS84"))


def base_map(grid: Grid, width_inches: float = WIDTH_INCHES) -> tuple[Figure, Any]:
    """Make a figure with one map of a grid: coasts, borders, a graticule, and nothing on it yet.

    Returns:
        The figure and its cartopy axes, whose data coordinates are those of the grid's CRS.
    """
    west, east, south, north = grid.extent
    km_y, km_x = grid.cell_km
    shape = (km_y * grid.shape[0]) / (km_x * grid.shape[1])
    left, foot, rest = 0.085, 0.055, 0.012
    wide = 1 - left - rest
    height = wide * shape + foot + rest
    figure = Figure(figsize=(width_inches, width_inches * height), facecolor="none")
    place = (left, foot / height, wide, wide * shape / height)
    axes: Any = figure.add_axes(place, projection=projection(grid), facecolor="none")
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect("auto")
    axes.spines["geo"].set(edgecolor=INK, linewidth=0.8)
    for kind, width in (("coast", 0.9), ("border", 0.7)):
        lines = on_grid(grid, kind)  # type: ignore[arg-type]
        style = "solid" if kind == "coast" else (0, (3, 2))
        axes.add_collection(
            LineCollection(
                lines,
                colors=INK,
                linewidths=width,
                linestyles=style,
                zorder=5,
                path_effects=[patheffects.withStroke(linewidth=width + 0.8, foreground="#ffffff99")],
            ),
            autolim=False,
        )
    _graticule(axes)
    return figure, axes


def map_of_field(frame: xr.DataArray, palette: ColourScale | None = None) -> Figure:
    """Draw one frame (y, x) of dBZ: stepped colours, gray where not observed, clear where no echo is."""
    grid = Grid.of(frame)
    figure, axes = base_map(grid)
    # Axes.imshow: cartopy's own would resample, which the projection of the grid makes needless
    Axes.imshow(
        axes,
        (palette or palette_of()).rgba(frame.values),
        extent=grid.extent,
        origin="upper",
        interpolation="nearest",
        aspect="auto",
        zorder=2,
    )
    return figure


def add_arrows(axes: Any, grid: Grid, u: Array, v: Array, every: int = 24) -> None:
    """Draw motion on a map, one arrow for every ``every`` cells each way.

    Args:
        axes: of `base_map`.
        grid: its grid.
        u, v: eastward and northward motion of each cell (H, W) in one unit; NaN draws no arrow.
        every: distance of the arrows in cells.
    """
    half = every // 2
    pick = (slice(half, None, every), slice(half, None, every))
    x, y = np.meshgrid(grid.x[pick[1]], grid.y[pick[0]])
    axes.quiver(
        x,
        y,
        u[pick],
        v[pick],
        color="#1c2430",
        edgecolor="white",
        linewidth=0.4,
        width=0.004,
        pivot="mid",
        zorder=6,
    )


def _graticule(axes: Any) -> None:
    lines = axes.gridlines(
        crs=ccrs.PlateCarree(),
        draw_labels=["left", "bottom"],
        linewidth=0.4,
        color=INK,
        alpha=0.5,
        x_inline=False,
        y_inline=False,
    )
    lines.xlabel_style = lines.ylabel_style = {"size": 7, "color": INK, "rotation": 0}
    lines.xpadding = lines.ypadding = 3
