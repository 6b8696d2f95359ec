"""A mapping laid over the variables of a netCDF file or Zarr store: they come out as CF would have them."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, complain
from nowcast.ingestion.mapped.file_time import times_by
from nowcast.ingestion.mapped.place import centres
from nowcast.ingestion.mapped.settings import Mapping
from nowcast.ingestion.mapped.values import period_hours_of, stated_codes, stated_quantity
from nowcast.ingestion.readers.cf_axes import Axes
from nowcast.ingestion.readers.cf_quantity import AMOUNT, DBZ, RATE, factor_to
from nowcast.ingestion.readers.cf_store import CfStore, Stored
from nowcast.ingestion.readers.projections import crs_of_proj
from nowcast.ingestion.readers.stated_codes import StatedMeaning

_STANDARD = {
    DBZ: "equivalent_reflectivity_factor",
    RATE: "rainfall_rate",
    AMOUNT: "thickness_of_rainfall_amount",
}
_CRS, _TIME = "nowcast_mapping_crs", "nowcast_mapping_time"


class NamedVariable:
    """A variable with other attributes than its own; without one of its own it holds ``values``."""

    def __init__(
        self,
        name: str,
        attributes: MappingOf[str, Any],
        inner: Any = None,
        dimensions: tuple[str, ...] = (),
        values: Any = None,
    ) -> None:
        self.name, self._attributes, self._inner = name, dict(attributes), inner
        self._values = np.asarray(0 if values is None else values)
        self.dimensions = tuple(inner.dimensions) if inner is not None else dimensions
        self.shape = tuple(inner.shape) if inner is not None else self._values.shape
        self.ndim, self.size = len(self.shape), int(np.prod(self.shape, dtype=np.int64))
        self.dtype = inner.dtype if inner is not None else self._values.dtype

    @property
    def inner(self) -> Any:
        """The variable of the file."""
        return self._inner

    def ncattrs(self) -> list[str]:
        """Return the names of all attributes."""
        own = self._inner.ncattrs() if self._inner is not None else []
        return [*(n for n in own if n not in self._attributes), *self._attributes]

    def getncattr(self, name: str) -> Any:
        """Return an attribute."""
        return self._attributes[name] if name in self._attributes else self._inner.getncattr(name)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") or name in ("_FillValue", "_Unsigned"):
            own = self.__dict__.get("_attributes", {})
            if name in own:
                return own[name]
            inner = self.__dict__.get("_inner")
            if inner is not None:
                return getattr(inner, name)
        raise AttributeError(name)

    def __getitem__(self, index: Any) -> Any:
        return self._inner[index] if self._inner is not None else self._values[index]

    def set_auto_maskandscale(self, on: bool) -> None:
        """Pass it on: numbers as stored are wanted."""
        if self._inner is not None:
            self._inner.set_auto_maskandscale(on)


class NamedVariables:
    """Attributes of a file and its variables, renamed."""

    def __init__(self, inner: Any, variables: dict[str, Any], attributes: MappingOf[str, Any]) -> None:
        self.variables, self._inner, self._attributes = variables, inner, attributes
        self.groups: MappingOf[str, Any] = getattr(inner, "groups", {})

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_inner"], name)

    def ncattrs(self) -> list[str]:
        """Return the names of the attributes of the file."""
        return [*(n for n in self._inner.ncattrs() if n not in self._attributes), *self._attributes]

    def getncattr(self, name: str) -> Any:
        """Return an attribute of the file."""
        return self._attributes[name] if name in self._attributes else self._inner.getncattr(name)


@dataclass(frozen=True)
class MappedStore:
    """Opens with ``store`` and lays ``mapping`` over what it holds."""

    store: CfStore
    mapping: Mapping

    @contextmanager
    def opened(self, path: Path, known: bool = False) -> Iterator[Any]:
        """Open a file whose variables are named and described as the mapping says."""
        with self.store.opened(path, known) as data:
            yield overlaid(path, data, self.mapping)

    def stored(self, variable: Any) -> Stored:
        """Return what finds the variable of the file below again."""
        return self.store.stored(variable.inner if isinstance(variable, NamedVariable) else variable)

    def frame(self, path: Path, stored: Stored, axes: Axes, time: int) -> npt.NDArray[Any]:
        """Read it from the file below: numbers as stored are those of no mapping."""
        return self.store.frame(path, stored, axes, time)


def overlaid(path: Path, data: Any, mapping: Mapping) -> NamedVariables:
    """Return the variables of an open file as a mapping describes them.

    Raises:
        FileError: a variable or dimension that the mapping names is not there.
        SettingsError: a unit that is none of rain or reflectivity.
    """
    variables: dict[str, Any] = dict(data.variables)
    name = mapping.variable
    if name is not None:
        main = _named(path, variables, name, "variable")
        variables[name] = NamedVariable(name, _main_attributes(mapping), main)
        _lay_time(path, variables, mapping, main)
        _lay_axes(path, variables, mapping, dict(zip(main.dimensions, main.shape, strict=True)))
    attributes = {k: v for k, v in (("institution", mapping.source), ("licence", mapping.licence)) if v}
    return NamedVariables(data, variables, attributes)


def stated_meaning(mapping: Mapping) -> StatedMeaning:
    """Return what a mapping says of the stored numbers."""
    quantity = stated_quantity(mapping)
    hours = None if quantity is None else period_hours_of(mapping, quantity)
    return StatedMeaning(stated_codes(mapping), hours)


def _named(path: Path, variables: MappingOf[str, Any], name: str, key: str) -> Any:
    if name not in variables:
        listed = ", ".join(sorted(variables))[:200] or "none"
        raise FileError(
            complain(f"{path}: {key}", f"'{name}'", f"one of the variables {listed}", "change the mapping")
        )
    return variables[name]


def _main_attributes(mapping: Mapping) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    quantity = stated_quantity(mapping)
    if quantity is not None:
        attributes.update(units=mapping.unit, standard_name=_STANDARD[quantity.kind], cell_methods="")
    if mapping.scale is not None:
        attributes["scale_factor"] = mapping.scale
    if mapping.offset is not None:
        attributes["add_offset"] = mapping.offset
    if mapping.grid.crs is not None:
        attributes["grid_mapping"] = _CRS
    return attributes


def _lay_time(path: Path, variables: dict[str, Any], mapping: Mapping, main: Any) -> None:
    """Describe the variable of the times, or make one of the file's name; no other is left."""
    time = mapping.time
    if time.variable is not None:
        stamp = _named(path, variables, time.variable, "time.variable")
        units = time.units or str(getattr(stamp, "units", ""))
        if " since " not in units.lower():
            raise FileError(
                complain(
                    f"{path}: units of {time.variable!r}",
                    f"'{units[:40]}'",
                    "'seconds since 1970-01-01' or the like",
                    "give time.units in the mapping",
                )
            )
        attributes = {"standard_name": "time", "long_name": "time", "units": units}
        attributes["calendar"] = time.calendar or str(getattr(stamp, "calendar", "standard"))
        moved = stamp[...] + _offset(units, time.offset_minutes) if time.offset_minutes else None
        made = NamedVariable(
            time.variable, attributes, stamp if moved is None else None, stamp.dimensions, moved
        )
    else:
        axis = _time_dimension(mapping, main)
        times = times_by(path, time, 1 if axis is None else main.shape[main.dimensions.index(axis)])
        if times is None:
            return
        seconds = times.astype("datetime64[s]").astype(np.int64)
        made = NamedVariable(
            axis or _TIME,
            {"units": "seconds since 1970-01-01", "standard_name": "time"},
            None,
            () if axis is None else (axis,),
            seconds[0] if axis is None else seconds,
        )
    bounds = str(getattr(made, "bounds", ""))
    for name in [n for n, v in variables.items() if " since " in str(getattr(v, "units", "")).lower()]:
        if name != bounds:
            del variables[name]
    _put(variables, made)


