"""A trained network as a forecaster: dBZ in, dBZ and probabilities out, whatever size the frames have.

Dimensions: T past frames, S forecast steps, K thresholds, H rows, W columns.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import CheckpointError, GridError, SettingsError, TimeError, complain
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ, Scaling
from nowcast.core.settings import plain
from nowcast.core.times import minutes
from nowcast.forecasters.base import COMPUTED_ON, LeadTimes, Needs, label_forecast
from nowcast.forecasters.calibration_file import ModelCalibration
from nowcast.forecasters.decision import EVEN_ODDS, dbz_from_probabilities
from nowcast.forecasters.decision_thresholds import DecisionThresholds, check_identity
from nowcast.forecasters.gpu_runner import GpuRunner
from nowcast.forecasters.inputs import check_leads, newest
from nowcast.forecasters.network_runner import NetworkRunner, Running
from nowcast.models.device import Device, Found, device_name
from nowcast.postprocessing.recalibration import Recalibration

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
    """Cells that neighbouring tiles share, if more than the 208 that they share anyway."""
    grid_tolerance: float = 0.25
    """How far the size of a cell may be from that of the training grid, as a share of it."""
    least_echo_db: float = 3.0
    """What lies less than this above the lowest dBZ of the scaling is the network's noise around "dry" and
    becomes no echo; below the 10 dBZ at which scores begin."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """bfloat16 is about twice as fast on CPUs that multiply it natively, to three digits; others compute in
    float32, as auto does."""
    device: Device = "cpu"
    """``cpu``, ``cuda`` (the first GPU) or ``auto`` (that, where there is one)."""

    @property
    def running(self) -> Running:
        """The part that says how large frames are run."""
        found: Found = "cuda" if self.device == "cuda" else "cpu"
        return Running(self.memory_gb, self.tile, self.overlap, self.precision == "bfloat16", found)

    def __post_init__(self) -> None:
        sides = self.tile or (1, 1)
        if self.memory_gb <= 0 or self.overlap < 0 or not all(1 <= side <= 100_000 for side in sides):
            raise SettingsError(
                complain(
                    "memory_gb, overlap, tile",
                    f"{self.memory_gb:g}, {self.overlap}, {self.tile}",
                    "a size above zero, 0 or more cells, and sides of 1 to 100000 cells",
                    "leave them out, or for example memory_gb=2",
                )
            )

    def on_this_machine(self, name: str) -> NeuralSettings:
        """The settings with device and precision that are computed in; a log line for each not as asked for.

        Raises:
            SettingsError: a GPU is asked for and there is none.
        """
        from nowcast.models.cpu.capability import bfloat16_or_say
        from nowcast.models.device import choose_device

        device = choose_device(self.device, f"{name}: device")
        half = self.precision == "bfloat16" and bfloat16_or_say(f"{name}: precision=bfloat16", device)
        return replace(self, precision="bfloat16" if half else "float32", device=device)


class Neural:
    """Forecast with a network of `nowcast train`.

    The past is scaled to [0, 1] as in training, and what no frame of the past has observed is NaN in the
    forecast. Lead times beyond those of training are reached by running on freely.

    Args:
        loaded: what `nowcast.models.checkpoint.load_network` returns.
        name: as tables and maps call it.
        settings: how it is run.
        calibration: thresholds at which its probabilities call events, and their recalibration; None takes even
            odds and the probabilities of the network.

    Raises:
        CheckpointError: a network of colour frames or of videos without a dBZ scaling.
        SettingsError: a calibration of another network.
    """

    def __init__(
        self,
        loaded: LoadedNetwork,
        name: str = "",
        settings: NeuralSettings | None = None,
        calibration: ModelCalibration | None = None,
    ) -> None:
        meta = loaded.meta
        if meta.scaling is None or meta.channels != 1:
            raise CheckpointError(
                complain(
                    f"model {meta.model}",
                    f"a network of videos with {meta.channels} channels",
                    "one trained on radar, 1 channel with a dBZ scaling",
                    "train on a radar archive",
                )
            )
        self.name = name or meta.model
        self.settings = (settings or NeuralSettings()).on_this_machine(self.name)
        self._loaded = loaded
        self._scaling: Scaling = meta.scaling
        how = self.settings.running
        self._runner = GpuRunner(loaded, how) if how.device == "cuda" else NetworkRunner(loaded, how)
        self.calibration: ModelCalibration | None = None
        if calibration is not None:
            check_identity(calibration, self)
            self.calibration = calibration

    @classmethod
    def load(
        cls,
        path: Path | str,
        settings: NeuralSettings | None = None,
        name: str = "",
        calibration: ModelCalibration | None = None,
    ) -> Neural:
        """Read a checkpoint; without a name it goes by the catalog's name of the network.

        Raises:
            CheckpointError: absent, damaged, unsafe, or not of radar.
            SettingsError: a calibration of another network.
        """
        from nowcast.models.checkpoint import load_network

        return cls(load_network(path), name, settings, calibration)

    def uncalibrated(self) -> Neural:
        """The same network with its own probabilities, calling events at even odds; weights are shared."""
        other = copy.copy(self)
        other.calibration = None
        return other

    @property
    def knows_probabilities(self) -> bool:
        """Whether its forecasts hold exceedance probabilities."""
        return self._loaded.meta.exceedance_probability is not None

    @property
    def decision(self) -> DecisionThresholds | None:
        """Thresholds at which its probabilities call events; None for even odds."""
        return None if self.calibration is None else self.calibration.decision

    @property
    def needs(self) -> Needs:
        """Past and step as in training; any lead time."""
        meta = self._loaded.meta
        step = np.timedelta64(round(meta.step_seconds * 1e9), "ns")
        return Needs(past=meta.past, step=step)

    def describe(self) -> dict[str, str]:
        """Return the network, its checkpoint's digest and who made it, and how it is run."""
        meta = self._loaded.meta
        described = {
            "model": self.name,
            "network": meta.model,
            "checkpoint_sha256": self._loaded.sha256,
            "settings": json.dumps({"network": meta.settings, "forecast": self._as_run()}, sort_keys=True),
            COMPUTED_ON: f"{device_name(self.settings.running.device)} in {self.settings.precision}",
            "experiment": json.dumps(plain(meta.experiment), sort_keys=True),
            "scaling": f"{self._scaling.low_dbz:g} to {self._scaling.high_dbz:g} dBZ",
            "trained_on": meta.data_fingerprint,
            "trained_with": json.dumps(meta.provenance, sort_keys=True),
            "trained_lead_minutes": f"{meta.future * meta.step_seconds / 60:g}",
        }
        if self.calibration is not None:
            described["calibration"] = self.calibration.digest
        return described if self.decision is None else described | {"decision_thresholds": str(self.decision)}

    def _as_run(self) -> dict[str, Any]:
        """The settings as plain values; a CPU is left out, as it was before there was a choice."""
        return {k: v for k, v in plain(self.settings).items() if k != "device" or v != "cpu"}

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.Dataset:
        """Forecast as `Forecaster.forecast`, with probabilities from a network that was trained for them.

        Raises:
            TimeError: another step than in training, or lead times between the steps.
            GridError: cells of another size than in training.
        """
        leads = check_leads(lead_times, self.name)
        past = newest(observed, self.needs, self.name)
        self._check_grid(past.grid)
        unknown = np.isnan(past.dbz).all(axis=0)
        # Without names for what the network reads: on a large grid it lets go of each part once it was used.
        outputs = self._runner.run(self._scaling.encode(past.dbz), ~np.isnan(past.dbz), self._indices(leads))
        exceedance = self._loaded.meta.exceedance_probability
        if exceedance is None:
            dbz = self._scaling.decode(outputs[:, 0])
            dbz[dbz < self._scaling.low_dbz + self.settings.least_echo_db] = NO_ECHO_DBZ
            dbz[:, unknown] = np.nan
            return label_forecast(dbz, past.reference_time, leads, past.grid)
        outputs[:, :, unknown] = np.nan
        probabilities, thresholds = outputs.swapaxes(0, 1), exceedance.thresholds_dbz
        decision = EVEN_ODDS if self.decision is None else self.decision.at(leads)
        dbz = dbz_from_probabilities(probabilities, thresholds, decision)
        found = label_forecast(dbz, past.reference_time, leads, past.grid, probabilities, thresholds)
        for step in () if self.calibration is None else self.calibration.after_decision:
            found = step.apply_over(found) if isinstance(step, Recalibration) else step.apply(found, observed)
        return found

    @property
    def motion_name(self) -> str:
        """What `velocity` returns: the network's own motion, or that of its Lagrangian coordinates."""
        return "trending momentum" if self._loaded.meta.lagrangian is None else "Lagrangian coordinates"

    def velocity(self, observed: xr.DataArray) -> Array:
        """Return the motion that a MotionRNN holds at its first step, or that of its Lagrangian coordinates.

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
                complain(
                    f"{self.name}: lead times",
                    f"{', '.join(f'{minutes(lead):g}' for lead in leads)} minutes",
                    f"multiples of the network's step of {minutes(step):g} minutes",
                    "leave the others out",
                )
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
                    complain(
                        f"{self.name}: {side} of a grid cell",
                        f"{now:.3g} km",
                        f"{own:.3g} km as in training, give or take {self.settings.grid_tolerance:.0%}",
                        "use an archive of that grid or a network trained on this one",
                    )
                )
