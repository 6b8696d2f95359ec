"""Which variable of a CF netCDF file is radar reflectivity or rain, and in what unit.

The standard name decides, then the words of the names; the unit must agree. Units are read by UDUNITS, the
library that CF refers to (package ``cf-units``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nowcast.core.errors import FileError

DBZ, RATE, AMOUNT = "dbz", "rate", "amount"
_TARGETS = {DBZ: ("dBZ",), RATE: ("mm h-1", "kg m-2 h-1"), AMOUNT: ("mm", "kg m-2")}
_STANDARD = {
    "equivalent_reflectivity_factor": DBZ,
    **dict.fromkeys(
        (
            "precipitation_flux",
            "rainfall_flux",
            "rainfall_rate",
            "lwe_precipitation_rate",
            "lwe_rainfall_rate",
            "precipitation_rate",
        ),
        RATE,
    ),
    **dict.fromkeys(
        (
            "precipitation_amount",
            "rainfall_amount",
            "lwe_thickness_of_precipitation_amount",
            "lwe_thickness_of_rainfall_amount",
            "thickness_of_rainfall_amount",
        ),
        AMOUNT,
    ),
}
_SAYS_REFLECTIVITY = re.compile(r"reflect|db_?z|(?<![a-z])(z|zh|th|vmi|cappi|cmax|maxz)(?![a-z])")
_SAYS_RAIN = re.compile(r"rain|precip|(?<![a-z])(rr|prcp|pcp|ppt|qpe|qpf|tp|prate|tprate|acrr)(?![a-z])")
_SAYS_OTHERWISE = re.compile(
    r"evap|runoff|velocit|tendency|deposit|differential|zdr|error|uncertain|deviation|variance|probab|"
    r"percentile|anomal|climatolog|texture|threshold|(quality|status)[ _-]?(index|flag|code)|clutter[ _-]?map"
)
_NOT_AT_THE_GROUND = re.compile(
    r"speed|precipitable|diameter|drop[ _-]?size|vertical(ly)?[ _-]integrat|column|mass[ _-]content|"
    r"(rain|liquid)[ _-]?water"
)
"""What speaks of rain in the air, in units of rain at the ground: its fall speed, size or content."""
_LOGARITHM = re.compile(r"10\s*[*.]?\s*(log10|log|lg)\b")
_LONGEST_UNIT = 100


@dataclass(frozen=True)
class Quantity:
    """Reflectivity (`DBZ`), rain rate (`RATE`) or amount (`AMOUNT`); ``factor`` leads to dBZ, mm/h or mm."""

    kind: str
    factor: float


def stated_units(variable: Any) -> str:
    """Return the unit of a variable, its blanks made single."""
    return " ".join(str(getattr(variable, "units", "")).split())[:_LONGEST_UNIT]


@lru_cache(maxsize=256)
def factor_to(units: str, target: str) -> float | None:
    """Return by what a value in ``units`` is multiplied to be in ``target``; None where nothing does."""
    import cf_units

    try:
        unit = cf_units.Unit(units)
        if not unit.is_convertible(target) or unit.is_time_reference():
            return None
        zero, one, ten = (float(unit.convert(v, cf_units.Unit(target))) for v in (0.0, 1.0, 10.0))
    except (ValueError, OverflowError):
        return None
    linear = abs(zero) <= 1e-9 * ten and one > 0.0 and abs(ten - 10.0 * one) <= 1e-9 * ten
    return round(one, 15) if linear else None


def quantity_of(variable: Any, chosen: bool = False) -> Quantity | None:
    """Return what a variable holds, None where it is neither reflectivity nor rain.

    Args:
        variable: with attributes ``standard_name``, ``long_name``, ``units`` where the file has them.
        chosen: the user named it: its unit is enough where nothing speaks against it.
    """
    if getattr(variable.dtype, "kind", "O") not in "iuf":
        return None
    standard = str(getattr(variable, "standard_name", "")).strip().lower()
    said = " ".join((standard, str(getattr(variable, "long_name", "")), str(variable.name))).lower()
    units = stated_units(variable)
    kinds = [_STANDARD[standard]] if standard in _STANDARD else _kinds(standard, said, units, chosen)
    for kind in kinds:
        factor = _factor(units, kind)
        if factor is not None:
            return Quantity(kind, factor)
    return None


def quantity_of_unit(units: str) -> Quantity | None:
    """Return what a unit alone stands for: dBZ, a rain rate or an amount; None where it is none of them."""
    factors = ((kind, _factor(" ".join(units.split()), kind)) for kind in (DBZ, RATE, AMOUNT))
    return next((Quantity(kind, factor) for kind, factor in factors if factor is not None), None)


def _kinds(standard: str, said: str, units: str, chosen: bool) -> list[str]:
    if _SAYS_OTHERWISE.search(said):
        return []
    named = standard or said
    if chosen and not standard:
        return [DBZ, RATE, AMOUNT]
    if _SAYS_REFLECTIVITY.search(named) or (not standard and units.lower() == "dbz"):
        return [DBZ]
    return [RATE, AMOUNT] if _SAYS_RAIN.search(named) and not _NOT_AT_THE_GROUND.search(said) else []


def _factor(units: str, kind: str) -> float | None:
    if kind == DBZ:
        plain = units.lower().replace(" ", "")
        if plain in ("dbz", "db", "db(z)", "decibel", "decibels") or _LOGARITHM.match(units.lower()):
            return 1.0
    factors = (factor_to(units, target) for target in _TARGETS[kind])
    return next((f for f in factors if f is not None), None)


def find_variable(path: Path, variables: Mapping[str, Any], name: str | None) -> tuple[Any, Quantity]:
    """Return the one variable to read and what it holds; reflectivity before rates before amounts.

    Raises:
        FileError: none, several of one kind, or ``name`` is not among them; what was found is named.
    """
    if name is not None:
        if name not in variables:
            raise FileError(
                f"{path}: has no variable {name!r}, expected one of {_listed(variables)}; "
                "give another with --variable"
            )
        quantity = quantity_of(variables[name], chosen=True)
        if quantity is None:
            raise FileError(
                f"{path}: variable {_described(variables[name])} is neither reflectivity nor "
                "rain; give another with --variable"
            )
        return variables[name], quantity
    found = [(v, q) for v in variables.values() if v.ndim >= 2 and (q := quantity_of(v)) is not None]
    best = next((of for kind in (DBZ, RATE, AMOUNT) if (of := [f for f in found if f[1].kind == kind])), [])
    exact = [f for f in best if str(getattr(f[0], "standard_name", "")).strip() in _STANDARD] or best
    if len(exact) == 1:
        return exact[0]
    if exact:
        names = ", ".join(_described(v) for v, _ in exact)
        raise FileError(
            f"{path}: got {names}, expected exactly one variable of reflectivity or rain; "
            f"choose with --variable {exact[0][0].name!r}"
        )
    raise FileError(
        f"{path}: holds {_listed(variables)}, expected exactly one variable of reflectivity in "
        "dBZ or of rain in a unit such as mm h-1 that its standard_name or long_name calls so"
    )


def _listed(variables: Mapping[str, Any]) -> str:
    grids = [v for v in variables.values() if v.ndim >= 2]
    listed = ", ".join(_described(v) for v in grids[:6])
    return (listed + (", ..." if len(grids) > 6 else "")) or "no variable with rows and columns"


def _described(variable: Any) -> str:
    units, standard = stated_units(variable), str(getattr(variable, "standard_name", ""))[:80]
    meant = f" ({standard!r})" if standard and standard not in _STANDARD else ""
    return f"{variable.name!r} in {units!r}{meant}" if units else f"{variable.name!r} without units{meant}"
