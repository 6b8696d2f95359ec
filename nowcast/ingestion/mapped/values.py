"""Stored numbers to dBZ as a mapping says: scale and offset, unit, period, Z-R relation, kinds of absence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, SettingsError, complain
from nowcast.core.rain import ZRelation, z_r
from nowcast.ingestion.mapped.settings import CodeSettings, Mapping
from nowcast.ingestion.readers.cf_missing import AbsenceCodes
from nowcast.ingestion.readers.cf_quantity import AMOUNT, DBZ, Quantity, quantity_of_unit
from nowcast.ingestion.readers.lazy import Frame
from nowcast.ingestion.readers.stated_codes import StatedCodes, StatedNumbers


def stated_quantity(mapping: Mapping) -> Quantity | None:
    """Return what the unit of a mapping stands for, None where it names none.

    Raises:
        SettingsError: neither reflectivity nor rain.
    """
    if mapping.unit is None:
        return None
    found = quantity_of_unit(mapping.unit)
    if found is None:
        raise SettingsError(
            complain(
                "unit",
                f"'{mapping.unit[:40]}'",
                "dBZ or a unit of rain such as mm/h, mm or kg m-2",
                "give the unit of the values",
            )
        )
    return found


def stated_codes(mapping: Mapping) -> StatedCodes:
    """Return which stored numbers a mapping calls not observed and no echo."""
    return StatedCodes(_numbers(mapping.not_observed), _numbers(mapping.no_echo))


def _numbers(codes: CodeSettings) -> StatedNumbers:
    return StatedNumbers(codes.values, codes.ranges, codes.below, codes.above)


@dataclass(frozen=True)
class ValueDecoder:
    """Turns an array of stored numbers into dBZ."""

    path: Path
    codes: AbsenceCodes
    factor: float
    relation: ZRelation | None
    attrs: dict[str, str] = field(default_factory=dict)
    """What the field says of its values: quantity, Z-R relation, hours of an accumulation."""

    def __call__(self, raw: npt.NDArray[Any]) -> Frame:
        """Return dBZ: NaN is not observed, ``NO_ECHO_DBZ`` no echo.

        Raises:
            FileError: values below what there can be, which the mapping does not explain.
        """
        try:
            return self.codes.decode(raw, self.factor, self.relation)
        except FileError as error:
            raise FileError(
                f"{self.path}: {error}".replace(
                    "an attribute such as _FillValue (not observed) or "
                    "flag_values with flag_meanings (no_echo) that says",
                    "not_observed or no_echo of the mapping that say",
                ).replace("add the attribute to the file", "add them to the mapping")
            ) from error


def value_decoder(
    path: Path,
    mapping: Mapping,
    dtype: np.dtype[Any],
    scale: float = 1.0,
    offset: float = 0.0,
    not_observed: tuple[float, ...] = (),
) -> ValueDecoder:
    """Return what decodes the numbers of a file that has no CF attributes.

    Args:
        path: for messages.
        mapping: what is said of the file.
        dtype: of the stored numbers.
        scale: of the file, where the mapping has none.
        offset: of the file, where the mapping has none.
        not_observed: stored numbers that the file itself calls so.

    Raises:
        SettingsError: the mapping names no unit, or an amount without a period.
        FileError: what is stored are no numbers.
    """
    quantity = stated_quantity(mapping)
    if quantity is None:
        raise SettingsError(
            complain(
                "unit", "nothing", f"that of the values of {path.name}, such as dBZ", "add it to the mapping"
            )
        )
    if dtype.kind not in "iuf":
        raise FileError(f"{path}: holds values of type {dtype}, expected numbers; choose another variable")
    dtype = dtype.newbyteorder("=")
    codes = AbsenceCodes(
        dtype,
        mapping.scale if mapping.scale is not None else scale,
        mapping.offset if mapping.offset is not None else offset,
        tuple(v for v in not_observed if np.isfinite(v)),
        (),
        (),
        -np.inf,
        np.inf,
        False,
        stated_codes(mapping),
    )
    attrs = {"quantity": mapping.variable or mapping.unit or ""}
    factor = quantity.factor
    if quantity.kind == DBZ:
        return ValueDecoder(path, codes, factor, None, attrs)
    relation = z_r(mapping.z_r)
    attrs["z_r_relation"] = str(relation)
    hours = period_hours_of(mapping, quantity)
    if hours is not None:
        factor /= hours if quantity.kind == AMOUNT else 1.0
        attrs["accumulation_hours"] = f"{hours:g}"
    return ValueDecoder(path, codes, factor, relation, attrs)


def period_hours_of(mapping: Mapping, quantity: Quantity) -> float | None:
    """Return over how many hours rain is summed or averaged; None for what is of one moment.

    Raises:
        SettingsError: an amount without a period.
    """
    if quantity.kind == DBZ:
        return None
    if mapping.period_minutes is not None:
        return mapping.period_minutes / 60.0
    if quantity.kind == AMOUNT:
        raise SettingsError(
            complain(
                "period_minutes",
                "nothing",
                f"over how long '{mapping.unit}' is summed",
                "add it to the mapping",
            )
        )
    return None
