"""How values of a forecast file become integers and come back, each kind with its range checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nowcast.archive.packing import PACKING
from nowcast.core.errors import complain
from nowcast.core.field import FieldError, check_values

Values = npt.NDArray[np.float32]


class PackedKind(Protocol):
    """A kind of values: the integer it is stored as, and how."""

    @property
    def dtype(self) -> str:
        """Type in the file, such as ``i2``."""
        ...

    @property
    def scale(self) -> float:
        """Value of one step of the code, as the attribute ``scale_factor`` says; code 0 is the value 0."""
        ...

    @property
    def fill(self) -> int:
        """Code of "nothing can be known", which is NaN in memory."""
        ...

    def pack(self, values: Values, name: str) -> npt.NDArray[Any]:
        """Pack values of any shape; ``name`` stands in messages.

        Raises:
            FieldError: values outside the range.
        """
        ...

    def unpack(self, codes: npt.NDArray[Any]) -> Values:
        """Return float32 values, each the nearest float32 to its decimal value."""
        ...


@dataclass(frozen=True)
class PackedReflectivity:
    """dBZ as the archive packs it: hundredths in int16, no echo with a code of its own."""

    dtype: str = "i2"
    scale: float = PACKING.scale
    fill: int = PACKING.fill

    def pack(self, values: Values, name: str) -> npt.NDArray[Any]:
        """Pack dBZ."""
        del name
        check_values(values)
        return PACKING.pack(values)

    def unpack(self, codes: npt.NDArray[Any]) -> Values:
        """Return dBZ."""
        return PACKING.unpack(codes)


@dataclass(frozen=True)
class PackedSteps:
    """Values of a range in ``steps`` steps a unit."""

    dtype: str
    steps: int
    fill: int
    what: str
    highest: float

    @property
    def scale(self) -> float:
        """Value of one step."""
        return 1.0 / self.steps

    def pack(self, values: Values, name: str) -> npt.NDArray[Any]:
        """Pack values from 0 to ``highest``."""
        known = np.nan_to_num(values, nan=0.0)
        if known.size and not (known.min() >= 0 and known.max() <= self.highest):
            raise FieldError(
                complain(
                    f"forecast file: {name}",
                    f"{known.min():g} to {known.max():g}",
                    f"{self.what} in [0, {self.highest:g}]",
                    "give what a forecaster returns",
                )
            )
        known *= np.float32(self.steps)
        codes: npt.NDArray[Any] = np.rint(known, out=known).astype(self.dtype)
        codes[np.isnan(values)] = self.fill
        return codes

    def unpack(self, codes: npt.NDArray[Any]) -> Values:
        """Return the values."""
        values: Values = codes.astype(np.float32)
        values /= np.float32(self.steps)
        values[codes == self.fill] = np.nan
        return values


REFLECTIVITY = PackedReflectivity()
PROBABILITIES = PackedSteps("u1", 250, 255, "probabilities", 1.0)
DECIBELS = PackedSteps("i2", 100, -32768, "decibels", 300.0)
MILLIMETRES = PackedSteps("i4", 100, -(2**31), "millimetres", 1e5)
MINUTES = PackedSteps("i4", 100, -(2**31), "minutes", 1e5)
