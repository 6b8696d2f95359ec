"""Monotone fits: the nearest table that never falls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MOST_ROUNDS = 20
_CLOSE = 1e-6


def rising_fit(values: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    """Return the never falling values nearest to those given, in weighted squares.

    Neighbours that fall are pooled to their weighted mean until none does (pool adjacent violators).

    Args:
        values: (N,).
        weights: (N,), above 0.

    Source: Ayer et al. 1955 (Annals of Mathematical Statistics 26).
    """
    given = np.asarray(values, np.float64)
    if (given[1:] >= given[:-1]).all():
        return given
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(given, weights=np.asarray(weights, np.float64)).x, np.float64)


def rising_table(values: npt.ArrayLike, weights: npt.ArrayLike, rounds: int = MOST_ROUNDS) -> Floats:
    """Return the table nearest to the one given that falls neither along rows nor along columns.

    Rows and columns are fitted in turn, each to what the other left over, until nothing changes.

    Args:
        values: (N, M).
        weights: (N, M), above 0.
        rounds: at most so many; after fewer the table falls nowhere, either, but is not quite the nearest.

    Source: Dykstra and Robertson 1982 (Annals of Statistics 10).
    """
    found, weight = np.array(values, np.float64), np.asarray(weights, np.float64)
    left = [np.zeros_like(found), np.zeros_like(found)]
    for _ in range(rounds):
        before = found
        for axis in (0, 1):
            start = found + left[axis]
            lines, heavy = (start, weight) if axis else (start.T, weight.T)
            fitted = np.stack([rising_fit(v, w) for v, w in zip(lines, heavy, strict=True)])
            found = fitted if axis else fitted.T
            left[axis] = start - found
        if np.abs(found - before).max() < _CLOSE:
            break
    return np.maximum.accumulate(np.maximum.accumulate(found, axis=0), axis=1)
