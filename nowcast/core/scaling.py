"""dBZ to what a network reads, and back: the one normalisation of the package. No xarray, no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError

NO_ECHO_DBZ = -32.0
"""Reflectivity that stands for "observed, no echo" everywhere: the lowest value of an 8-bit radar
product with 0.5 dB steps, below any echo a weather radar reports. Not observed is NaN, never this."""
_MOST_DBZ = 200.0
_LEAST_RANGE = 0.01


@dataclass(frozen=True)
class Scaling:
    """Linear map from [low_dbz, high_dbz] to [0, 1]; what lies outside is clipped, NaN stays NaN.

    No echo and all echoes at or below ``low_dbz`` become 0 and come back as no echo. Within the range
    ``decode(encode(x)) == x`` to float32.
    """

    low_dbz: float = 5.0
    high_dbz: float = 65.0

    def __post_init__(self) -> None:
        if not (
            NO_ECHO_DBZ <= self.low_dbz < self.high_dbz <= _MOST_DBZ
            and self.high_dbz - self.low_dbz >= _LEAST_RANGE
        ):
            raise SettingsError(
                f"scaling: got low_dbz={self.low_dbz}, high_dbz={self.high_dbz}, expected "
                f"{NO_ECHO_DBZ} <= low_dbz < high_dbz <= {_MOST_DBZ:g}; give both in dBZ"
            )

    def scaled(self, dbz: float) -> float:
        """Return where one threshold lies on the scale, in double precision; not clipped."""
        return (dbz - self.low_dbz) / (self.high_dbz - self.low_dbz)

    def encode(self, dbz: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Scale dBZ to [0, 1] as a new float32 array; NaN stays NaN."""
        scaled: npt.NDArray[np.float32] = np.subtract(dbz, np.float32(self.low_dbz), dtype=np.float32)
        scaled *= np.float32(1.0 / (self.high_dbz - self.low_dbz))
        np.clip(scaled, 0.0, 1.0, out=scaled)
        return scaled

    def decode(self, scaled: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Scale a network's output back to dBZ; at or below 0 becomes no echo, NaN stays NaN."""
        bounded = np.clip(scaled, 0.0, 1.0).astype(np.float32)
        dbz = bounded * np.float32(self.high_dbz - self.low_dbz) + np.float32(self.low_dbz)
        return np.where(bounded <= 0.0, np.float32(NO_ECHO_DBZ), dbz)
