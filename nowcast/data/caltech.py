"""Caltech's pedestrians: films from a car, 30 frames a second, parted by set.

Source: Dollar, Wojek, Schiele, Perona, "Pedestrian Detection: A Benchmark", CVPR 2009 (set00 to set05 are to
train on, set06 to set10 to test); size and rate of Lotter, Kreiman, Cox, "Deep Predictive Coding Networks"
(PredNet), ICLR 2017: 128 x 160, every third frame, so 10 frames a second as KITTI, on which it trains.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nowcast.data.cached_video import CachedVideo
from nowcast.data.frame_transform import Colour, Resize
from nowcast.data.published_split import SplitPart, check_choices, of_part
from nowcast.data.raw_videos import RawVideo, find_videos
from nowcast.data.video_cache import VideoSettings
from nowcast.data.video_files import open_named

TRAIN = tuple(f"set{number:02d}" for number in range(6))
TEST = tuple(f"set{number:02d}" for number in range(6, 11))
_FILM = re.compile(
    r"(?:^|/)(set(?:0\d|10))/(?:.*/)?(V\d{3})(?:\.\w+)?(?:/|$)|(?:^|/)(set(?:0\d|10))_(V\d{3})(?:\.\w+)?$"
)
HOW_TO_GET = (
    "get set00 ... set10 of the Caltech Pedestrian Dataset from "
    "http://www.vision.caltech.edu/Image_Datasets/CaltechPedestrians/ (see there for the terms, cite Dollar "
    "et al., CVPR 2009), turn its .seq files into films or pictures (they are JPEG frames one after the "
    "other) and lay them as caltech/set06/V000.avi or caltech/set06/V000/I00000.jpg"
)


@dataclass(frozen=True)
class CaltechSettings(VideoSettings):
    """Caltech's pedestrians, by default as PredNet reads them.

    Raises:
        SettingsError: a set to validate on that is none of those to train on.
    """

    part: SplitPart = "train"
    colour: Colour = "rgb"
    size: tuple[int, int] | None = (128, 160)
    resize: Resize = "cover"
    frame_step: int = 3
    frames_per_second: float | None = 30.0
    validation_sets: tuple[str, ...] = ("set05",)
    """Of the six to train on; a set is our choice."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices("caltech", {"validation_sets": (self.validation_sets, TRAIN)})

    @property
    def sets(self) -> tuple[str, ...]:
        """Sets of the part."""
        return of_part(self.part, TRAIN, self.validation_sets, TEST)


def open_caltech(settings: CaltechSettings, progress: bool = True) -> list[CachedVideo]:
    """Open the films of a part.

    Raises:
        FileError: they are not there (the message says where to get them), or none can be used.
        MissingExtraError: something must be decoded and PyAV is not installed.
    """
    return open_named(
        find_videos(settings.path) if settings.path.exists() else None,
        settings,
        film_name,
        lambda name: name.split("/")[0] in settings.sets,
        f"got no films of the part asked for; {HOW_TO_GET}",
        progress,
    )


def film_name(video: RawVideo) -> str | None:
    """Name a film ``set06/V000``; None for what is none of the data set."""
    found = _FILM.search(video.name)
    return None if found is None else f"{found[1] or found[3]}/{found[2] or found[4]}"
