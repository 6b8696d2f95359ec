"""The clips that an experiment names: sources opened, parted by time, cut into windows."""

from __future__ import annotations

from typing import NamedTuple

from nowcast.data.catalog import build_sources
from nowcast.data.importance_sampling import ImportanceSampling
from nowcast.data.training_data import TrainingData, training_data
from nowcast.training.experiment import Experiment


class ExperimentData(NamedTuple):
    """What a run needs beside its settings."""

    clips: TrainingData
    grid_km: tuple[float, float] | None
    """Height and width of a grid cell in km; None for videos."""


def open_data(experiment: Experiment) -> ExperimentData:
    """Open the sources of an experiment (making caches that are missing or stale) and part them.

    Raises:
        NowcastError: sources that are not there, periods that touch, no window in a period.
    """
    chosen, training = experiment.data, experiment.training
    minimum = chosen.minimum_sampling_weight
    sources = build_sources([vars(s) for s in chosen.sources], chosen.scaling)
    others = build_sources(
        [vars(s) for s in chosen.validation_sources], chosen.scaling, "data.validation_sources"
    )
    clips = training_data(
        sources,
        chosen.window,
        train=chosen.train,
        validation=chosen.validation,
        test=chosen.test,
        validation_sources=others,
        validation_stride=chosen.validation_stride,
        crop=chosen.crop,
        seed=training.seed,
        flips_and_rotations=chosen.flips_and_rotations,
        importance=None if minimum is None else ImportanceSampling(minimum),
        missing=chosen.missing,
    )
    return ExperimentData(clips, getattr(sources[0], "grid_km", None))
