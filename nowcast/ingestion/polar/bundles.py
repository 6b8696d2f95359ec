"""Files of one time belong together: scans of one volume, and volumes of several radars."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nowcast.core.errors import TimeError
from nowcast.core.times import Times, as_step, minutes, to_text
from nowcast.ingestion.axis import infer_step
from nowcast.ingestion.listing import Problem
from nowcast.ingestion.polar.look import PolarFile
from nowcast.ingestion.polar.settings import PolarSettings

_EPOCH = np.datetime64(0, "ns")


@dataclass(frozen=True)
class Bundle:
    """The files of one frame, nearest to its time first, of every radar."""

    time: np.datetime64
    files: tuple[PolarFile, ...]

    @property
    def sha256(self) -> str:
        """Digest of all files: that of the file where it is one alone."""
        if len(self.files) == 1:
            return self.files[0].sha256
        return hashlib.sha256("\n".join(sorted(f.sha256 for f in self.files)).encode()).hexdigest()


def radar(file: PolarFile) -> tuple[str, float, float]:
    """Return what tells radars apart: name and place to a hundredth of a degree."""
    return file.site.name, round(file.site.lat, 2), round(file.site.lon, 2)


def bundles_of(
    files: Sequence[PolarFile],
    settings: PolarSettings,
    step: np.timedelta64 | None,
    phase: np.datetime64 | None = None,
    together: bool = False,
) -> tuple[list[Bundle], list[Problem], bool]:
    """Group files by time.

    Whole volumes of one radar, or scans of one elevation, stand alone at their own time where no step is given.
    Else each file goes to a time of the step (see
    `PolarSettings.rounding`); of two files of one radar with the same elevation the nearer counts.

    Args:
        files: as `look_all` finds them.
        settings: rounding and tolerance.
        step: of the frames; told from the times of whole volumes when None.
        phase: a time that is on the step; whole steps of the clock when None.
        together: group them in any case, as an archive does whose frames are of several files.

    Returns:
        The bundles, problems, and whether files were grouped.

    Raises:
        TimeError: scans of one volume, or several radars, and no step that their times tell.
    """
    by_radar: dict[tuple[str, float, float], list[PolarFile]] = defaultdict(list)
    for file in files:
        by_radar[radar(file)].append(file)
    scans = any(len(f.elevations) == 1 for f in files)
    partial = scans and any(len({f.elevations for f in fs}) > 1 for fs in by_radar.values())
    if len(by_radar) <= 1 and not partial and not together and not (scans and step is not None):
        return [Bundle(f.time, (f,)) for f in files], [], False
    step = as_step(step) if step is not None else _step(by_radar.values(), partial)
    slots: dict[int, list[tuple[np.timedelta64, PolarFile]]] = defaultdict(list)
    problems = []
    for file in files:
        slot, apart = _slot(file, settings, step, phase or _EPOCH)
        if abs(apart) > _tolerance(settings, step):
            problems.append(
                Problem(
                    file.path,
                    f"{file.path}: of {to_text(file.time)} is {abs(minutes(apart)):.3g} minutes from "
                    f"{to_text(_time(slot, step, phase))}, expected at most "
                    f"{minutes(_tolerance(settings, step)):g}; change --step or tolerance_minutes",
                )
            )
        else:
            slots[slot].append((apart, file))
    return [Bundle(_time(slot, step, phase), _chosen(slots[slot])) for slot in sorted(slots)], problems, True


def _step(radars: Iterable[Sequence[PolarFile]], partial: bool) -> np.timedelta64:
    most = max(radars, key=len)
    times: Times = np.unique(np.array([f.time for f in most], "datetime64[ns]"))
    if partial or len(times) < 2:
        raise TimeError(
            "step: got scans of one volume or several radars, expected the step of their frames; "
            "give it with --step MINUTES"
        )
    return infer_step(times)


def _slot(
    file: PolarFile, settings: PolarSettings, step: np.timedelta64, phase: np.datetime64
) -> tuple[int, np.timedelta64]:
    """Return the number of the step that a file belongs to, and how far its time is from it."""
    shift = step // 2 if settings.rounding == "nearest" else np.timedelta64(0, "ns")
    slot = int((file.time - phase + shift) // step)
    return slot, file.time - (phase + slot * step)


def _time(slot: int, step: np.timedelta64, phase: np.datetime64 | None) -> np.datetime64:
    return (phase or _EPOCH) + slot * step


def _tolerance(settings: PolarSettings, step: np.timedelta64) -> np.timedelta64:
    if settings.tolerance_minutes is not None:
        return np.timedelta64(round(settings.tolerance_minutes * 60e9), "ns")
    return step // 2 if settings.rounding == "nearest" else step


def _chosen(files: Sequence[tuple[np.timedelta64, PolarFile]]) -> tuple[PolarFile, ...]:
    """Return the files of one time, nearest first, without those whose elevations a nearer one has."""
    taken: dict[tuple[str, float, float], set[float]] = defaultdict(set)
    chosen = []
    for _, file in sorted(files, key=lambda pair: (abs(pair[0]), str(pair[1].path))):
        elevations = set(file.elevations)
        if not elevations & taken[radar(file)]:
            taken[radar(file)] |= elevations
            chosen.append(file)
    return tuple(chosen)
