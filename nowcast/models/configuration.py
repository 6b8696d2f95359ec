"""A network as a paper used it: name, settings and the sequences it was measured on (configs/model)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from nowcast.core.packaged_configs import config_path
from nowcast.core.settings import build, read_yaml
from nowcast.models.base import SequenceModel
from nowcast.models.choice import ModelChoice
from nowcast.models.counts import Complexity, count, count_parameters


@dataclass(frozen=True)
class ModelConfiguration:
    """One row of a paper's table."""

    title: str
    source: str
    """Paper, table and row."""
    model: ModelChoice
    past: int
    future: int
    size: tuple[int, int]
    channels: int

    def build(self) -> SequenceModel:
        """Build the network for the frames of that row."""
        return self.model.build(self.channels, self.size)

    def parameters(self) -> int:
        """Count what training moves, without taking memory for it."""
        with torch.device("meta"):
            return count_parameters(self.build())

    def count(self) -> Complexity:
        """Count the network on one sequence of that row."""
        return count(self.model.name, self.model.settings, self.past, self.future, self.size, self.channels)


def read_configuration(path: Path) -> ModelConfiguration:
    """Read one file of ``configs/model``, or one such as them, by its path or packaged name.

    Raises:
        SettingsError: absent, not YAML, an unknown or missing key.
    """
    return build(ModelConfiguration, read_yaml(config_path(path, "model")), where=str(path))
