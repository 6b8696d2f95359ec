"""The mapping: what a YAML file says of files that say too little of themselves, or say it in other words."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nowcast.core.errors import SettingsError, complain
from nowcast.core.packaged_configs import config_path
from nowcast.core.rain import z_r
from nowcast.core.settings import build, read_yaml
from nowcast.ingestion.polar.settings import PolarSettings


@dataclass(frozen=True)
class CodeSettings:
    """Stored numbers that stand for something else than a value; bounds of ``ranges`` belong to them."""

    values: tuple[float, ...] = ()
    ranges: tuple[tuple[float, float], ...] = ()
    below: float | None = None
    above: float | None = None


@dataclass(frozen=True)
class TimeSettings:
    """When the frames are: a variable, a pattern of the file name (``radar_%Y%m%d%H%M.png``) or a start.

    ``step_minutes`` parts the frames of a file that has one time alone, which is that of the first.
    ``offset_minutes`` is added to every time: -60 for clocks on UTC+1. ``calendar`` holds before that of the
    variable: ``standard`` where a file names one that its numbers do not follow.
    """

    variable: str | None = None
    units: str | None = None
    calendar: Literal["standard"] | None = None
    file_name: str | None = None
    start: str | None = None
    step_minutes: float | None = None
    offset_minutes: float = 0.0


@dataclass(frozen=True)
class GridSettings:
    """Where the cells are: projection, and the outer edges where the file has no coordinates.

    ``crs`` is ``EPSG:...`` or a PROJ string; ``unit`` is that of edges and coordinates.
    """

    crs: str | None = None
    unit: Literal["degrees", "m", "km"] | None = None
    west: float | None = None
    east: float | None = None
    south: float | None = None
    north: float | None = None
    first_row: Literal["north", "south"] = "north"

    @property
    def edges(self) -> tuple[float, float, float, float] | None:
        """West, east, south, north; None where none is given."""
        found = [v for v in (self.west, self.east, self.south, self.north) if v is not None]
        return (found[0], found[1], found[2], found[3]) if len(found) == 4 else None


@dataclass(frozen=True)
class PictureSettings:
    """A picture: colour (``"#rrggbb"`` or ``transparent``) -> value in ``unit``, and the other colours.

    ``ignored`` colours (lines and names of a map) become not observed, or with ``ignored_become: nearest``
    the value of the nearest pixel that has one, which is made up. ``tolerance`` is the largest difference
    of red, green or blue to a colour named here. ``size`` is the width and height that are expected, ``crop``
    what is read of them: left, top, right and bottom in pixels.
    """

    classes: dict[str, float]
    no_echo: tuple[str, ...] = ()
    not_observed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    ignored_become: Literal["not_observed", "nearest"] = "not_observed"
    tolerance: int = 0
    size: tuple[int, int] | None = None
    crop: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class ArraySettings:
    """A stack of numbers without names (npy, npz, HDF5): its axes in their order.

    Axes that are none of ``time``, ``row`` and ``column`` are chosen from by ``select``. ``decoding:
    sevir_vil`` are the codes of SEVIR's vertically integrated liquid, which needs ``column_depth_km``.
    """

    layout: tuple[str, ...] | None = None
    decoding: Literal["linear", "sevir_vil"] = "linear"
    column_depth_km: float | None = None


@dataclass(frozen=True)
class Mapping:
    """All that can be said of files; what is left out is taken from the files, as far as they say it.

    ``unit`` is dBZ or any unit of rain; an amount (mm) needs ``period_minutes``. ``scale``, ``offset``,
    ``not_observed`` and ``no_echo`` speak of numbers as the file stores them, and hold before its own
    attributes. ``rows`` and ``columns`` name the coordinates, or dimensions where ``grid`` has the edges;
    ``select`` names an index of any further dimension. ``group`` is where a netCDF file keeps the variable;
    without it, the one group with a field counts where no field lies outside groups; ``/`` is the root.
    """

    name: str
    source: str | None = None
    licence: str | None = None
    group: str | None = None
    variable: str | None = None
    unit: str | None = None
    period_minutes: float | None = None
    z_r: str = "marshall_palmer"
    scale: float | None = None
    offset: float | None = None
    not_observed: CodeSettings = field(default_factory=CodeSettings)
    no_echo: CodeSettings = field(default_factory=CodeSettings)
    time: TimeSettings = field(default_factory=TimeSettings)
    rows: str | None = None
    columns: str | None = None
    select: dict[str, int] = field(default_factory=dict)
    grid: GridSettings = field(default_factory=GridSettings)
    picture: PictureSettings | None = None
    array: ArraySettings | None = None
    polar: PolarSettings | None = None

    def __post_init__(self) -> None:
        _check(self)


def read_mapping(path: Path | str) -> Mapping:
    """Read a mapping from a YAML file, given as a path or a packaged name.

    Raises:
        SettingsError: no such file or name, an unknown key, a value of the wrong type, or a contradiction.
    """
    try:
        return build(Mapping, read_yaml(config_path(path, "ingest")))
    except SettingsError as error:
        text = str(error)
        raise error if text.startswith(str(path)) else SettingsError(f"{path}: {text}") from error


def _check(mapping: Mapping) -> None:
    z_r(mapping.z_r)
    if not mapping.name.replace("_", "").replace("-", "").isalnum() or len(mapping.name) > 60:
        raise _wrong("name", repr(mapping.name), "letters, digits, - and _", "rename it")
    for name, value, expected in (
        ("period_minutes", mapping.period_minutes, "above 0"),
        ("time.step_minutes", mapping.time.step_minutes, "above 0"),
    ):
        if value is not None and value <= 0:
            raise _wrong(name, value, expected, "give minutes")
    if mapping.scale == 0.0:
        raise _wrong("scale", 0, "a number that tells values apart", "give another")
    given = [n for n in ("variable", "file_name", "start") if getattr(mapping.time, n) is not None]
    if len(given) > 1:
        raise _wrong(
            "time", " and ".join(given), "one of variable, file_name and start", "leave the others out"
        )
    edges = [getattr(mapping.grid, n) for n in ("west", "east", "south", "north")]
    if any(e is None for e in edges) and any(e is not None for e in edges):
        raise _wrong("grid", "some edges alone", "west, east, south and north, or none", "give all four")
    if mapping.grid.edges is not None and not (edges[0] < edges[1] and edges[2] < edges[3]):
        raise _wrong(
            "grid",
            f"west {edges[0]:g} east {edges[1]:g} south {edges[2]:g} north {edges[3]:g}",
            "west below east and south below north",
            "exchange them",
        )
    twice = set(mapping.not_observed.values) & set(mapping.no_echo.values)
    if twice:
        raise _wrong("not_observed", f"{min(twice):g}, which no_echo has too", "each number once", "choose one")
    for name, codes in (("not_observed", mapping.not_observed), ("no_echo", mapping.no_echo)):
        if any(low > high for low, high in codes.ranges):
            raise _wrong(f"{name}.ranges", codes.ranges, "the lower bound first", "exchange them")


def _wrong(name: str, value: object, expected: str, remedy: str) -> SettingsError:
    return SettingsError(complain(name, value, expected, remedy))
