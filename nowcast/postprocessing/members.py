"""Members: equally likely fields with the probabilities of the forecast and the texture of rain.

Each pixel's distribution (`nowcast.postprocessing.distribution`) is read at a normal score, and the normal
scores of neighbouring pixels and lead times belong together as those of rain do
(`nowcast.postprocessing.noise`): a Gaussian copula. So the share of members that reach a threshold is the
probability of the forecast, pixel by pixel, and each member looks like a radar picture.

Dimensions: M members, S lead times, H rows, W columns.

Source: Schefzik, Thorarinsdottir and Gneiting (2013), Stat. Sci. 28, 616-640, for members from calibrated
marginals and a copula; for this copula see `nowcast.postprocessing.noise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import ATTRS, MEMBERS, NAME, PROBABILITY
from nowcast.core.grid import Grid
from nowcast.core.times import minutes
from nowcast.postprocessing.distribution import Ladder
from nowcast.postprocessing.noise import Noise, estimate_noise

Array = npt.NDArray[np.float32]
MOST_MEMBERS = 1000
TAIL_ATTR = "tail_dbz"
"""Attribute of a forecast whose calibration knows the mean excess over its last threshold."""
_PAST = 5
_BYTES = 4


@dataclass(frozen=True)
class Members:
    """Draw ``count`` members from the probabilities of a forecast, whichever forecaster made it.

    Member n is the same for one seed, n and forecast reference time, however many others are drawn, by however
    many threads. The time counts, as a member that is wet at the same place in every nowcast would be none.
    """

    count: int
    seed: int = 0
    memory_gb: float = 8.0
    """More than this is refused: the members alone take 4 bytes for each pixel, lead time and member."""
    name: ClassVar[str] = "members"
    past: ClassVar[int] = _PAST

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_MEMBERS:
            raise SettingsError(
                complain("members (--members)", self.count, f"1 to {MOST_MEMBERS} members", "for example 24")
            )
        if self.seed < 0:
            raise SettingsError(complain("seed of members (--seed)", self.seed, "0 or more", "for example 0"))

    def apply(self, forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
        """Return the forecast with ``reflectivity_members`` (member, lead_time, y, x).

        Fewer past frames than ``past`` will do: without two there is no motion, without rain no texture but the
        one that `nowcast.postprocessing.rain_texture` names.

        Raises:
            SettingsError: no probabilities, members that are there already, or more members than memory.
        """
        probability = self._checked(forecast)
        grid = Grid.of(forecast[NAME])
        frames = np.asarray(observed.values[-_PAST:], np.float32)
        leads = forecast["lead_time"].values
        times = observed["time"].values
        step = times[-1] - times[-2] if len(times) > 1 else leads[0]
        thresholds = probability["threshold"].values.tolist()
        noise = estimate_noise(
            frames, [float(lead / step) for lead in leads], grid.cell_km, minutes(step), thresholds[0]
        )
        tail = forecast.attrs.get(TAIL_ATTR)
        second = int(times[-1].astype("datetime64[s]").astype(np.int64))
        drawn = draw(
            np.asarray(probability.values, np.float32),
            thresholds,
            noise,
            self.count,
            (self.seed, abs(second)),
            None if tail is None else float(tail),
        )
        attrs = {**ATTRS, "long_name": "radar reflectivity, equally likely members of an ensemble"}
        return (
            forecast.assign_coords(
                member=("member", np.arange(self.count), {"standard_name": "realization", "units": "1"})
            )
            .assign({MEMBERS: (("member", *forecast[NAME].dims), drawn, attrs)})
            .assign_attrs(
                members=f"{self.count} members drawn from the probabilities, seed {self.seed}; rain of 16 km "
                f"lives {noise.lifetime.minutes:.0f} min, rising with wavelength^{noise.lifetime.exponent:.2f}"
            )
        )

    def _checked(self, forecast: xr.Dataset) -> xr.DataArray:
        model = forecast.attrs.get("model", "this model")
        if MEMBERS in forecast:
            raise SettingsError(
                complain(
                    "members (--members)",
                    f"a forecast of {model} with {forecast.sizes['member']} of its own",
                    "a forecast without members",
                    "take those, or set their number (--set members=24)",
                )
            )
        if PROBABILITY not in forecast:
            raise SettingsError(
                complain(
                    "members (--members)",
                    f"a forecast of {model} without probabilities",
                    "a model that knows them, as motionrnn and other networks of 'nowcast models' do",
                    "take one of these, or give a baseline probabilities with 'nowcast calibrate'",
                )
            )
        each = forecast[NAME].size * _BYTES
        fit = int(self.memory_gb * 1e9 // each)
        if self.count > fit:
            raise SettingsError(
                complain(
                    "members (--members)",
                    f"{self.count} of {each / 1e6:.1f} MB each",
                    f"at most {self.memory_gb:g} GB, which is {fit} members of "
                    f"{' x '.join(map(str, forecast[NAME].shape))}",
                    f"draw {fit} or fewer",
                )
            )
        return forecast[PROBABILITY]


def draw(
    probabilities: Array,
    thresholds_dbz: list[float],
    noise: Noise,
    count: int,
    seed: Sequence[int],
    tail: float | None = None,
) -> Array:
    """Draw members (M, S, H, W) from probabilities (K, S, H, W) with the noise of a forecast.

    Lead time by lead time, members side by side by as many threads as torch uses, each by one: beside members
    and probabilities, memory holds the distributions of one lead time and the wavenumbers of each member.
    """
    import torch

    members = np.empty((count, *probabilities.shape[1:]), np.float32)
    noises = [noise.member(seed, member) for member in range(count)]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for lead in range(probabilities.shape[1]):
            ladder = Ladder.of(probabilities[:, lead], thresholds_dbz, tail)
            for member, field in enumerate(pool.map(lambda each, at=ladder: at.dbz(next(each)), noises)):
                members[member, lead] = field
    return members
