"""The Frechet distance of two clouds of features, from sums that add up over batches, ranks and machines.

Dimensions: N features of D numbers each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.scores.arrays import Floats
from nowcast.scores.base import Sums


def moments(features: npt.NDArray[Any], prefix: str) -> Sums:
    """Add up what mean and covariance need: features (N, D) -> count (1,), sum (1, D), products (1, D, D)."""
    wide = features.astype(np.float64)
    return {
        f"{prefix}_count": np.array([len(wide)], np.int64),
        f"{prefix}_sum": wide.sum(axis=0, keepdims=True),
        f"{prefix}_products": (wide.T @ wide)[None],
    }


def frechet_distance(sums: Mapping[str, Any], first: str, second: str) -> Floats:
    """Finish: |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) as (1,); NaN with fewer than two of either.

    The trace of the root is taken from the eigenvalues of S1^(1/2) S2 S1^(1/2), which is symmetric: real
    and stable also where there are fewer features than numbers in each. Covariances are divided by N - 1.

    Source: Dowson and Landau 1982 (J. Multivariate Analysis 12), eq. 4; Heusel et al. 2017 (NIPS), eq. 6.
    """
    if min(int(sums[f"{p}_count"][0]) for p in (first, second)) < 2:
        return np.array([np.nan])
    (m1, s1), (m2, s2) = (_gaussian(sums, prefix) for prefix in (first, second))
    values, vectors = np.linalg.eigh(s1)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    middle = root @ s2 @ root
    overlap = np.sqrt(np.linalg.eigvalsh((middle + middle.T) / 2).clip(0)).sum()
    distance = ((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * overlap
    return np.array([max(float(distance), 0.0)])


def _gaussian(sums: Mapping[str, Any], prefix: str) -> tuple[Floats, Floats]:
    n = int(sums[f"{prefix}_count"][0])
    mean = sums[f"{prefix}_sum"][0] / n
    spread = (sums[f"{prefix}_products"][0] - n * np.outer(mean, mean)) / (n - 1)
    return mean, (spread + spread.T) / 2
