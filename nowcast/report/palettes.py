"""Every palette of pictures, in one place: classes of dBZ, mm/h, mm and probability, and their legends.

Reflectivity and rain have two palettes. ``safe``, the default, falls in lightness from class to class, so that
stronger is always darker: for colour-blind eyes, in gray and on paper, too. ``radar`` is what weather services
have shown for decades; its lightness rises and falls, and red-green blind eyes cannot tell some of its classes.
`palette_of` returns one; `ColourScale.rgba` colours an array, `ColourScale.as_data` is what a script needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError, complain
from nowcast.core.rain import Z_R, ZRelation
from nowcast.report.palette_colours import EVEN_12, EVEN_14, PROBABILITY, RADAR

NOT_OBSERVED = "#80868f"
NOT_OBSERVED_ALPHA = 115
"""Of 255: a map shows through where nothing was observed."""
BELOW_INDEX = 0
NOT_OBSERVED_INDEX = 1
FIRST_INDEX = 2
"""Indices of colours: below the first class (transparent), not observed (gray), then the classes."""
DEFAULT_Z_R = Z_R["marshall_palmer"]
"""Turns dBZ into mm/h on legends where an archive names no relation of its own."""


class Tick(NamedTuple):
    """The lower end of a class as a legend shows it."""

    value: float
    text: str
    other: str
    """The same in the other unit: mm/h of a dBZ, dBZ of a rain rate; empty where there is none."""


@dataclass(frozen=True)
class ColourScale:
    """Colours of classes of one quantity; the first begins at ``bounds[0]``, the last has no upper end."""

    name: str
    quantity: str
    unit: str
    bounds: tuple[float, ...]
    """Lower end of each class, rising."""
    colours: tuple[str, ...]
    """``#rrggbb`` of each class."""

    def indices(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
        """Index of the colour of each pixel in `table`: at a bound the colour of its own class begins."""
        bounds = np.asarray(self.bounds, np.float32 if values.dtype == np.float32 else np.float64)
        level = np.searchsorted(bounds, np.nan_to_num(values, nan=-np.inf), side="right")
        found = np.where(level == 0, BELOW_INDEX, level + FIRST_INDEX - 1)
        return np.where(np.isnan(values), NOT_OBSERVED_INDEX, found).astype(np.uint8)

    def rgb(self) -> npt.NDArray[np.uint8]:
        """Red, green and blue of each class (classes, 3)."""
        return np.array([rgb(colour) for colour in self.colours], np.uint8)

    def table(self) -> npt.NDArray[np.uint8]:
        """Red, green, blue and alpha by index (classes + 2, 4): clear, not observed, then the classes."""
        clear, absent = (255, 255, 255, 0), (*rgb(NOT_OBSERVED), NOT_OBSERVED_ALPHA)
        classes = [(*rgb(colour), 255) for colour in self.colours]
        return np.array([clear, absent, *classes], np.uint8)

    def rgba(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
        """Colour of each pixel (..., 4): gray where not observed (NaN), clear under the first class."""
        return self.table()[self.indices(values)]

    def ticks(self, z_r: ZRelation = DEFAULT_Z_R) -> tuple[Tick, ...]:
        """One for each class, with the other unit by a Z-R relation."""
        return tuple(Tick(bound, self._text(bound), self._other(bound, z_r)) for bound in self.bounds)

    def as_data(self, z_r: ZRelation = DEFAULT_Z_R) -> dict[str, Any]:
        """Everything as plain data that JSON holds: for the script of a page, or a table of another program."""
        return {
            "name": self.name,
            "quantity": self.quantity,
            "unit": self.unit,
            "bounds": list(self.bounds),
            "colours": list(self.colours),
            "relation": z_r.name.replace("_", "-"),
            "ticks": [tick._asdict() for tick in self.ticks(z_r)],
            "not_observed": f"{NOT_OBSERVED}{NOT_OBSERVED_ALPHA:02x}",
        }

    def _text(self, bound: float) -> str:
        return f"{100 * bound:.0f} %" if self.unit == "1" else f"{bound:g}"

    def _other(self, bound: float, z_r: ZRelation) -> str:
        if self.quantity == "reflectivity":
            rate = float(z_r.to_rate(bound))
            return f"{float(f'{rate:.2g}'):g}" if rate <= _MOST_RAIN else ""
        return f"{float(z_r.to_dbz(bound)):.0f}" if self.quantity == "rain_rate" else ""


def rgb(colour: str) -> tuple[int, int, int]:
    """Read ``#rrggbb``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


_MOST_RAIN = 150.0
"""No dBZ is told as more mm/h than this: what echoes so strongly is hail."""
_DBZ = tuple(5.0 + 5.0 * i for i in range(14))
_MM_H = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0)
_MM = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0, 75.0, 100.0)
_SHARES = (0.05, *(k / 10 for k in range(1, 10)))
SAFE, CLASSIC = "safe", "radar"
NAMES = (SAFE, CLASSIC)
"""What ``--palette`` takes; the first is the default."""
_ALL = (
    ColourScale(SAFE, "reflectivity", "dBZ", _DBZ, EVEN_14),
    ColourScale(CLASSIC, "reflectivity", "dBZ", _DBZ, RADAR),
    ColourScale(SAFE, "rain_rate", "mm/h", _MM_H, EVEN_12),
    ColourScale(CLASSIC, "rain_rate", "mm/h", _MM_H, RADAR[:12]),
    ColourScale(SAFE, "rain_sum", "mm", _MM, EVEN_12),
    ColourScale(CLASSIC, "rain_sum", "mm", _MM, RADAR[:12]),
    *(ColourScale(name, "probability", "1", _SHARES, PROBABILITY) for name in NAMES),
)
PALETTES: Mapping[tuple[str, str], ColourScale] = {(p.quantity, p.name): p for p in _ALL}
"""By quantity and name. Probabilities have one palette under both names, unlike those of rain in hue."""


def palette_of(quantity: str = "reflectivity", name: str = SAFE) -> ColourScale:
    """The palette of a quantity (``reflectivity``, ``rain_rate``, ``rain_sum``, ``probability``).

    Raises:
        SettingsError: no palette of this name.
    """
    if name not in NAMES:
        raise SettingsError(complain("palette", f"'{name}'", f"one of {', '.join(NAMES)}", "correct --palette"))
    return PALETTES[quantity, name]
