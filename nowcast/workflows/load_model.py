"""A forecaster by its name, or from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nowcast.forecasters.base import Forecaster


def load_model(name: str | Path, settings: Mapping[str, Any] | None = None) -> Forecaster:
    """Load a forecaster: a baseline, a network that comes with the package, or a checkpoint.

    Args:
        name: such as ``persistence``, ``extrapolation``, ``motionrnn``, or the path of a checkpoint.
        settings: plain values; what is left out keeps its default (`nowcast.forecasters.catalog`).

    Raises:
        SettingsError: neither a name nor a file; the message says what is near, or all names.
        CheckpointError: a file that is no checkpoint of radar.

    Example:
        >>> import nowcast
        >>> nowcast.load_model("extrapolation", {"past": 3}).needs.past
        3
    """
    from nowcast.forecasters.catalog import build_forecaster

    return build_forecaster(name, settings)
