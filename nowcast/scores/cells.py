"""Scores of each block of cells, for the map: the same sums as over a whole frame, kept where they lie.

Dimensions: S lead times, H rows, W columns, h, w rows and columns of blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from nowcast.core.errors import SettingsError
from nowcast.scores.base import Metric, Reads, Sums, reads

_MOST_IN_A_BYTE = 256
_ROWS_AT_ONCE = 128
"""Of pixels, about."""


@runtime_checkable
class OfPixels(Metric, Protocol):
    """A metric whose sums are sums over pixels."""

    def fields(self, forecast: Any, observed: Any) -> Sums:
        """What each pixel adds to each of the sums, (S, H, W) each; 0 where it was not observed.

        It depends on no other pixel but neighbours to the east and in the next row.
        """
        ...


@dataclass(frozen=True)
class CellSums:
    """The sums of a metric over each block of ``block`` x ``block`` cells, lead time by lead time.

    Why blocks: over a few dozen nowcasts one cell of 1 km sees too few events to mean anything. Sums are added
    within a block before they are divided, by the metric itself; rows and columns that fill no whole block at
    the south and east edge make a smaller one. numpy only: what is drawn is small and computed.
    """

    metric: OfPixels
    block: int = 1

    def __post_init__(self) -> None:
        if self.block < 1:
            raise SettingsError(f"block: got {self.block}, expected a number of cells of at least 1")

    @property
    def reads(self) -> Reads:
        """What its forecasts are, as for the metric."""
        return reads(self.metric)

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up over (S, H, W): arrays of S x ceil(H / block) x ceil(W / block).

        Some rows of one lead time after the other: what their pixels add stays in the cache of a core.
        """
        leads = zip(np.split(forecast, len(observed)), np.split(observed, len(observed)), strict=True)
        found = [self._lead(*lead) for lead in leads]
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish: a value a block; NaN where nothing was counted in it."""
        return self.metric.value(sums)

    def _lead(self, forecast: Any, observed: Any) -> Sums:
        """The sums of one lead time, (1, H, W); the row after a strip is there for what its pixels add."""
        strip = self.block * max(1, _ROWS_AT_ONCE // self.block)
        found = []
        for first in range(0, max(observed.shape[-2], 1), strip):
            rows = slice(first, first + strip + 1)
            added = self.metric.fields(forecast[:, rows], observed[:, rows])
            found.append({name: self._blocks(np.asarray(part)[:, :strip]) for name, part in added.items()})
        return {name: np.concatenate([part[name] for part in found], axis=-2) for name in found[0]}

    def _blocks(self, values: Any) -> Any:
        kind = np.float64 if values.dtype.kind == "f" else np.int64
        short = values.dtype == np.bool_ and self.block < _MOST_IN_A_BYTE
        rows = _added(values.view(np.uint8) if short else values, self.block, -2, np.uint8 if short else kind)
        return _added(rows, self.block, -1, kind)


def _added(values: Any, block: int, axis: int, kind: Any) -> Any:
    """Add up each ``block`` neighbours along an axis, and what is left at its end.

    The first of all blocks, then the second, and so on: numpy sums a few neighbours at a time slowly.
    """
    found = np.swapaxes(values, 0, axis)
    added = found[::block].astype(kind)
    for place in range(1, min(block, len(found))):
        part = found[place::block]
        added[: len(part)] += part
    return np.swapaxes(added, 0, axis)
