"""The distribution of reflectivity in each pixel, from the probabilities of reaching some thresholds.

With p_k the probability of reaching threshold t_k, and z_k = -N^-1(p_k) the normal score that a standard normal
variable exceeds as often, reflectivity is the value that a normal score z stands for:

* below z_1 it is no echo: what a ladder does not tell is not made up;
* between z_k and z_{k+1} it rises linearly from t_k to t_{k+1};
* above the last threshold its excess is exponential, with the mean excess of `tail_db`.

So the probability of reaching a threshold of the ladder is exactly the one given; in between, its normal score
is linear in dBZ, as that of a normal distribution is.

Dimensions: K thresholds; ... any further axes, those of a field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import HIGHEST_DBZ
from nowcast.core.scaling import NO_ECHO_DBZ

Array = npt.NDArray[np.float32]
FARTHEST = 6.0
"""Normal score of what never (or always) happens: a probability of 1e-9 and less counts as none."""
TAIL_DBZ = (10.0, 20.0, 30.0, 35.0, 40.0, 45.0, 50.0)
TAIL_DB = (8.6, 7.2, 4.4, 4.2, 3.1, 3.0, 2.4)
"""Mean excess in dB over each threshold of `TAIL_DBZ` where it is reached."""


def tail_db(threshold_dbz: float) -> float:
    """The mean excess over a last threshold, where nothing else was fitted.

    Source: `scripts/measure_members.py --tail` over validation days; docs/explanation/ensembles.md.
    """
    return float(np.interp(threshold_dbz, TAIL_DBZ, TAIL_DB))


class Ladder(NamedTuple):
    """The distributions of many pixels, ready to be read at normal scores."""

    scores: Array
    """(K, ...) the normal score from which each threshold is reached, rising with the threshold; NaN where
    nothing is known."""
    thresholds_dbz: tuple[float, ...]
    tail_db: float
    """Mean excess over the last threshold."""

    @classmethod
    def of(
        cls,
        probabilities: npt.NDArray[np.floating],
        thresholds_dbz: Sequence[float] | npt.NDArray[np.floating],
        tail: float | None = None,
    ) -> Ladder:
        """Make it from probabilities (K, ...) of reaching rising thresholds.

        A probability above that of the threshold below is taken as that one; NaN at any threshold is not known.

        Raises:
            SettingsError: not as many thresholds as probabilities, thresholds that do not rise, or a tail of
                zero or less.
        """
        thresholds = tuple(float(t) for t in thresholds_dbz)
        if (
            not thresholds
            or probabilities.shape[:1] != (len(thresholds),)
            or sorted(set(thresholds)) != list(thresholds)
        ):
            raise SettingsError(
                complain(
                    "distribution",
                    f"thresholds {thresholds} and probabilities {probabilities.shape}",
                    "rising dBZ, and a probability for each",
                    "correct the caller",
                )
            )
        tail = tail_db(thresholds[-1]) if tail is None else float(tail)
        if not 0 < tail <= HIGHEST_DBZ:
            raise SettingsError(
                complain(
                    "distribution: mean excess over the last threshold",
                    f"{tail:g} dB",
                    "a few dB, above 0",
                    "fit it again, or leave it out",
                )
            )
        return cls(_normal_scores(_falling(probabilities)), thresholds, tail)

    def dbz(self, normal: Array) -> Array:
        """Reflectivity at normal scores (...): no echo below the ladder, NaN where nothing is known."""
        from scipy.special import log_ndtr

        first = self.scores[0]
        found = np.full(first.shape, NO_ECHO_DBZ, np.float32)
        found[np.isnan(first)] = np.nan
        wet = np.flatnonzero(normal >= first)  # NaN is not
        z = normal.ravel()[wet].astype(np.float32)
        knots = self.scores.reshape(len(self.scores), -1)[:, wet]
        value = np.full_like(z, self.thresholds_dbz[0])
        for k in range(len(knots) - 1):
            low, high = self.thresholds_dbz[k], self.thresholds_dbz[k + 1]
            share = (z - knots[k]) / np.maximum(knots[k + 1] - knots[k], np.float32(1e-6))
            np.copyto(value, low + np.minimum(share, 1) * np.float32(high - low), where=share > 0)
        over = np.flatnonzero(z > knots[-1])
        excess = log_ndtr(-knots[-1][over]) - log_ndtr(-z[over])
        value[over] = self.thresholds_dbz[-1] + self.tail_db * excess
        np.minimum(value, np.float32(HIGHEST_DBZ), out=value)
        found.ravel()[wet] = value
        return found


def _falling(probabilities: npt.NDArray[np.floating]) -> Array:
    """Probabilities that never rise with the threshold; NaN at any threshold is NaN at all."""
    falling = np.array(probabilities, np.float32)
    for k in range(1, len(falling)):
        falling[k] = np.minimum(falling[k], falling[k - 1])
    unknown = np.isnan(falling[-1])
    if unknown.any():
        falling[:, unknown] = np.nan
    return falling


def _normal_scores(probabilities: Array) -> Array:
    """What a standard normal variable exceeds with these probabilities, within `FARTHEST`; NaN stays NaN."""
    import torch

    scores = torch.from_numpy(probabilities).mul(-2.0).add_(1.0).erfinv_().mul_(2.0**0.5)
    return np.asarray(scores.clamp_(-FARTHEST, FARTHEST).numpy())


def quantile(
    probabilities: npt.NDArray[np.floating],
    thresholds_dbz: Sequence[float] | npt.NDArray[np.floating],
    u: npt.ArrayLike,
    tail: float | None = None,
) -> Array:
    """Return the reflectivity that is not exceeded with probability ``u``, pixel by pixel.

    Args:
        probabilities: (K, ...) of reaching each threshold; NaN, at any threshold, is not known.
        thresholds_dbz: K rising thresholds.
        u: in [0, 1]: one for all, or (...).
        tail: mean excess over the last threshold in dB; None takes `tail_db`.

    Returns:
        (...) float32 dBZ; `NO_ECHO_DBZ` where the first threshold is not reached, NaN where not known.

    Raises:
        SettingsError: as `Ladder.of`, or ``u`` outside of [0, 1].
    """
    from scipy.special import ndtri

    share = np.asarray(u, np.float64)
    if not ((share >= 0) & (share <= 1)).all():
        raise SettingsError(
            complain("quantile", f"{share.min():g} to {share.max():g}", "shares in [0, 1]", "for example 0.5")
        )
    normal = np.clip(ndtri(share), -FARTHEST, FARTHEST).astype(np.float32)
    ladder = Ladder.of(probabilities, thresholds_dbz, tail)
    return ladder.dbz(np.broadcast_to(normal, probabilities.shape[1:]))


def survival(
    probabilities: npt.NDArray[np.floating],
    thresholds_dbz: Sequence[float] | npt.NDArray[np.floating],
    at_dbz: float,
    tail: float | None = None,
) -> Array:
    """Return the probability of reaching any reflectivity, between and beyond the thresholds too.

    Args:
        probabilities, thresholds_dbz, tail: as `quantile`.
        at_dbz: one reflectivity. Below the first threshold the probability is that of the first threshold,
            at and below `NO_ECHO_DBZ` it is 1.

    Returns:
        (...) float32, NaN where not known.

    Raises:
        SettingsError: as `Ladder.of`.
    """
    from scipy.special import ndtr

    ladder = Ladder.of(probabilities, thresholds_dbz, tail)
    scores, thresholds = ladder.scores, ladder.thresholds_dbz
    known = _falling(probabilities)
    nothing = np.isnan(scores[-1])
    if at_dbz <= NO_ECHO_DBZ:
        found = np.ones(scores.shape[1:], np.float32)
    elif at_dbz <= thresholds[0]:
        found = known[0].copy()
    elif at_dbz >= thresholds[-1]:
        found = known[-1] * np.float32(np.exp(-(at_dbz - thresholds[-1]) / ladder.tail_db))
    else:
        k = int(np.searchsorted(thresholds, at_dbz, side="right")) - 1
        share = np.float32((at_dbz - thresholds[k]) / (thresholds[k + 1] - thresholds[k]))
        found = known[k].copy() if share == 0 else ndtr(-(scores[k] + share * (scores[k + 1] - scores[k])))
    return np.asarray(np.where(nothing, np.float32(np.nan), found), np.float32)
