"""Which network: its name, its settings, and what is put around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.core.settings import formerly
from nowcast.models.base import SequenceModel
from nowcast.models.catalog import build_model
from nowcast.models.exceedance.wrapper import (
    INCREMENTS,
    ExceedanceProbabilityModel,
    ExceedanceProbabilitySettings,
)
from nowcast.models.lagrangian.wrapper import LagrangianModel, LagrangianSettings
from nowcast.models.size_limit import build_within_memory


@dataclass(frozen=True)
class ModelChoice:
    """Which network, in an experiment and in a checkpoint."""

    name: str
    """Name in the model catalog (`nowcast models`)."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Its settings; what is left out has the default of the network."""
    exceedance_probability: ExceedanceProbabilitySettings | None = field(
        default=None, metadata=formerly("exceedance")
    )
    """Forecast the probabilities of exceeding these thresholds in place of dBZ; none (null) forecasts dBZ."""
    lagrangian: LagrangianSettings | None = field(default=None, metadata=formerly("advection"))
    """Forecast in Lagrangian coordinates, along the optical flow of the past; none (null) does not."""

    def build(
        self, channels: int = 1, size: tuple[int, int] | None = None, scaling: Scaling | None = None
    ) -> SequenceModel:
        """Build the network with fresh weights, and what is around it.

        Raises:
            SettingsError: as `build_model`; or thresholds for frames that are no dBZ of one channel.
        """
        return build_within_memory(lambda: self._build(channels, size, scaling))

    def _build(self, channels: int, size: tuple[int, int] | None, scaling: Scaling | None) -> SequenceModel:
        events = self.exceedance_probability
        if events is None:
            network = build_model(self.name, self.settings, channels, size)
        else:
            if scaling is None or channels != 1:
                raise SettingsError(
                    f"model.exceedance_probability: got frames of {channels} channels and "
                    f"{'no ' if scaling is None else ''}dBZ scaling, expected radar, 1 channel with "
                    "data.scaling; leave exceedance_probability out"
                )
            thresholds = events.scaled_thresholds(scaling)
            inside = build_model(self.name, self.settings, len(thresholds), size, INCREMENTS)
            network = ExceedanceProbabilityModel(inside, thresholds, events.cascade)
        return network if self.lagrangian is None else LagrangianModel(network, self.lagrangian)
