"""What every verification and calibration starts from: models by name, lead times, wet initialisation times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from nowcast.archive.thinned import RadarFrames, Thinned
from nowcast.core.engine import Engine, InProcess, in_order
from nowcast.core.errors import SettingsError, TimeError
from nowcast.core.times import Times, minutes
from nowcast.evaluation.windows import Windows, check_counts
from nowcast.forecasters.base import Forecaster, LeadTimes
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.registry import at_step
from nowcast.models.device import Device
from nowcast.workflows.forecast import leads_of

LEAST_PAST = 5
"""Past frames an initialisation time must have even if no forecaster needs so many, so that these times do
not depend on which forecasters are compared."""
_FRAMES_A_TASK = 32
Models = Mapping[str, Forecaster] | Iterable[Forecaster | str]


class Initialisations(NamedTuple):
    """Where forecasts start from."""

    windows: Windows
    """Past and future frames of each."""
    wet_pixels: npt.NDArray[np.int64]
    """Of each: pixels at or above the wet threshold in the newest observed frame."""
    too_dry: int
    """How many were left out."""


def named(
    forecasters: Models, step: np.timedelta64 | None = None, device: Device = "cpu"
) -> dict[str, Forecaster]:
    """Forecasters by name, in the order given; a name or the path of a checkpoint is loaded.

    Networks of the package are those for frames so far apart as ``step`` says, the same step for all; networks
    that are named forecast on ``device``.

    A checkpoint goes by the name its forecaster gives itself; where two share one, the folder and file
    that were given tell them apart.

    Raises:
        SettingsError: none, or one twice.
        NowcastError: an unknown name, or a checkpoint that cannot be read.
    """
    if isinstance(forecasters, Mapping):
        models = dict(forecasters)
    else:
        given = list(forecasters)
        if step is not None:
            asked = [part for f in given if isinstance(f, str) for part in f.split("+")]
            fitting = dict(zip(asked, at_step(asked, minutes(step)), strict=True))
            given = ["+".join(fitting[p] for p in f.split("+")) if isinstance(f, str) else f for f in given]
        made = [build_forecaster(f, device=device) if isinstance(f, str) else f for f in given]
        own = [f.name for f in made]
        names = [
            f"{name} ({'/'.join(Path(f).parts[-3:])})" if isinstance(f, str) and own.count(name) > 1 else name
            for name, f in zip(own, given, strict=True)
        ]
        models = dict(zip(names, made, strict=True))
        if len(models) < len(given):
            raise SettingsError("models: got one name twice, expected each once; give a mapping with names")
    if not models:
        raise SettingsError("models: got none, expected at least one; for example persistence")
    return models


def at_common_step(archive: RadarFrames, models: Mapping[str, Forecaster]) -> RadarFrames:
    """Thin an archive to the longest step that a model was made for, the same for all: like with like.

    Raises:
        TimeError: a model's step is not that one, or no multiple of the archive's.
    """
    steps = {name: f.needs.step for name, f in models.items() if f.needs.step is not None}
    step = max((s for s in steps.values() if s is not None), default=archive.step)
    for name, other in steps.items():
        if other != step:
            raise TimeError(
                f"{name}: got models of {minutes(step):g} min, expected its own step of "
                f"{minutes(other):g} min; verify each step by itself"
            )
    if step < archive.step:
        name = next(name for name, other in steps.items() if other == step)
        raise TimeError(
            f"{name}: got an archive with a step of {minutes(archive.step):g} min, expected "
            f"{minutes(step):g} min; take a model made for this step"
        )
    return Thinned(archive, step)


def common_leads(archive: RadarFrames, models: Mapping[str, Forecaster], lead_times: int) -> LeadTimes:
    """Lead times one step apart that every model reaches.

    Raises:
        SettingsError: none asked for.
        TimeError: a model reaches less far.
    """
    check_counts(lead_times=lead_times)
    leads = leads_of(archive, lead_times)
    for name, forecaster in models.items():
        longest = forecaster.needs.longest
        if longest is not None and leads[-1] > longest:
            raise TimeError(
                f"{name}: got lead times up to {minutes(leads[-1]):g} min, expected at most "
                f"{minutes(longest):g} min; ask for fewer lead times"
            )
    return leads


def wet_initialisations(
    archive: RadarFrames,
    windows: Windows,
    past: int,
    min_wet_pixels: int,
    wet_dbz: float,
    progress: bool,
    engine: Engine | None = None,
) -> Initialisations:
    """Leave out windows whose newest observed frame has fewer than ``min_wet_pixels`` at or above ``wet_dbz``.

    Only that frame is read, one at a time.

    Raises:
        TimeError: all are too dry; the wettest is named.
    """
    newest = windows[:, past - 1]
    parts = [newest[at : at + _FRAMES_A_TASK] for at in range(0, len(newest), _FRAMES_A_TASK)]
    counted = []
    with tqdm(total=len(windows), desc="looking for rain", unit="frame", disable=not progress) as bar:
        for part in in_order(engine or InProcess(), partial(_wet_pixels, archive, wet_dbz), parts):
            counted.append(part)
            bar.update(len(part))
    wet = np.concatenate(counted)
    keep = wet >= min_wet_pixels
    if not keep.any():
        raise TimeError(
            f"period: got {len(windows)} initialisation times of which none has {min_wet_pixels} pixels >= "
            f"{wet_dbz:g} dBZ (the wettest has {wet.max()}), expected at least one; lower --min-wet-pixels"
        )
    return Initialisations(windows[keep], wet[keep], int((~keep).sum()))


def _wet_pixels(archive: RadarFrames, wet_dbz: float, frames: Times) -> npt.NDArray[np.int64]:
    """Count the pixels at or above the wet threshold in each of some frames."""
    fields = (archive.read(frames[at : at + 1]) for at in range(len(frames)))
    return np.array([int((field.values >= wet_dbz).sum()) for field in fields], np.int64)
