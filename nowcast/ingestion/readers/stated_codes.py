"""What a user says of the numbers of a file, whatever the file itself says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.ingestion.readers.cf_attributes import all_in_type

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class StatedNumbers:
    """Single numbers, ranges whose bounds belong to them, and all below or above a number, without it."""

    values: tuple[float, ...] = ()
    ranges: tuple[tuple[float, float], ...] = ()
    below: float | None = None
    above: float | None = None

    def exactly(self, raw: npt.NDArray[Any]) -> Mask:
        """Return where one of the single numbers stands, compared in the type of the data."""
        return np.isin(raw, np.array(all_in_type(self.values, raw.dtype), raw.dtype))

    def within(self, raw: npt.NDArray[Any]) -> Mask:
        """Return where a number of one of the ranges stands, or one below or above."""
        found = np.zeros(raw.shape, np.bool_)
        for low, high in self.ranges:
            found |= (raw >= low) & (raw <= high)
        if self.below is not None:
            found |= raw < self.below
        if self.above is not None:
            found |= raw > self.above
        return found


@dataclass(frozen=True)
class StatedCodes:
    """What is not observed and what is no echo; a single number wins over a range."""

    not_observed: StatedNumbers = StatedNumbers()
    no_echo: StatedNumbers = StatedNumbers()

    def split(self, raw: npt.NDArray[Any]) -> tuple[Mask, Mask]:
        """Return where numbers are stated as not observed, and where as no echo; never both."""
        gone, dry = self.not_observed.exactly(raw), self.no_echo.exactly(raw)
        ranged = ~(gone | dry)
        gone |= ranged & self.not_observed.within(raw)
        dry |= ranged & self.no_echo.within(raw) & ~gone
        return gone, dry


@dataclass(frozen=True)
class StatedMeaning:
    """Codes of absence, and over how many hours rain is summed or averaged; None is what the file says."""

    codes: StatedCodes | None = None
    hours: float | None = None
