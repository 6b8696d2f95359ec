"""Rain rate summed over time between frames that are minutes apart, along the motion of rain.

Between two frames at times 0 and 1 of a gap, the rate at time a is (1 - a) times that of the first frame,
advected forwards by a, and a times that of the second, advected backwards by 1 - a: at no motion the
trapezoidal rule. A shower that is narrower than its way from frame to frame would otherwise leave a row of
spots instead of a swath.

Dimensions: C fields, S frames, P periods, H rows, W columns.

Source: the temporal interpolation of Anagnostou and Krajewski (1999), J. Atmos. Oceanic Technol. 16, 189-197.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nowcast.models.lagrangian.semilagrangian import sample, trajectories

Array = npt.NDArray[np.float32]
_HALF = 0.5


class Piece(NamedTuple):
    """A part of the gaps between frames that are summed alike: their length, and from where to where in
    each."""

    minutes: float
    start: float
    """Share of the gap, 0 at the first of the two frames."""
    end: float
    gaps: tuple[int, ...]
    """Gap k lies between the frames k and k + 1."""


def pieces(minutes: Sequence[float], start: float, end: float) -> list[Piece]:
    """Part the time from ``start`` to ``end`` by the gaps between frames at these minutes."""
    found: dict[tuple[float, float, float], list[int]] = {}
    for k, (first, second) in enumerate(pairwise(minutes)):
        low, high = max(start, first), min(end, second)
        if low < high:
            gap = second - first
            found.setdefault((gap, (low - first) / gap, (high - first) / gap), []).append(k)
    return [Piece(*key, tuple(gaps)) for key, gaps in found.items()]


class Accumulation:
    """Sums of rain rates over nested periods that begin with the first frame.

    Args:
        minutes: S rising times of the frames, the first is 0.
        periods: P rising ends in minutes, none beyond the last frame.
        motion: (2, H, W) cells a minute, rows first; None sums in place.
        substep_minutes: the rate between frames is taken about this often.
    """

    def __init__(
        self, minutes: Sequence[float], periods: Sequence[float], motion: Array | None, substep_minutes: float
    ) -> None:
        starts = (0.0, *periods[:-1])
        self.spans = [pieces(minutes, start, end) for start, end in zip(starts, periods, strict=True)]
        self.frames = 1 + max(k for span in self.spans for piece in span for k in piece.gaps) + 1
        self.substep_minutes = substep_minutes
        self._motion = None if motion is None else torch.from_numpy(motion)[None]

    def sums(self, rates: Callable[[int], Array], known: npt.NDArray[np.bool_]) -> Array:
        """Sum rates in mm/h over each period: (P, C, H, W) mm.

        Args:
            rates: frame k (C, H, W), k below ``frames``; it is asked more than once for one, so that not all
                of them are held at a time. Finite; what stands where nothing is known is not advected.
            known: (H, W), where all frames of all fields are known; the result is NaN elsewhere.
        """
        mask = torch.from_numpy(known.astype(np.float32))
        found: list[Tensor] = []
        for span in self.spans:
            total = found[-1].clone() if found else torch.zeros_like(torch.from_numpy(rates(0)))
            for piece in span:
                ends = (torch.zeros_like(total), torch.zeros_like(total))
                for gap in piece.gaps:
                    for end, frame in zip(ends, (gap, gap + 1), strict=True):
                        end.add_(torch.from_numpy(rates(frame)))
                self._add_integral(piece, ends[0].mul_(mask), ends[1].mul_(mask), mask, total)
            found.append(total)
        sums = torch.stack(found).numpy()
        sums[..., ~known] = np.nan
        return sums

    def _add_integral(self, piece: Piece, first: Tensor, second: Tensor, known: Tensor, total: Tensor) -> None:
        """Add the sum (C, H, W) in mm over a piece of all its gaps, from the sums of their two frames."""
        length = piece.end - piece.start
        count = 1 if self._motion is None else max(math.ceil(length * piece.minutes / self.substep_minutes), 1)
        times = [piece.start + (j + _HALF) * length / count for j in range(count)]
        weight = length * piece.minutes / count / 60.0
        if self._motion is None:
            total.add_(first, alpha=(1 - times[0]) * weight).add_(second, alpha=times[0] * weight)
            return
        there = self._motion * piece.minutes
        for time, places in zip(times, trajectories(there, times), strict=True):
            total.add_(_moved(first, places, known), alpha=(1 - time) * weight)
        back = [1 - time for time in reversed(times)]
        for time, places in zip(back, trajectories(-there, back), strict=True):
            total.add_(_moved(second, places, known), alpha=(1 - time) * weight)


def _moved(rates: Tensor, places: Tensor, known: Tensor) -> Tensor:
    """Rates (C, H, W) read at other places; their own where less than half is known there."""
    weight = sample(known[None, None], places)[0]
    moved = sample(rates[None], places)[0]
    moved /= weight.clamp(min=_HALF)
    return torch.where(weight >= _HALF, moved, rates)
