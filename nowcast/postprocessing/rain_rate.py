"""From reflectivity to rain rate for the products of a forecast, through a Z-R relation that is named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError, complain
from nowcast.core.rain import Z_R, ZRelation, z_r, z_r_of_text
from nowcast.core.scaling import NO_ECHO_DBZ

Array = npt.NDArray[np.float32]
ATTRIBUTE = "z_r_relation"


def relation_for(attrs: Mapping[Any, Any], chosen: str | None, what: str) -> ZRelation:
    """The Z-R relation of a forecast or an archive by its attributes: its own, else the chosen one.

    Raises:
        SettingsError: the archive names none and none is chosen, or another than the archive's is.
    """
    text = str(attrs.get(ATTRIBUTE, ""))
    own = z_r_of_text(text)
    if chosen is None and own is None:
        raise SettingsError(
            complain(
                what,
                f"Z-R relation '{text}'" if text else "an archive without a Z-R relation",
                "one, as it is in mm",
                f"give --z-r NAME: {', '.join(Z_R)}",
            )
        )
    if chosen is None:
        assert own is not None
        return own
    relation = z_r(chosen)
    if own is not None and not relation.same(own):
        raise SettingsError(
            complain(f"{what}: Z-R relation (--z-r)", chosen, f"that of the archive ({own})", "leave it out")
        )
    return relation


def rate_mm_h(dbz: npt.NDArray[np.floating], relation: ZRelation, highest_mm_h: float = math.inf) -> Array:
    """Turn dBZ into rain rate as `ZRelation.to_rate` does, in single precision and a tenth of the time.

    Args:
        dbz: any shape; no echo is 0, NaN stays NaN.
        relation: which.
        highest_mm_h: what is above counts as this; hail would be hundreds of mm/h.
    """
    scale = math.log(10.0) / (10.0 * relation.b)
    rate: Array = np.multiply(dbz, np.float32(scale), dtype=np.float32)
    rate -= np.float32(math.log(relation.a) / relation.b)
    np.exp(rate, out=rate)
    np.minimum(rate, np.float32(highest_mm_h), out=rate)
    rate[dbz <= NO_ECHO_DBZ] = 0.0
    return rate
