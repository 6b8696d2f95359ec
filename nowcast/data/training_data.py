"""What a training run reads: clips to train on, clips to validate on, and nothing of the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from nowcast.core.errors import SettingsError
from nowcast.data.clips import VideoDataset
from nowcast.data.importance_sampling import ImportanceSampling
from nowcast.data.source import FrameSource
from nowcast.data.splits import Period, check_gap, check_videos, parse_periods, within
from nowcast.data.windows import ClipWindow


class TrainingData(NamedTuple):
    """The two data sets of a run; test frames are in neither, and no call returns them."""

    train: VideoDataset
    validation: VideoDataset


def training_data(
    sources: Sequence[FrameSource],
    window: ClipWindow,
    *,
    train: Sequence[str] = (),
    validation: Sequence[str] = (),
    test: Sequence[str] = (),
    validation_sources: Sequence[FrameSource] = (),
    validation_stride: int = 1,
    crop: tuple[int, int] | None = None,
    seed: int = 0,
    flips_and_rotations: bool = True,
    importance: ImportanceSampling | None = None,
    missing: int = 0,
) -> TrainingData:
    """Part sources into training and validation clips.

    Radar is parted by periods, over all sources alike; videos and digits by ``validation_sources``.

    Args:
        sources: to train on and, by periods, to validate on.
        window: of a clip; validation takes it every ``validation_stride`` steps, cropped at the centre.
        train: periods ``START/END`` (`nowcast.core.times.parse_period`); none takes all frames.
        validation: periods to validate on, likewise.
        test: periods that are kept from both: they are only checked against, never read.
        validation_sources: to validate on instead of on a period of ``sources``.
        validation_stride: steps between the starts of two validation windows.
        crop, seed, flips_and_rotations, importance: see `nowcast.data.clips.VideoDataset`.
        missing: future frames that a training clip may lack; validation clips lack none.

    Raises:
        TimeError: parts that touch or lie nearer than one window, a part without a whole window.
        SettingsError: nothing to validate on, or one video in both parts.
    """
    parts = {
        "train": parse_periods(train, "data.train"),
        "validation": parse_periods(validation, "data.validation"),
        "test": parse_periods(test, "data.test"),
    }
    val_sources = list(validation_sources) or list(sources)
    if not validation and not validation_sources:
        raise SettingsError(
            "data.validation: got none, expected periods or validation_sources; the best checkpoint "
            "is chosen there"
        )
    if sources:
        check_gap(parts, window, sources[0].step)
    if not (train and validation):
        check_videos({"train": sources, "validation": val_sources})
    return TrainingData(
        VideoDataset(
            parted(sources, parts["train"], "data.train", train),
            window,
            crop=crop,
            seed=seed,
            flips_and_rotations=flips_and_rotations,
            importance=importance,
            missing=missing,
        ),
        VideoDataset(
            parted(val_sources, parts["validation"], "data.validation", validation),
            replace(window, stride=validation_stride),
            crop=crop,
            seed=seed,
            train=False,
        ),
    )


def parted(
    sources: Sequence[FrameSource], periods: Sequence[Period], where: str, texts: Sequence[str]
) -> list[FrameSource]:
    """Cut out of sources the frames of some periods; no periods are all of them.

    Raises:
        SettingsError: no source has a frame there; names the setting ``where`` and its ``texts``.
    """
    if not periods:
        return list(sources)
    found = [part for source in sources for part in within(source, periods)]
    if sources and not found:
        raise SettingsError(
            f"{where}: got {', '.join(texts)}, in which no source has a frame; look at the archive's "
            "times with nowcast info"
        )
    return found
