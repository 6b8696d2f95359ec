"""The colours of every quantity that the map shows, by the names of the palettes."""

from __future__ import annotations

from typing import Any

from nowcast.core.rain import ZRelation
from nowcast.report.palettes import DEFAULT_Z_R as ASSUMED
from nowcast.report.palettes import NAMES, ColourScale, palette_of

_SHARES = palette_of("probability").colours
_OWN = {
    "minutes": ColourScale(
        "safe", "minutes", "min", (0.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0), _SHARES[:1:-1][:7]
    ),
    "spread": ColourScale("safe", "spread", "dB", (1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0), _SHARES[1:9]),
}
"""Begin of rain, the sooner the darker; spread of members, the wider the darker."""


def scales(relation: ZRelation) -> dict[str, dict[str, Any]]:
    """Return every palette by quantity and name as plain data, with the other unit by a Z-R relation."""
    found = {
        quantity: {name: palette_of(quantity, name).as_data(relation) for name in NAMES}
        for quantity in ("reflectivity", "rain_rate", "rain_sum", "probability")
    }
    return found | {key: {palette.name: palette.as_data(relation)} for key, palette in _OWN.items()}


__all__ = ["ASSUMED", "scales"]
