"""CF netCDF: reflectivity in dBZ or rain on a regular lat/lon, rotated or projected grid, time by time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import FileError
from nowcast.core.rain import ZRelation, z_r
from nowcast.core.times import Times
from nowcast.ingestion.readers import netcdf_size
from nowcast.ingestion.readers.base import FormatDescription
from nowcast.ingestion.readers.cf_axes import Axes, axes_of
from nowcast.ingestion.readers.cf_grid import grid_of
from nowcast.ingestion.readers.cf_kind import refuse_forecast, refuse_other_kinds
from nowcast.ingestion.readers.cf_missing import AbsenceCodes
from nowcast.ingestion.readers.cf_quantity import AMOUNT, DBZ, Quantity, find_variable
from nowcast.ingestion.readers.cf_store import CfStore, NetcdfStore, Stored
from nowcast.ingestion.readers.cf_time import in_order, period_hours, times_of
from nowcast.ingestion.readers.hdf5 import is_hdf5
from nowcast.ingestion.readers.lazy import Frame, lazy_field
from nowcast.ingestion.readers.stated_codes import StatedMeaning

_OVER_TIME = re.compile(r"(?:^|\s)time:\s*(\w+)")
_LONGEST_TEXT = 1000
_NOTHING_STATED = StatedMeaning()


@dataclass(frozen=True)
class CfNetcdf:
    """Reads one variable of CF netCDF-3 and -4 files: reflectivity, rain rate or rain amount.

    Not observed is what the file names so: ``_FillValue``, ``missing_value`` and their kin, flags, what lies
    outside the valid range, and the default fill value of the library. No echo is the code that the file
    names so: a flag ``no_echo``, or a comment such as "0: observed, no echo"; a file that names none has none,
    and its zeros are 0 dBZ. Values lower than any radar gives are refused unless explained. Amounts
    become rates by their period.

    ``variable`` chooses where several would do, None takes the one there is. Where no array lies outside the
    groups of a file, the one group that holds reflectivity or rain is read.

    Source: CF Conventions 1.10, sections 2.5, 3, 4, 5.6, 7 and 8.1.
    """

    description: ClassVar = FormatDescription("CF netCDF-3 and -4", "reflectivity; rain rates and amounts")
    z_r_name: str = "marshall_palmer"
    name: str = "cf_netcdf"
    variable: str | None = None

    def sniff(self, path: Path) -> bool:
        """Return whether this is netCDF-3, or HDF5 written by netCDF-4 or by the rules of CF."""
        try:
            with path.open("rb") as handle:
                if netcdf_size.is_netcdf3(handle.read(4)):
                    return True
        except OSError:
            return False
        return is_hdf5(path, _is_netcdf4)

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a lazy field; see `nowcast.ingestion.readers.base.Reader`."""
        return open_cf(path, NetcdfStore(group=None), z_r(self.z_r_name), self.variable)


def open_cf(
    path: Path,
    store: CfStore,
    relation: ZRelation,
    name: str | None,
    select: Mapping[str, int] | None = None,
    stated: StatedMeaning = _NOTHING_STATED,
) -> xr.DataArray:
    """Open one variable of a store as a lazy field.

    Args:
        path: the file.
        store: what opens it.
        relation: between rain rate and dBZ.
        name: of the variable; None takes the one of reflectivity or rain there is.
        select: dimension -> index where it is neither time nor row nor column.
        stated: what holds before what the file says.

    Raises:
        FileError: not what it says it is, or none or several variables that would do.
        GridError: rows and columns that are not regular, or no projection.
    """
    with store.opened(path) as data:
        refuse_other_kinds(path, data)
        variable, quantity = find_variable(path, data.variables, name)
        refuse_forecast(path, variable)
        axes = axes_of(path, data.variables, variable, select)
        times, stamp = times_of(path, data.variables, variable, axes.time)
        order = in_order(path, times)
        grid, flips = grid_of(path, data.variables, variable, axes)
        attrs = _texts(data)
        hours = _period(path, data, variable, (stamp, times), quantity, stated.hours)
        factor = quantity.factor / (hours if quantity.kind == AMOUNT and hours else 1.0)
        codes = _codes(path, variable, stated)
        read = partial(
            _read,
            path,
            store,
            store.stored(variable),
            axes,
            order,
            flips,
            codes,
            factor,
            None if quantity.kind == DBZ else relation,
        )
        attrs["quantity"] = variable.name
    if quantity.kind != DBZ:
        attrs["z_r_relation"] = str(relation)
        attrs.update({"accumulation_hours": f"{hours:g}"} if hours else {})
    return lazy_field(read, times[order], grid, attrs)


def _is_netcdf4(file: Any) -> bool:
    conventions = file.attrs.get("Conventions", b"")
    text = conventions.decode("utf-8", "replace") if isinstance(conventions, bytes) else str(conventions)
    return "_NCProperties" in file.attrs or "_nc3_strict" in file.attrs or text.strip().upper().startswith("CF")


def _texts(data: Any) -> dict[str, Any]:
    attrs: dict[str, Any] = {}
    for ours, names in (("source", ("institution", "source", "title")), ("licence", ("licence", "license"))):
        found = [str(data.getncattr(n)) for n in names if n in data.ncattrs()]
        plain = "".join(c if c.isprintable() else " " for c in found[0][:_LONGEST_TEXT]) if found else ""
        attrs.update({ours: plain} if plain else {})
    return attrs


def _codes(path: Path, variable: Any, stated: StatedMeaning) -> AbsenceCodes:
    try:
        return AbsenceCodes.of(variable, stated.codes)
    except ValueError as error:
        raise FileError(f"{path}: {variable.name!r}: {error}; mend the file") from error


def _period(
    path: Path,
    data: Any,
    variable: Any,
    of_times: tuple[Any, Times],
    quantity: Quantity,
    stated_hours: float | None,
) -> float | None:
    """Return over how many hours rain is summed or averaged, None for what is of one moment."""
    if stated_hours is not None and quantity.kind != DBZ:
        return stated_hours
    method = _OVER_TIME.search(str(getattr(variable, "cell_methods", "")))
    over = method.group(1).lower() if method else "sum" if quantity.kind == AMOUNT else "point"
    allowed = {AMOUNT: ("sum",), DBZ: ("point", "mean")}.get(quantity.kind, ("point", "mean"))
    if over not in allowed:
        raise FileError(
            f"{path}: {variable.name!r} is the {over} over time (cell_methods), expected "
            f"{' or '.join(allowed)} for its unit {getattr(variable, 'units', '')!r}"
        )
    if over == "point" or quantity.kind == DBZ:
        return None
    hours = period_hours(path, data.variables, variable, *of_times, (variable, data))
    if hours is None and quantity.kind == AMOUNT:
        raise FileError(
            f"{path}: {variable.name!r} in {variable.units!r} is an amount of rain over an "
            "unknown time, "
            "expected bounds of the time or an attribute accumulation_period such as 'PT5M'"
        )
    return hours


def _read(
    path: Path,
    store: CfStore,
    stored: Stored,
    axes: Axes,
    order: npt.NDArray[np.intp],
    flips: tuple[bool, bool],
    codes: AbsenceCodes,
    factor: float,
    relation: ZRelation | None,
    index: int,
) -> Frame:
    raw = store.frame(path, stored, axes, int(order[index]))
    try:
        dbz = codes.decode(raw, factor, relation)
    except FileError as error:
        raise FileError(f"{path}: {stored.name!r}: {error}") from error
    return np.ascontiguousarray(dbz[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1])
