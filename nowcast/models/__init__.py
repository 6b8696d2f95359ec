"""Networks on plain tensors: cells, the one loop over time, whole models and their catalog."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nowcast.models.base import SequenceModel


def load_published(
    path: str | Path,
    name: str,
    channels: int = 1,
    patch: int = 4,
    size: tuple[int, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    history: str | None = None,
) -> SequenceModel:
    """Load a checkpoint of a paper's published code; see `nowcast.models.published.load_published`."""
    from nowcast.models.published import load_published as load

    return load(path, name, channels, patch, size, settings, history)
