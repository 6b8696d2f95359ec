"""Reflectivity and rain rate: dBZ <-> mm/h through Z-R relations that are named with their source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError, complain
from nowcast.core.scaling import NO_ECHO_DBZ


@dataclass(frozen=True)
class ZRelation:
    """Z = a R^b with Z in mm^6 m^-3 and R in mm/h.

    Why a class: the same rain rate is several dBZ apart between two relations, so a field made from
    rain says which one was used (attribute ``z_r_relation``).
    """

    name: str
    a: float
    b: float
    source: str

    def to_dbz(self, rate_mm_h: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Turn rain rate into dBZ; zero rain and all below the floor become no echo, NaN stays NaN."""
        rate = np.asarray(rate_mm_h, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            dbz = 10.0 * (np.log10(self.a) + self.b * np.log10(np.where(rate < 0.0, 0.0, rate)))
        return np.asarray(np.maximum(dbz, NO_ECHO_DBZ), dtype=np.float32)

    def to_rate(self, dbz: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Turn dBZ into rain rate in mm/h; no echo is 0, NaN stays NaN."""
        values = np.asarray(dbz, dtype=np.float64)
        rate = (10.0 ** (values / 10.0) / self.a) ** (1.0 / self.b)
        return np.where(values <= NO_ECHO_DBZ, 0.0, rate).astype(np.float32)

    def same(self, other: ZRelation) -> bool:
        """Whether both turn every rain rate into the same dBZ, whatever they are called."""
        return (self.a, self.b) == (other.a, other.b)

    def __str__(self) -> str:
        return f"{self.name}: Z = {self.a:g} R^{self.b:g} ({self.source})"


_ALL = (
    ZRelation("marshall_palmer", 200.0, 1.6, "Marshall, Hitschfeld and Gunn 1955, Adv. Geophys. 2"),
    ZRelation("meteoswiss", 316.0, 1.5, "Germann et al. 2006, Q. J. R. Meteorol. Soc. 132"),
    ZRelation("wsr88d", 300.0, 1.4, "Fulton et al. 1998, Wea. Forecasting 13"),
    ZRelation("radolan", 256.0, 1.42, "Aniol, Riedl and Dieringer 1980; standard of DWD RADOLAN"),
    ZRelation("fmi", 223.0, 1.53, "Leinonen et al. 2012, J. Appl. Meteor. Climatol. 51"),
)
Z_R: Mapping[str, ZRelation] = {relation.name: relation for relation in _ALL}


_BY_NUMBERS = re.compile(r"a=([0-9.eE+-]+),b=([0-9.eE+-]+)")
_WRITTEN = re.compile(r"(.+): Z = (\S+) R\^(\S+) \((.*)\)")
_A, _B = (1.0, 10_000.0), (0.5, 4.0)
"""Beyond these no relation of any rain or snow was ever found: a number that is out is a slip."""


def z_r(name: str) -> ZRelation:
    """Return the Z-R relation called ``name``, or the one that ``a=200,b=1.6`` states.

    Raises:
        SettingsError: no such relation, or numbers that are none; the message lists those that are known.
    """
    if name in Z_R:
        return Z_R[name]
    found = _BY_NUMBERS.fullmatch(name.replace(" ", ""))
    if not found:
        raise SettingsError(
            f"z_r: got '{name}', expected one of {', '.join(Z_R)}, or numbers such as a=200,b=1.6"
        )
    try:
        a, b = float(found[1]), float(found[2])
    except ValueError:
        a = b = float("nan")
    if not (_A[0] <= a <= _A[1] and _B[0] <= b <= _B[1]):
        raise SettingsError(
            complain(
                "z_r",
                f"'{name}'",
                f"a of {_A[0]:g} to {_A[1]:g} and b of {_B[0]:g} to {_B[1]:g}",
                "give numbers such as a=200,b=1.6",
            )
        )
    return ZRelation(f"a={a:g},b={b:g}", a, b, "by choice")


def z_r_of_text(text: str) -> ZRelation | None:
    """Return the relation that an attribute ``z_r_relation`` names, None where it names none."""
    found = _WRITTEN.fullmatch(text)
    try:
        return ZRelation(found[1], float(found[2]), float(found[3]), found[4]) if found else None
    except ValueError:
        return None
