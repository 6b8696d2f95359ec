"""A trained network as a forecaster: dBZ in, dBZ out, whatever size the frames have.

Letters: T past frames, S forecast steps, H rows, W columns.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import CheckpointError, GridError, SettingsError, TimeError, complain
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ, Scaling
from nowcast.core.settings import plain
from nowcast.core.times import minutes
from nowcast.forecasters.base import LeadTimes, Needs, label_forecast, label_probability
from nowcast.forecasters.decision import rebuild_dbz
from nowcast.forecasters.inputs import Past, check_leads, newest
from nowcast.forecasters.network_runner import NetworkRunner, Running

if TYPE_CHECKING:
    from nowcast.models.checkpoint import LoadedNetwork

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class NeuralSettings:
    """How a network is run."""

    memory_gb: float = 4.0
    """A frame for which the network would need more than about this is cut into tiles. Fixed, so
    that the forecast does not depend on how busy the machine is."""
    tile: tuple[int, int] | None = None
    """Rows and columns of a tile; None takes the largest that fits."""
    overlap: int = 64
    """Cells that neighbouring tiles share."""
    grid_tolerance: float = 0.25
    """How far the size of a cell may be from that of the training grid, as a share of it."""
    least_echo_db: float = 3.0
    """What lies less than this above the lowest dBZ of the scaling is the network's noise around "dry" and
    becomes no echo; below the 10 dBZ at which scores begin."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 is about twice as fast on CPUs that multiply it natively, to three digits."""

    @property
    def running(self) -> Running:
        """The part that says how large frames are run."""
        return Running(self.memory_gb, self.tile, self.overlap, self.precision)


