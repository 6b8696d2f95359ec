"""Forecasters with what a calibration file knows of them: the raw forecaster, and the steps after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nowcast.core.errors import SettingsError, complain
from nowcast.forecasters.average import Average
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.calibration_file import ModelCalibration, read_calibration
from nowcast.forecasters.decision_thresholds import check_identity, identity_of
from nowcast.forecasters.neural import Neural
from nowcast.postprocessing.base import PostProcessing


def read_calibrations(
    files: Sequence[Path | str] = (), decision_thresholds: Sequence[Path | str] = ()
) -> list[ModelCalibration]:
    """Read calibration files, and others of which the decision thresholds alone are taken.

    Raises:
        FileError, SettingsError: as `nowcast.forecasters.calibration_file.read_calibration`.
    """
    found = [m for file in files for m in read_calibration(Path(file)).models]
    decisions = [m for file in decision_thresholds for m in read_calibration(Path(file)).models]
    return found + [m.decision_alone for m in decisions]


def calibrated(
    forecaster: Forecaster, known: Sequence[ModelCalibration]
) -> tuple[Forecaster, tuple[PostProcessing, ...]]:
    """Return a forecaster without any calibration of its own, and the steps of the one known of it.

    Raises:
        SettingsError: none of those known was made for it.
    """
    found = calibration_of(forecaster.name, forecaster, known)
    if found is None:
        raise SettingsError(
            complain(
                "calibration",
                f"one of {', '.join(m.model for m in known) or 'no model'}",
                f"one of {forecaster.name}",
                "calibrate this model",
            )
        )
    check_identity(found, forecaster)
    return uncalibrated(forecaster), found.steps


def calibration_of(name: str, model: Forecaster, known: Sequence[ModelCalibration]) -> ModelCalibration | None:
    """The calibration of a forecaster, else one that goes by its name, for a message to refuse."""
    identity = identity_of(model)
    same = (m for m in known if m.identity == identity)
    return next(same, None) or next((m for m in known if m.model in (name, model.name)), None)


def uncalibrated(model: Forecaster) -> Forecaster:
    """The forecaster without the calibration that a network brings with it."""
    return model.uncalibrated() if isinstance(model, (Neural, Average)) else model
