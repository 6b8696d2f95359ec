"""What the numbers of a CF variable mean: which are not observed, which no echo, and the values of the rest.

Numbers are compared as they are stored, in the data's own type: a float64 -9999.9 never equals float32 data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import netCDF4
import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, complain
from nowcast.core.rain import ZRelation
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.readers.cf_attributes import all_in_type, in_type, number, numbers
from nowcast.ingestion.readers.lazy import Frame, looked_up
from nowcast.ingestion.readers.stated_codes import StatedCodes

LOWEST_DBZ = -50.0
"""No weather radar reports less: what is lower is a code that the file does not explain."""
_LOWEST_MM_H = -1e-3
_ABSENT_NAMES = frozenset(
    {
        "fillvalue",
        "missingvalue",
        "missing",
        "missingdata",
        "nodata",
        "nodatavalue",
        "codemissing",
        "codefillvalue",
        "invalid",
        "outsidecoverage",
    }
)
_DRY_NAMES = frozenset({"undetect", "noecho", "noechovalue", "belowthreshold", "nodetection"})
_DRY = re.compile(r"no_?echo|undetect|not?_?detect|below_(threshold|detection|noise)|^dry$|no_(rain|precip)")
_ABSENT = re.compile(
    r"no_?data|missing|coverage|not_observed|unobserved|invalid|out(side)?_of_range|no_radar|"
    r"range_fold|blocked|fill"
)
_DRY_COMMENT = re.compile(r"(-?\d+(?:\.\d+)?)\s*[:=]\s*(?:observed,?\s*)?no[ _]?echo", re.IGNORECASE)
Raw = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class AbsenceCodes:
    """How stored numbers become values, ``number * scale + offset``, and which stand for something else.

    ``absent`` and ``dry`` are stored numbers; ``absent_values`` are values, and so are ``lowest`` and
    ``highest`` where ``limits_are_values``: CF gives those of a wider type than the data unpacked.
    """

    dtype: np.dtype[Any]
    scale: float
    offset: float
    absent: tuple[Any, ...]
    absent_values: tuple[float, ...]
    dry: tuple[Any, ...]
    lowest: Any
    highest: Any
    limits_are_values: bool
    stated: StatedCodes | None = None
    """What a user says of the stored numbers: it holds before all else."""

    @classmethod
    def of(cls, variable: Any, by_user: StatedCodes | None = None) -> AbsenceCodes:
        """Read the attributes of a variable; what is stated ``by_user`` holds before them.

        Raises:
            ValueError: an attribute that should be a number and is none; the message names it.

        Source: CF conventions 1.10, sections 2.5 and 8.1; NetCDF Users Guide, appendix A, for valid ranges,
        ``_Unsigned`` and default fill values.
        """
        stored = variable.dtype.newbyteorder("=")
        unsigned = stored.kind == "i" and str(getattr(variable, "_Unsigned", "")).lower() == "true"
        dtype = np.dtype(f"u{stored.itemsize}") if unsigned else stored
        scale = number(variable, "scale_factor", 1.0)
        if scale == 0.0:
            raise ValueError("attribute scale_factor is 0, expected another number")
        stated = [v for n in variable.ncattrs() if _plain(n) in _ABSENT_NAMES for v in numbers(variable, n)]
        absent = all_in_type(stated, dtype) + _flagged(variable, dtype, _ABSENT)
        dry = _dry(variable, dtype)
        if "_FillValue" not in variable.ncattrs() and stored.itemsize > 1:
            default = all_in_type([stored.type(netCDF4.default_fillvals[stored.str[1:]])], dtype)
            absent += [code for code in default if code not in dry]  # what the file names goes before
        others = tuple(float(v) for v in stated if np.isfinite(v) and in_type(v, dtype) is None)
        return cls(
            dtype,
            scale,
            number(variable, "add_offset", 0.0),
            tuple(absent),
            others,
            dry,
            *_limits(variable, dtype),
            by_user,
        )

    @np.errstate(over="ignore", invalid="ignore")  # infinite values are refused with the field
    def decode(self, raw: Raw, factor: float, relation: ZRelation | None) -> Frame:
        """Return dBZ: stored numbers unpacked, times ``factor`` and, of rain, through ``relation``.

        Echoes below no echo count as no echo: the field cannot hold anything lower.

        Raises:
            FileError: values below what there can be, which no attribute explains.
        """
        raw = np.ascontiguousarray(raw, raw.dtype.newbyteorder("=")).view(self.dtype)
        every = 1 << 8 * self.dtype.itemsize
        if self.dtype.kind != "f" and every <= max(raw.size, 1 << 8):
            dbz = looked_up(_table(self, factor, relation), raw.view(f"u{self.dtype.itemsize}"))
        else:
            dbz = self.to_dbz(raw, factor, relation)
        if np.isinf(dbz).any():
            self._refuse_unexplained(raw, factor, relation)
        return dbz

    def to_dbz(self, raw: Raw, factor: float, relation: ZRelation | None) -> Frame:
        """Return dBZ as `decode` does, infinity where no attribute explains a value."""
        value, gone, dry = self._values(raw, factor)
        dbz = value.astype(np.float32) if relation is None else relation.to_dbz(value)
        dbz = np.maximum(dbz, np.float32(NO_ECHO_DBZ))
        dbz[value < _limit(relation)[0]] = np.inf
        dbz[dry] = NO_ECHO_DBZ
        dbz[gone] = np.nan
        return dbz

    def _values(self, raw: Raw, factor: float) -> tuple[npt.NDArray[np.float64], Mask, Mask]:
        """Return the values, where nothing was observed, and where there was no echo."""
        value = raw.astype(np.float64) * self.scale + self.offset
        dry = np.isin(raw, np.array(self.dry, raw.dtype))
        slack = abs(self.scale) * 1e-3 if self.limits_are_values else 0
        judged = value if self.limits_are_values else raw
        gone = ((judged < self.lowest - slack) | (judged > self.highest + slack)) & ~dry
        gone |= np.isin(raw, np.array(self.absent, raw.dtype))
        for absent in self.absent_values:
            gone |= np.isclose(value, absent, rtol=1e-6, atol=0.0)
        if self.stated is not None:
            stated_gone, stated_dry = self.stated.split(raw)
            gone = (gone & ~stated_dry) | stated_gone
            dry = (dry & ~stated_gone) | stated_dry
        value *= factor
        return value, gone, dry

    def _refuse_unexplained(self, raw: Raw, factor: float, relation: ZRelation | None) -> None:
        value, gone, dry = self._values(raw, factor)
        limit, unit = _limit(relation)
        low = value[(value < limit) & ~(gone | dry)]
        if low.size:
            raise FileError(
                complain(
                    "values",
                    f"{low.min():g} {unit}",
                    f"at least {limit:g} {unit}, or an attribute such as "
                    "_FillValue (not observed) or flag_values with flag_meanings (no_echo) that says what it "
                    "stands for",
                    "add the attribute to the file",
                )
            )


@lru_cache(maxsize=32)
def _table(codes: AbsenceCodes, factor: float, relation: ZRelation | None) -> Frame:
    """Return the dBZ of every number that is stored in one or two bytes; files of a series share it."""
    unsigned = np.arange(1 << 8 * codes.dtype.itemsize).astype(f"u{codes.dtype.itemsize}")
    return codes.to_dbz(unsigned.view(codes.dtype), factor, relation)


def _limit(relation: ZRelation | None) -> tuple[float, str]:
    """Return the lowest value that needs no explanation, and its unit."""
    return (LOWEST_DBZ, "dBZ") if relation is None else (_LOWEST_MM_H, "mm/h")


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _dry(variable: Any, dtype: np.dtype[Any]) -> tuple[Any, ...]:
    named = [v for n in variable.ncattrs() if _plain(n) in _DRY_NAMES for v in numbers(variable, n)]
    comment = _DRY_COMMENT.search(str(getattr(variable, "comment", ""))[:10_000])
    named += [float(comment.group(1))] if comment else []
    return tuple(all_in_type(named, dtype) + _flagged(variable, dtype, _DRY))


def _flagged(variable: Any, dtype: np.dtype[Any], meaning: re.Pattern[str]) -> list[Any]:
    meanings = str(getattr(variable, "flag_meanings", "")).lower().split()
    flags = numbers(variable, "flag_values")
    return all_in_type([f for f, m in zip(flags, meanings, strict=False) if meaning.search(m)], dtype)


def _limits(variable: Any, dtype: np.dtype[Any]) -> tuple[Any, Any, bool]:
    pair = numbers(variable, "valid_range")
    if len(pair) not in (0, 2):
        raise ValueError(f"attribute valid_range has {len(pair)} values, expected 2")
    stated = [numbers(variable, name)[:1] for name in ("valid_min", "valid_max")]
    limits = [s if s.size else pair[i : i + 1] for i, s in enumerate(stated)]
    are_values = dtype.kind != "f" and any(v.size and v.dtype.kind == "f" for v in limits)
    own = [v[0] if are_values and v.size else next(iter(all_in_type(v, dtype)), None) for v in limits]
    lowest, highest = -np.inf if own[0] is None else own[0], np.inf if own[1] is None else own[1]
    if lowest > highest:
        raise ValueError(
            f"attributes valid_range or valid_min and valid_max are {lowest} to {highest}, "
            "expected the lower first"
        )
    return lowest, highest, are_values
