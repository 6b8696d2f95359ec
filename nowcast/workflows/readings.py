"""The readings of a verification: forecasters by name, raw and calibrated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nowcast.core.errors import SettingsError, complain
from nowcast.evaluation.period import CALIBRATED
from nowcast.forecasters.average import Average
from nowcast.forecasters.calibration_file import ModelCalibration
from nowcast.forecasters.decision_thresholds import check_identity
from nowcast.forecasters.neural import Neural
from nowcast.workflows.calibrated import calibration_of, uncalibrated
from nowcast.workflows.initialisation import Models, named
from nowcast.workflows.score_nowcast import Reading


def readings_of(forecasters: Models | Mapping[str, Reading]) -> dict[str, Reading]:
    """Readings by name; a forecaster is read as it forecasts."""
    if isinstance(forecasters, Mapping):
        given = {n: f if isinstance(f, Reading) else Reading(f) for n, f in forecasters.items()}
        return {n: given[n] for n in named({n: r.forecaster for n, r in given.items()})}
    return {name: Reading(f) for name, f in named(forecasters).items()}


def with_calibrated(readings: Mapping[str, Reading], known: Sequence[ModelCalibration]) -> dict[str, Reading]:
    """Read every model that has a known calibration twice: without any, and calibrated.

    A network that comes with one of its own is read in the same way, with this where none is known.

    Raises:
        SettingsError: a calibration under a model's name that was made for another one, for none of them, or
            twice.
    """
    by_identity: dict[str, ModelCalibration] = {}
    for one in known:
        if by_identity.setdefault(one.identity, one) != one:
            raise SettingsError(
                complain(
                    "calibration",
                    f"two kinds for the same {one.model}",
                    "one file a model",
                    "leave one file out",
                )
            )
    found: dict[str, Reading] = {}
    for name, (model, _) in readings.items():
        own = model.calibration if isinstance(model, (Neural, Average)) else None
        calibration = calibration_of(name, model, known) or own
        if calibration is None:
            found[name] = Reading(model)
            continue
        check_identity(calibration, model)
        raw = uncalibrated(model)
        found[name], found[name + CALIBRATED] = Reading(raw), Reading(raw, calibration.steps)
    if len(found) == len(readings):
        raise SettingsError(
            complain(
                "calibration",
                f"that of {', '.join(m.model for m in known) or 'no model'}",
                f"that of at least one of {', '.join(readings)}",
                "calibrate one of these models",
            )
        )
    return found