def _put(variables: dict[str, Any], made: NamedVariable) -> None:
    """Let a coordinate stand under the name of its dimension, where nothing else may."""
    variables.pop(made.name, None)
    variables[made.dimensions[0] if len(made.dimensions) == 1 else made.name] = made


def _time_dimension(mapping: Mapping, main: Any) -> str | None:
    """Return the first dimension that is neither row nor column nor chosen from; None where none is left."""
    placed = {mapping.rows, mapping.columns} & set(main.dimensions)
    fixed = (placed if len(placed) == 2 else set(main.dimensions[-2:])) | set(mapping.select)
    return next((d for d in main.dimensions if d not in fixed), None)


def _offset(units: str, minutes: float) -> float:
    return minutes * 60.0 / (factor_to(units.partition(" since ")[0], "s") or 1.0)


def _lay_axes(path: Path, variables: dict[str, Any], mapping: Mapping, sizes: MappingOf[str, int]) -> None:
    """Describe rows and columns, make their coordinates of the edges, and add the projection."""
    grid = mapping.grid
    geographic = False
    if grid.crs is not None:
        crs = crs_of_proj(grid.crs)
        geographic = bool(crs.is_geographic)
        variables[_CRS] = NamedVariable(_CRS, {"crs_wkt": crs.to_wkt()})
    in_degrees = geographic or (grid.crs is None and grid.unit == "degrees")
    for name, key, row in ((mapping.rows, "rows", True), (mapping.columns, "columns", False)):
        if name is None and grid.edges is None:
            continue
        attributes: dict[str, Any] = {}
        if grid.crs is not None or grid.unit is not None:
            standard = (
                ("latitude", "longitude")
                if in_degrees
                else ("projection_y_coordinate", "projection_x_coordinate")
            )
            attributes["standard_name"] = standard[0 if row else 1]
        if grid.unit is not None:
            attributes["units"] = grid.unit
        if grid.edges is not None:
            if name is None or name not in sizes:
                raise FileError(
                    complain(
                        f"{path}: {key}",
                        f"'{name}'",
                        f"one of the dimensions {', '.join(sizes)}",
                        "change the mapping",
                    )
                )
            attributes.setdefault("units", "degrees" if in_degrees else "m")
            values = centres(grid.edges, sizes[name], row, grid.first_row == "north")
            variables[name] = NamedVariable(name, attributes, None, (name,), values)
        else:
            made = NamedVariable(str(name), attributes, _named(path, variables, str(name), key))
            _put(variables, made)
