"""Which network: its name, its settings, and what is put around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.models.base import SequenceModel
from nowcast.models.catalog import build_model
from nowcast.models.exceedance.wrapper import ExceedanceModel, ExceedanceSettings
from nowcast.models.lagrangian.wrapper import AdvectedModel, AdvectionSettings


@dataclass(frozen=True)
class ModelChoice:
    """Which network, as an experiment and a checkpoint say it."""

    name: str
    """Name in the model catalog (`nowcast models`)."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Its settings; what is not given has the default of the network."""
    exceedance: ExceedanceSettings | None = None
    """Forecast probabilities of exceeding these thresholds in place of dBZ; none (null) forecasts dBZ."""
    advection: AdvectionSettings | None = None
    """Carry frames along the optical flow and let the network forecast the rest; none (null) does not."""

    def build(
        self, channels: int = 1, size: tuple[int, int] | None = None, scaling: Scaling | None = None
    ) -> SequenceModel:
        """Build the network with fresh weights, and what is around it.

        Raises:
            SettingsError: as `build_model`; or thresholds for frames that are no dBZ of one channel.
        """
        if self.exceedance is None:
            network = build_model(self.name, self.settings, channels, size)
        else:
            if scaling is None or channels != 1:
                raise SettingsError(
                    f"model.exceedance: got frames of {channels} channels and "
                    f"{'no ' if scaling is None else ''}dBZ scaling, expected radar, 1 channel with "
                    "data.scaling; leave exceedance out"
                )
            levels = self.exceedance.levels(scaling)
            inside = build_model(self.name, self.settings, len(levels), size)
            network = ExceedanceModel(inside, levels, self.exceedance.cascade)
        return network if self.advection is None else AdvectedModel(network, self.advection)
