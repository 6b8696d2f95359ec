"""Vertically integrated liquid as SEVIR stores it (bytes of NEXRAD's digital product), to dBZ."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.readers.lazy import Frame

_MISSING, _LAST_ZERO, _LAST_LINEAR = 255, 5, 18
_KG_M3 = 3.44e-6
"""Liquid water of one unit of Z^(4/7), kg m-3 of mm^6 m^-3."""


def vil_table() -> npt.NDArray[np.float64]:
    """Return the liquid in kg m-2 of each of the 256 codes, NaN of the missing one.

    Source: NEXRAD interface control document 2620001, digital vertically integrated liquid (product 134):
    linear, (X - 2) / 90.66 up to code 18, exp((X - 83.9) / 38.9) above; SEVIR takes codes up to 5 as none.
    """
    codes = np.arange(256, dtype=np.float64)
    vil = np.where(codes <= _LAST_LINEAR, (codes - 2.0) / 90.66, np.exp((codes - 83.9) / 38.9))
    vil[: _LAST_ZERO + 1] = 0.0
    vil[_MISSING] = np.nan
    return vil


def vil_to_dbz(column_depth_km: float) -> Frame:
    """Return the dBZ of each of the 256 codes: that of a column of equal reflectivity and this depth.

    Why a depth must be stated: one number for a whole column says nothing of how the liquid is spread in it;
    half the depth is 5.3 dB more.

    Source: Greene and Clark 1972, Mon. Wea. Rev. 100, 548-552: 3.44e-6 Z^(4/7) kg m-3 of liquid.
    """
    per_m3 = vil_table() / (_KG_M3 * column_depth_km * 1000.0)
    with np.errstate(divide="ignore"):
        dbz = 10.0 * 7.0 / 4.0 * np.log10(per_m3)
    return np.maximum(dbz, NO_ECHO_DBZ).astype(np.float32)