class Neural:
    """Forecast with a network of `nowcast train`.

    The past is scaled to [0, 1] as in training, unseen pixels enter as dry, and what no frame of the
    past has seen is NaN in the forecast. Lead times beyond those of training are reached by running on
    freely.

    Args:
        loaded: what `nowcast.models.checkpoint.load_network` gives.
        name: as tables and maps call it.
        settings: how it is run.

    Raises:
        CheckpointError: a network of colour frames or of videos without a dBZ scaling.
    """

    def __init__(
        self, loaded: LoadedNetwork, name: str = "", settings: NeuralSettings | None = None
    ) -> None:
        meta = loaded.meta
        if meta.scaling is None or meta.channels != 1:
            raise CheckpointError(
                complain(f"model {meta.model}", f"a network of videos with {meta.channels} channels",
                         "one trained on radar, 1 channel with a dBZ scaling",
                         "train on a radar archive")
            )
        self.name = name or meta.model
        self.settings = settings or NeuralSettings()
        self._loaded = loaded
        self._scaling: Scaling = meta.scaling
        self._said: tuple[bytes, Array] | None = None
        self._runner = NetworkRunner(loaded, self.settings.running)

    @classmethod
    def load(cls, path: Path | str, settings: NeuralSettings | None = None) -> Neural:
        """Read a checkpoint; its name is the catalog's name of the network.

        Raises:
            CheckpointError: absent, damaged, unsafe, or not of radar.
        """
        from nowcast.models.checkpoint import load_network

        return cls(load_network(path), settings=settings)

    @property
    def needs(self) -> Needs:
        """Past and step as in training; any lead time."""
        meta = self._loaded.meta
        step = np.timedelta64(round(meta.step_seconds * 1e9), "ns")
        return Needs(past=meta.past, step=step)

    def describe(self) -> dict[str, str]:
        """Give the network, its checkpoint's digest and who made it, and how it was run."""
        meta = self._loaded.meta
        return {
            "model": self.name,
            "network": meta.model,
            "checkpoint_sha256": self._loaded.sha256,
            "settings": json.dumps(
                {"network": meta.settings, "forecast": plain(self.settings)}, sort_keys=True
            ),
            "experiment": json.dumps(plain(meta.experiment), sort_keys=True),
            "scaling": f"{self._scaling.low_dbz:g} to {self._scaling.high_dbz:g} dBZ",
            "trained_on": meta.data_fingerprint,
            "trained_with": json.dumps(meta.provenance, sort_keys=True),
        }

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.DataArray:
        """Forecast as `Forecaster.forecast`.

        Raises:
            TimeError: another step than in training, or lead times between the steps.
            GridError: cells of another size than in training.
        """
        leads = check_leads(lead_times, self.name)
        past = newest(observed, self.needs, self.name)
        outputs = self._outputs(past, leads)
        if self._loaded.meta.exceedance_probability is None:
            dbz = self._scaling.decode(outputs[:, 0])
            dbz[dbz < self._scaling.low_dbz + self.settings.least_echo_db] = NO_ECHO_DBZ
        else:
            thresholds = self._loaded.meta.exceedance_probability.thresholds_dbz
            dbz = rebuild_dbz(outputs.swapaxes(0, 1), thresholds)
        dbz[:, _never_seen(past)] = np.nan
        return label_forecast(dbz, past.issued, leads, past.grid)

    def probabilities(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.DataArray:
        """Forecast the probability of reaching each threshold the network was trained for.

        Returns:
            (threshold_dbz, lead_time, y, x) float32 in [0, 1], falling with rising threshold; NaN where
            no frame of the past has seen anything. Coordinates as of `Forecaster.forecast`.

        Raises:
            SettingsError: a network that forecasts dBZ.
            TimeError, GridError: as `forecast`.
        """
        exceedance = self._loaded.meta.exceedance_probability
        if exceedance is None:
            raise SettingsError(
                complain(f"{self.name}: probabilities", "a network that forecasts dBZ",
                         "one trained with model.exceedance_probability", "train one, or ask for its forecast")
            )
        leads = check_leads(lead_times, self.name)
        past = newest(observed, self.needs, self.name)
        outputs = self._outputs(past, leads)
        outputs[:, :, _never_seen(past)] = np.nan
        events = [label_probability(p, past.issued, leads, past.grid) for p in outputs.swapaxes(0, 1)]
        axis = xr.DataArray(
            np.array(exceedance.thresholds_dbz), dims="threshold_dbz",
            attrs={"long_name": "radar reflectivity that is reached or exceeded", "units": "dBZ"},
        )
        return xr.concat(events, dim="threshold_dbz", combine_attrs="override").assign_coords(
            threshold_dbz=axis
        )

    @property
    def thresholds_dbz(self) -> tuple[float, ...]:
        """Thresholds of `probabilities`; none from a network that forecasts dBZ."""
        exceedance = self._loaded.meta.exceedance_probability
        return () if exceedance is None else exceedance.thresholds_dbz

    def _outputs(self, past: Past, leads: LeadTimes) -> Array:
        """Run the network: what it gives (S, K or 1, H, W) for the chosen leads.

        The last answer is remembered, so that dBZ and probabilities of one past cost one run.
        """
        self._check_grid(past.grid)
        indices = self._indices(leads)
        scaled = self._scaling.encode(past.dbz)
        question = hashlib.blake2b(indices.tobytes() + scaled.tobytes()).digest()
        if self._said is None or self._said[0] != question:
            self._said = question, self._runner.run(scaled, ~np.isnan(scaled), indices)
        return self._said[1].copy()

    @property
    def motion_name(self) -> str:
        """What `velocity` gives: the network's own, or the flow that frames are carried along around it."""
        return "trending momentum" if self._loaded.meta.lagrangian is None else "carried along"

    def velocity(self, observed: xr.DataArray) -> Array:
        """Give the motion that a MotionRNN believes in at its first step, or what frames are carried by.

        Returns:
            (2, H, W): southwards along rows and eastwards along columns, in cells a frame: the
            trending momentum as mean over the MotionGRUs of all layers.

        Raises:
            SettingsError: a network without MotionGRU.
        """
        past = newest(observed, self.needs, self.name)
        return self._runner.motion(self._scaling.encode(past.dbz), ~np.isnan(past.dbz))

    def _indices(self, leads: LeadTimes) -> npt.NDArray[np.int64]:
        step = self.needs.step
        assert step is not None
        whole = leads // step
        if (whole * step != leads).any():
            raise TimeError(
                complain(f"{self.name}: lead times",
                         f"{', '.join(f'{minutes(lead):g}' for lead in leads)} minutes",
                         f"multiples of the network's step of {minutes(step):g} minutes",
                         "leave the others out")
            )
        indices: npt.NDArray[np.int64] = whole.astype(np.int64) - 1
        return indices

    def _check_grid(self, grid: Grid) -> None:
        trained = self._loaded.meta.grid_km
        if trained is None:
            return
        for side, own, now in zip(("height", "width"), trained, grid.cell_km, strict=True):
            if abs(now / own - 1.0) > self.settings.grid_tolerance:
                raise GridError(
                    complain(f"{self.name}: {side} of a grid cell", f"{now:.3g} km",
                             f"{own:.3g} km as in training, give or take "
                             f"{self.settings.grid_tolerance:.0%}",
                             "use an archive of that grid or a network trained on this one")
                )


def _never_seen(past: Past) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isnan(past.dbz).all(axis=0))
