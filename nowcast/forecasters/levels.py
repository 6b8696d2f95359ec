"""Decision levels of forecasters as a file: made by ``nowcast calibrate``, read by ``nowcast verify``.

Letters: K thresholds, S lead times.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, SettingsError, complain
from nowcast.core.field import HIGHEST_DBZ
from nowcast.core.files import whole_file
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.settings import build, plain
from nowcast.core.times import minutes
from nowcast.forecasters.base import Forecaster, LeadTimes

FORMAT = "nowcast decision levels"
VERSION = 1
Table = tuple[tuple[float, ...], ...]
Scores = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Levels:
    """The levels of one forecaster, (K, S): by threshold, then by lead time."""

    model: str
    """Its name, for messages."""
    identity: str
    """What it was, see `identity_of`: levels are refused by any other forecaster."""
    kind: Literal["dbz", "probability"]
    """``dbz``: of its own field. ``probability``: of its probabilities of exceedance."""
    thresholds_dbz: tuple[float, ...]
    """K, rising."""
    lead_minutes: tuple[float, ...]
    """S, rising."""
    levels: Table
    csi: Scores = ()
    """Pooled CSI on the calibration period with these levels; None where it is undefined."""
    csi_before: Scores = ()
    """The same with the thresholds themselves as levels, or 0.5 for probabilities."""

    def __post_init__(self) -> None:
        found = np.array(self.levels, np.float64) if _is_table(self.levels) else np.zeros(0)
        rising = all((np.diff(v) > 0).all() for v in (self.thresholds_dbz, self.lead_minutes))
        if found.shape != (len(self.thresholds_dbz), len(self.lead_minutes)) or not found.size or not rising:
            raise SettingsError(
                complain(f"levels of {self.model}", f"a table of shape {found.shape}",
                         "one row for each rising threshold, one value for each rising lead time",
                         "make them with 'nowcast calibrate'")
            )
        low, high = (NO_ECHO_DBZ, HIGHEST_DBZ) if self.kind == "dbz" else (0.0, 2.0)
        falls = self.kind == "dbz" and (np.diff(found, axis=0) < 0).any()
        if not ((found > low) & (found < high)).all() or falls:
            raise SettingsError(
                complain(f"levels of {self.model}", "one that is out of range or falls with the threshold",
                         f"{self.kind} between {low:g} and {high:g}", "make them with 'nowcast calibrate'")
            )

    def at(self, lead_times: LeadTimes) -> npt.NDArray[np.float32]:
        """Give the levels at any lead times, (K, S'), linear between those that are known.

        Towards lead time 0, where a forecast is the newest frame, dBZ levels go to the thresholds
        themselves; otherwise the nearest known ones hold.
        """
        leads = [minutes(lead) for lead in np.asarray(lead_times)]
        rows = []
        for threshold, row in zip(self.thresholds_dbz, self.levels, strict=True):
            known, values = list(self.lead_minutes), list(row)
            if self.kind == "dbz":
                known, values = [0.0, *known], [threshold, *values]
            rows.append(np.interp(leads, known, values))
        return np.array(rows, np.float32)


@dataclass(frozen=True)
class LevelsFile:
    """What a file of levels holds."""

    models: tuple[Levels, ...]
    made: dict[str, Any] = field(default_factory=dict)
    """On which archives and periods, with what, by which version."""
    format: str = FORMAT
    version: int = VERSION


def identity_of(forecaster: Forecaster) -> str:
    """Say in one text what a forecaster is: the digest of its checkpoint, else its name and settings.

    How a network is run (precision, tiles, its own levels) is not part of it: that moves no decision
    by more than rounding, or is what levels replace.
    """
    said = forecaster.describe()
    levels = f" with levels {said['decision_levels']}" if said.get("decision_levels") else ""
    if said.get("checkpoint_sha256"):
        return f"sha256:{said['checkpoint_sha256']}{levels}"
    return f"{said.get('model', forecaster.name)} {said.get('settings', '{}')}{levels}"


def thresholds_of(forecaster: Forecaster) -> tuple[float, ...]:
    """Give the thresholds of which a forecaster knows probabilities; none if it forecasts dBZ alone."""
    if not callable(getattr(forecaster, "probabilities", None)):
        return ()
    return tuple(float(t) for t in getattr(forecaster, "thresholds_dbz", ()))


def write_levels(path: Path, models: Sequence[Levels], made: Mapping[str, Any]) -> None:
    """Write a file of levels, whole or not at all.

    Raises:
        FileError: it cannot be written.
    """
    text = json.dumps(plain(LevelsFile(tuple(models), dict(made))), indent=1, allow_nan=False)
    with whole_file(Path(path)) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_levels(path: Path) -> LevelsFile:
    """Read a file of levels.

    Raises:
        FileError: absent, or not such a file.
        SettingsError: of another version, or levels that cannot be.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(
            complain(str(path), f"no readable file ({error.strerror})", "one of 'nowcast calibrate'",
                     "check the path")
        ) from error
    except ValueError as error:
        raise FileError(
            complain(str(path), f"not JSON ({error})", "a file of 'nowcast calibrate'", "make it again")
        ) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise FileError(
            complain(str(path), "a file of another kind", "one of 'nowcast calibrate'", "check the path")
        )
    if found.get("version") != VERSION:
        raise SettingsError(
            complain(f"{path}: version", found.get("version"), str(VERSION),
                     "make it with this version of nowcast")
        )
    return build(LevelsFile, found, where=str(path))


def _is_table(levels: Table) -> bool:
    return bool(levels) and len({len(row) for row in levels}) == 1
