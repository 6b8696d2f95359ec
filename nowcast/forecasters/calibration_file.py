"""What ``nowcast calibrate`` learnt of forecasters, and the one file that holds it.

Dimensions: K thresholds, S lead times.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nowcast.core.errors import FileError, SettingsError, complain
from nowcast.core.files import read_at_most, whole_file
from nowcast.core.plain_values import parse_json
from nowcast.core.settings import build, plain
from nowcast.forecasters.decision import Decision
from nowcast.forecasters.decision_thresholds import DecisionThresholds
from nowcast.postprocessing.base import PostProcessing
from nowcast.postprocessing.dressing import Dressing, DressingTable
from nowcast.postprocessing.recalibration import Recalibration, RecalibrationTable
from nowcast.postprocessing.reliability import Attested, ReliabilityTable

FORMAT = "nowcast calibration"
OF_DECISIONS = ("nowcast decision thresholds", "nowcast decision levels")
"""Formats of older files, which hold decision thresholds alone."""
VERSION = 1
_MOST_BYTES = 30_000_000
_LARGEST_TAIL_DBZ = 30.0


@dataclass(frozen=True)
class ModelCalibration:
    """What is known of one forecaster from validation days; parts that were not fitted are None."""

    model: str
    """Its name, for messages."""
    identity: str
    """What it was, see `nowcast.forecasters.decision_thresholds.identity_of`."""
    decision: DecisionThresholds | None = None
    """Of the forecast as the forecaster makes it: of its dBZ, or of its probabilities before recalibration."""
    dressing: DressingTable | None = None
    """Of a forecaster without probabilities."""
    recalibration: RecalibrationTable | None = None
    """Of a forecaster with probabilities."""
    reliability: ReliabilityTable | None = None
    """Of the probabilities that these make, each day judged by what the others taught."""
    tail_dbz: float | None = None
    """Mean excess over the last threshold where it was observed, in dB."""
    held_out: tuple[dict[str, float], ...] = ()
    """By threshold, the log score a case of each way to recalibrate, on days it was not fitted on."""
    notes: tuple[str, ...] = ()
    """What was not fitted, and why."""

    def __post_init__(self) -> None:
        tables = (self.dressing, self.recalibration, self.reliability)
        ladders = {table.thresholds_dbz for table in tables if table is not None}
        both = self.dressing is not None and self.recalibration is not None
        other = self.decision is not None and self.decision.identity != self.identity
        tail = self.tail_dbz is not None and not 0 < self.tail_dbz <= _LARGEST_TAIL_DBZ
        if len(ladders) > 1 or both or other or tail:
            raise SettingsError(
                complain(
                    f"calibration of {self.model}",
                    "parts that do not belong together",
                    "those of one forecaster and one ladder of thresholds",
                    "make it with 'nowcast calibrate'",
                )
            )

    @property
    def after_decision(self) -> tuple[PostProcessing, ...]:
        """The steps after decision thresholds: recalibration, and what the forecast says of itself."""
        steps: list[PostProcessing] = []
        if self.recalibration is not None and self.recalibration.changes:
            steps.append(Recalibration(self.recalibration))
        if self.reliability is not None or self.tail_dbz is not None:
            steps.append(Attested(self.reliability, self.tail_dbz))
        return tuple(steps)

    @property
    def steps(self) -> tuple[PostProcessing, ...]:
        """All steps in order: dressing, decision thresholds, recalibration, attributes."""
        dressing = () if self.dressing is None else (Dressing(self.dressing),)
        decision = () if self.decision is None else (Decision(self.decision),)
        return (*dressing, *decision, *self.after_decision)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that change with anything in it."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    @property
    def decision_alone(self) -> ModelCalibration:
        """The decision thresholds without the rest."""
        return ModelCalibration(self.model, self.identity, self.decision)


@dataclass(frozen=True)
class CalibrationFile:
    """What a calibration file holds."""

    models: tuple[ModelCalibration, ...]
    made: dict[str, Any] = field(default_factory=dict)
    """On which archives and periods, with what, by which version."""
    format: str = FORMAT
    version: int = VERSION


@dataclass(frozen=True)
class _DecisionsFile:
    """What an older file of decision thresholds holds."""

    models: tuple[DecisionThresholds, ...]
    made: dict[str, Any] = field(default_factory=dict)
    format: str = OF_DECISIONS[0]
    version: int = VERSION


def write_calibration(path: Path, models: Sequence[ModelCalibration], made: Mapping[str, Any]) -> None:
    """Write a calibration file, whole or not at all.

    Raises:
        FileError: it cannot be written.
    """
    content = plain(CalibrationFile(tuple(models), dict(made)))
    with whole_file(Path(path)) as temporary:
        text = json.dumps(content, separators=(",", ":"), allow_nan=False)
        temporary.write_text(f"{text}\n", encoding="utf-8")


def read_calibration(path: Path) -> CalibrationFile:
    """Read a calibration file, also one of decision thresholds alone, of before.

    Raises:
        FileError: absent, or not such a file.
        SettingsError: of another version, or a calibration that cannot be.
    """
    try:
        found = parse_json(read_at_most(Path(path), _MOST_BYTES))
    except OSError as error:
        raise FileError(
            complain(
                str(path),
                f"no readable file ({error.strerror})",
                "one of 'nowcast calibrate'",
                "check the path",
            )
        ) from error
    except ValueError as error:
        raise FileError(
            complain(str(path), f"not JSON ({error})", "a file of 'nowcast calibrate'", "make it again")
        ) from error
    if not isinstance(found, dict) or found.get("format") not in (FORMAT, *OF_DECISIONS):
        raise FileError(
            complain(str(path), "a file of another kind", "one of 'nowcast calibrate'", "check the path")
        )
    if found.get("version") != VERSION:
        raise SettingsError(
            complain(
                f"{path}: version", found.get("version"), str(VERSION), "make it with this version of nowcast"
            )
        )
    if found["format"] == FORMAT:
        return build(CalibrationFile, found, where=str(path))
    older = build(_DecisionsFile, found, where=str(path))
    return CalibrationFile(tuple(ModelCalibration(m.model, m.identity, m) for m in older.models), older.made)
