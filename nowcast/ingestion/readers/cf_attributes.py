"""Attributes of a CF variable as numbers, in the type of the data they speak of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import netCDF4
import numpy as np
import numpy.typing as npt

_MOST_VALUES = 1000
_UNPACKING = frozenset(
    {
        "_FillValue",
        "_Unsigned",
        "add_offset",
        "missing_value",
        "scale_factor",
        "valid_max",
        "valid_min",
        "valid_range",
    }
)
"""Attributes by which netCDF4 turns stored numbers into others, or masks some."""


def numbers(variable: Any, name: str) -> npt.NDArray[Any]:
    """Return an attribute as one row of numbers, none where it is not there.

    Raises:
        ValueError: it is no number; the message names it.
    """
    if name not in variable.ncattrs():
        return np.empty(0)
    value = variable.getncattr(name)
    found = np.atleast_1d(np.asarray(value))
    if found.dtype.kind in "iuf" and found.size <= _MOST_VALUES:
        return found
    try:
        return np.asarray([float(v) for v in found[:_MOST_VALUES]])
    except (ValueError, TypeError):
        raise ValueError(f"attribute {name} is {str(value)[:60]!r}, expected a number") from None


def unpacked(variable: Any) -> Any:
    """Return all numbers of a variable as netCDF4 unpacks and masks them.

    Why not always its own way: it takes three times as long for few numbers, and most coordinates are plain.
    """
    plain = isinstance(variable, netCDF4.Variable) and getattr(variable.dtype, "kind", "") in ("i", "u", "f")
    if not plain or _UNPACKING & set(variable.ncattrs()):
        return variable[...]
    variable.set_auto_maskandscale(False)
    try:
        stored = np.asarray(variable[...])
    finally:
        variable.set_auto_maskandscale(True)
    fill = netCDF4.default_fillvals.get(stored.dtype.str[1:])
    return variable[...] if fill is None or (stored == fill).any() else stored


def number(variable: Any, name: str, otherwise: float) -> float:
    """Return an attribute as one finite number, ``otherwise`` where it is not there.

    Raises:
        ValueError: it is no finite number.
    """
    found = numbers(variable, name)
    if not found.size:
        return otherwise
    if not np.isfinite(found[0]):
        raise ValueError(f"attribute {name} is {found[0]}, expected a finite number")
    return float(found[0])


def in_type(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return a value in the type of the stored numbers, None where it is none of them.

    A value of the signed twin of an unsigned type is taken bit by bit, as ``_Unsigned`` means it.
    """
    given = np.asarray(value)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return given.astype(dtype)[()]
    if not np.isfinite(given) or given != np.round(given):
        return None
    exact = int(given)
    if exact < 0 and given.dtype.kind == "i" and dtype.kind == "u" and given.itemsize == dtype.itemsize:
        exact += 1 << (8 * dtype.itemsize)
    bounds = np.iinfo(dtype)
    return dtype.type(exact) if bounds.min <= exact <= bounds.max else None


def all_in_type(values: Iterable[Any], dtype: np.dtype[Any]) -> list[Any]:
    """Return those of the values that the stored numbers can be."""
    return [own for value in values if (own := in_type(value, dtype)) is not None]
