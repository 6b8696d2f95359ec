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

from nowcast.core.errors import FileError, SettingsError
from nowcast.data.cached_video import CachedVideo
from nowcast.data.frame_transform import Colour, Resize
from nowcast.data.published_split import SplitPart, check_choices, of_part
from nowcast.data.video_cache import VideoSettings, open_decoded, open_without_files
from nowcast.data.video_decode import RawVideo
from nowcast.data.video_files import find_videos

TRAIN, TEST = ("S1", "S5", "S6", "S7", "S8"), ("S9", "S11")
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
SCENARIOS = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases",
    "Sitting", "SittingDown", "Smoking", "Waiting", "WalkDog", "WalkTogether", "Walking",
)
_ALIASES = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog", "WalkingTogether": "WalkTogether"}
_SUBJECT = re.compile(r"(?:^|/)(S\d+)(?=[/_ .-])")
_KNOWN = "|".join(sorted((*SCENARIOS, *_ALIASES), key=len, reverse=True))
_SCENARIO = re.compile(rf"(?:^|[/_ -])({_KNOWN})(?:[ _-](\d))?(?=[/_ .-])")
_CAMERA = re.compile(rf"[/_ .-]({'|'.join(CAMERAS)})(?![0-9])")
HOW_TO_GET = (
    "get the videos of the subjects from http://vision.imar.ro/human3.6m (an account is given to academic "
    "users who accept its licence: research only, not to be passed on) and unpack them as "
    "human36m/S1/Videos/Walking 1.54138969.mp4, or lay extracted frames, named by their number in the film, "
    "as human36m/S1/Walking-1/54138969/img_000001.jpg"
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

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices("human36m", {
            "validation_subjects": (self.validation_subjects, TRAIN),
            "scenarios": (self.scenarios, SCENARIOS), "cameras": (self.cameras, CAMERAS),
        })  # fmt: skip
        if set(self.validation_subjects) == set(TRAIN):
            raise SettingsError("human36m.validation_subjects: got all five, expected some left to train on")

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects of the part."""
        return of_part(self.part, TRAIN, self.validation_subjects, TEST)


def open_human36m(settings: Human36mSettings, progress: bool = True) -> list[CachedVideo]:
    """Open the films of a part, each camera a video of its own.

    Raises:
        FileError: Human3.6M is not there (the message says where to get it), or no film can be used.
        MissingExtraError: something must be decoded and PyAV is not installed.
    """
    if settings.path.exists():
        takes = _wanted(find_videos(settings.path), settings)
        videos = open_decoded(takes, settings, progress) if takes else []
    else:
        videos = [v for v in open_without_files(settings) if _is_wanted(v.name, settings)]
    if not videos:
        raise FileError(
            f"{settings.path}: got no films of Human3.6M of the subjects, scenarios and cameras asked "
            f"for; {HOW_TO_GET}"
        )
    return videos


def film_name(path: str) -> str | None:
    """Name a film ``S1/Walking 1.54138969`` by its path; None for what is no film of a scenario."""
    subject = _SUBJECT.search(path)
    scenario = _SCENARIO.search(path, subject.end()) if subject else None
    camera = _CAMERA.search(path, scenario.end()) if scenario else None
    if not subject or not scenario or not camera:
        return None
    number = f" {scenario[2]}" if scenario[2] else ""
    return f"{subject[1]}/{_ALIASES.get(scenario[1], scenario[1])}{number}.{camera[1]}"


def _wanted(takes: Sequence[RawVideo], settings: Human36mSettings) -> list[RawVideo]:
    found: dict[str, RawVideo] = {}
    for take in takes:
        name = film_name(f"{take.name}/" if take.pictures else take.name)
        if name is None or not _is_wanted(name, settings):
            continue
        if name in found:
            raise FileError(
                f"{take.path}: got film {name} twice, also as {found[name].path}; remove one of them"
            )
        found[name] = RawVideo(name, take.path, take.pictures)
    return [found[name] for name in sorted(found)]


def _is_wanted(name: str, settings: Human36mSettings) -> bool:
    subject, _, film = name.partition("/")
    scenario, _, camera = film.rpartition(".")
    return (
        subject in settings.subjects
        and (not settings.scenarios or scenario.split(" ")[0] in settings.scenarios)
        and (not settings.cameras or camera in settings.cameras)
    )
