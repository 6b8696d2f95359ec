"""Pixels of one frame counted by class of probability, most of them without a look at their class.

Why: most probabilities of a rare event fall into the lowest class, and those of a certain forecast are 0 or 1.
Dimensions: H rows, W columns, P pixels, B classes, C cells of equal width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.scores.arrays import Floats, Integers
from nowcast.scores.probabilistic import Mask

_CELLS = 2**12
"""A power of two: a probability times it is exact."""


@dataclass(frozen=True)
class ClassFinder:
    """Finds the class of probabilities by the cell they lie in, and a comparison for each class begun there."""

    edges: npt.NDArray[np.float32]
    """Where each class begins (B,), rising from 0."""
    first: Integers
    """Class of the lowest probability of each cell (C + 1,)."""
    following: npt.NDArray[np.float32]
    """Where the next class begins (B,)."""
    most: int
    """So many classes at most begin within one cell."""

    @classmethod
    def of(cls, edges: Floats) -> ClassFinder:
        """Make one for classes that begin at ``edges`` (B,), rising from 0 and compared in float32."""
        narrow = edges.astype(np.float32)
        starts = (np.arange(_CELLS + 1) / _CELLS).astype(np.float32)
        first = np.searchsorted(narrow, starts, side="right") - 1
        following = np.append(narrow[1:], np.float32(np.inf))
        most = int(np.diff(first, append=len(narrow) - 1).max())
        return cls(narrow, first, following, most)

    def classes(self, probabilities: npt.NDArray[np.float32]) -> Integers:
        """The class of each probability in [0, 1] (P,), as `numpy.searchsorted` finds it."""
        found = self.first[(probabilities * np.float32(_CELLS)).astype(np.intp)]
        for _ in range(self.most):
            found += probabilities >= self.following[found]
        return found


def counted(finder: ClassFinder, probability: npt.NDArray[Any], event: Mask, observed: Mask) -> Floats:
    """Pixels, events and the sum of probabilities by class, of one frame (H, W): (3, B).

    Args:
        finder: of the classes.
        probability: in [0, 1], or True and False.
        event: where the event was observed.
        observed: which pixels count.
    """
    count = len(finder.edges)
    found = np.zeros((3, count))
    if probability.dtype == np.bool_:
        called = probability & observed
        pixels = float(np.count_nonzero(called))
        found[:, -1] = pixels, np.count_nonzero(called & event), pixels
    else:
        narrow = probability.astype(np.float32, copy=False)
        above = (narrow >= finder.following[0]) & observed
        class_of = finder.classes(narrow[above])
        kept = probability[above]
        joint = np.bincount(class_of + count * event[above], minlength=2 * count).reshape(2, count)
        found[0], found[1] = joint.sum(axis=0), joint[1]
        found[2] = np.bincount(class_of, kept, count)
        found[2, 0] = (probability * (observed & ~above)).sum(dtype=np.float64)
    found[0, 0] = np.count_nonzero(observed) - found[0, 1:].sum()
    found[1, 0] = np.count_nonzero(event) - found[1, 1:].sum()
    return found
