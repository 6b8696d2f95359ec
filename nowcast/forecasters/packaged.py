"""Networks that come with the package, and means of some of them, loaded with their calibration."""

from __future__ import annotations

from dataclasses import replace

from nowcast.core.errors import CheckpointError, SettingsError
from nowcast.forecasters.average import Average, Part
from nowcast.forecasters.calibration_file import ModelCalibration, read_calibration
from nowcast.forecasters.decision_thresholds import identity_of
from nowcast.forecasters.neural import Neural, NeuralSettings
from nowcast.forecasters.registry import calibration_of, means, weights_of


def packaged(name: str, settings: NeuralSettings | None = None, raw: bool = False) -> Neural:
    """Load a network that comes with the package, calibrated on validation days.

    Args:
        name: a key of `registry`.
        settings: how it is run.
        raw: leave the calibration out: its own probabilities, events at even odds.

    Raises:
        CheckpointError: its file is missing or is not the one the registry names.
        SettingsError: a GPU is asked for and there is none.
    """
    settings = (settings or NeuralSettings()).on_this_machine(name)
    path = weights_of(name)
    try:
        return Neural.load(path, settings, name, None if raw else _calibration(name))
    except SettingsError as error:
        raise CheckpointError(f"{calibration_of(name)}: {error}; install the package again") from error


def packaged_mean(name: str, settings: NeuralSettings | None = None, raw: bool = False) -> Average:
    """Load a mean of networks that comes with the package, calibrated on validation days.

    Args:
        name: a key of `means`.
        settings: how each of its networks is run.
        raw: leave the calibration out.

    Raises:
        CheckpointError: a file is missing, or not the one the registry names, or the calibration is that of
            other networks.
        SettingsError: as `packaged`.
    """
    settings = (settings or NeuralSettings()).on_this_machine(name)
    members = tuple(Part(packaged(member, settings, raw=True)) for member in means()[name].members)
    try:
        return Average(members, name, None if raw else _calibration(name))
    except SettingsError as error:
        raise CheckpointError(f"{calibration_of(name)}: {error}; install the package again") from error


def with_calibration(mean: Average) -> Average:
    """A mean with the calibration that comes with the package, where one is of the same networks."""
    known = (found for name in means() if (found := _calibration(name)) is not None)
    own = identity_of(mean)
    return next((replace(mean, calibration=one) for one in known if one.identity == own), mean)


def _calibration(name: str) -> ModelCalibration | None:
    path = calibration_of(name)
    return read_calibration(path).models[0] if path.is_file() else None
