"""Human3.6M: 7 subjects with films of 15 scenarios before 4 cameras at 50 frames/s, parted by subject.

Source: Ionescu, Papava, Olaru, Sminchisescu, "Human3.6M: Large Scale Datasets and Predictive Methods for
3D Human Sensing in Natural Environments", TPAMI 2014. Protocol of MotionRNN (Wu et al., CVPR 2021) and
its published code: scenario Walking, S1, S5, S6, S7, S8 to train on, S9 and S11 to test, the middle half
of rows and columns resized to 128 x 128 in colour, 4 frames given and 4 forecast, 10 frames of the film
apart: kept are every 5th (``frame_step``), a clip takes every second of those (``ClipWindow.every: 2``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nowcast.data.clip_list import read_clip_list, with_listed_clips
from nowcast.data.frame_transform import Colour, Resize
from nowcast.data.published_split import SplitPart, check_choices, of_part
from nowcast.data.raw_videos import RawVideo, find_videos
from nowcast.data.source import FrameSource
from nowcast.data.video_cache import VideoSettings
from nowcast.data.video_files import open_named

TRAIN, TEST = ("S1", "S5", "S6", "S7", "S8"), ("S9", "S11")
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
SCENARIOS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Photo",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Waiting",
    "WalkDog",
    "WalkTogether",
    "Walking",
)
_ALIASES = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog", "WalkingTogether": "WalkTogether"}
_SUBJECT = re.compile(r"(?:^|/)(S\d+)(?=[/_ .-])")
_KNOWN = "|".join(sorted((*SCENARIOS, *_ALIASES), key=len, reverse=True))
_SCENARIO = re.compile(rf"(?:^|[/_ -])({_KNOWN})(?:[ _-](\d))?(?=[/_ .-])")
_CAMERA = re.compile(rf"[/_ .-]({'|'.join(CAMERAS)})(?![0-9])")
_FLAT = re.compile(rf"(.*[_ .-](?:{'|'.join(CAMERAS)}))[_ .-]\d+")
HOW_TO_GET = (
    "get the videos of the subjects from http://vision.imar.ro/human3.6m (an account is given to academic "
    "users who accept its licence: research only, not to be passed on) and unpack them as "
    "human36m/S1/Videos/Walking 1.54138969.mp4, or lay extracted frames, named by their number in the film, "
    "as human36m/S1/Walking-1/54138969/img_000001.jpg or human36m/S1_Walking_1.54138969_000001.jpg"
)


@dataclass(frozen=True)
class Human36mSettings(VideoSettings):
    """Human3.6M, by default as MotionRNN reads it.

    Raises:
        SettingsError: a subject to validate on who is none of those to train on, an unknown scenario or camera.
    """

    part: SplitPart = "train"
    colour: Colour = "rgb"
    size: tuple[int, int] | None = (128, 128)
    middle: float = 0.5
    resize: Resize = "bilinear"
    frame_step: int = 5
    frames_per_second: float | None = 50.0
    validation_subjects: tuple[str, ...] = ("S8",)
    """Of the five subjects to train on; the published code has no validation set, a subject is our choice."""
    scenarios: tuple[str, ...] = ("Walking",)
    """Empty takes all fifteen."""
    cameras: tuple[str, ...] = ()
    """Only these; empty takes all four."""
    clips: Path | None = None
    """Only the clips that this text file lists, one a line as ``images/S1_Walking.54138969_,1621``: OpenSTL's
    ``train.txt`` and ``test.txt``. None takes every clip of the window."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(
            "human36m",
            {
                "validation_subjects": (self.validation_subjects, TRAIN),
                "scenarios": (self.scenarios, SCENARIOS),
                "cameras": (self.cameras, CAMERAS),
            },
        )

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects of the part."""
        return of_part(self.part, TRAIN, self.validation_subjects, TEST)


def open_human36m(settings: Human36mSettings, progress: bool = True) -> Sequence[FrameSource]:
    """Open the films of a part, each camera a video of its own.

    Raises:
        FileError: Human3.6M is not there (the message says where to get it), no film can be used, or the list
            of clips is none or names no clip of these.
        MissingExtraError: something must be decoded and PyAV is not installed.
    """
    listed = None if settings.clips is None else read_clip_list(settings.clips, film_name)
    films = open_named(
        find_videos(settings.path, film_of_picture) if settings.path.exists() else None,
        settings,
        name_of_video,
        lambda name: _is_wanted(name, settings),
        f"got no films of Human3.6M of the subjects, scenarios and cameras asked for; {HOW_TO_GET}",
        progress,
    )
    if listed is None or settings.clips is None:
        return films
    return with_listed_clips(films, listed, settings.clips)


def film_of_picture(stem: str) -> str:
    """Name the film of a picture that lies among those of others (``S1_Walking_1.54138969_000001``)."""
    film = _FLAT.fullmatch(stem)
    return film[1] if film and _SCENARIO.search(film[1]) else ""


def name_of_video(video: RawVideo) -> str | None:
    """Name a film by where it lies; None for what is none of the data set."""
    return film_name(f"{video.name}/" if video.pictures else video.name)


def film_name(path: str) -> str | None:
    """Name a film ``S1/Walking 1.54138969`` by its path; None for what is no film of a scenario."""
    subject = _SUBJECT.search(path)
    scenario = _SCENARIO.search(path, subject.end()) if subject else None
    camera = _CAMERA.search(path, scenario.end()) if scenario else None
    if not subject or not scenario or not camera:
        return None
    number = f" {scenario[2]}" if scenario[2] else ""
    return f"{subject[1]}/{_ALIASES.get(scenario[1], scenario[1])}{number}.{camera[1]}"


def _is_wanted(name: str, settings: Human36mSettings) -> bool:
    subject, _, film = name.partition("/")
    scenario, _, camera = film.rpartition(".")
    return (
        subject in settings.subjects
        and (not settings.scenarios or scenario.split(" ")[0] in settings.scenarios)
        and (not settings.cameras or camera in settings.cameras)
    )
