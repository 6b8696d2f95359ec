"""KTH human actions: 25 persons do 6 actions in 4 scenarios, parted by person.

Source: Schuldt, Laptev, Caputo, "Recognizing human actions: a local SVM approach", ICPR 2004. The
split is that of video prediction (LMC-Memory, ASTM and before them): persons 1-16 to train on, 17-25 to
test. The papers validate on nobody else, so some of the 16 are kept from training here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.files import whole_file
from nowcast.data.cached_video import CachedVideo
from nowcast.data.clip_starts import StartsChosen
from nowcast.data.frame_transform import Resize
from nowcast.data.published_split import SplitPart, check_choices, of_part
from nowcast.data.raw_videos import RawVideo, find_videos
from nowcast.data.source import ClipStarts, FrameSource
from nowcast.data.splits import SourcePart
from nowcast.data.video_cache import VideoSettings
from nowcast.data.video_files import open_named

_LOG = logging.getLogger(__name__)
ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
TRAIN, TEST = tuple(range(1, 17)), tuple(range(17, 26))
SEQUENCES = "00sequences.txt"
_NAME = re.compile(rf"person(\d\d)_({'|'.join(ACTIONS)})_d([1-4])(?:_uncomp)?")
_LINE = re.compile(r"(person\d\d_[a-z]+_d[1-4])\s+frames?\s+(.*)")
_RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")
HOW_TO_GET = (
    "get walking.zip, jogging.zip, running.zip, boxing.zip, handwaving.zip, handclapping.zip and "
    "00sequences.txt from https://www.csc.kth.se/cvap/actions/ (free for non-commercial use; cite "
    "Schuldt, Laptev and Caputo, ICPR 2004) and unpack them as "
    "kth/walking/person01_walking_d1_uncomp.avi (all in one folder does, too), or lay extracted frames "
    "as kth/walking/person01_walking_d1_uncomp/image_0001.jpg"
)


@dataclass(frozen=True)
class KthSettings(VideoSettings):
    """KTH; sizes as in the papers.

    Raises:
        SettingsError: a person to validate on who is none of those to train on, an unknown action.
    """

    part: SplitPart = "train"
    size: tuple[int, int] | None = (128, 128)
    resize: Resize = "bilinear"
    validation_persons: tuple[int, ...] = (15, 16)
    """Of the 16 persons to train on; an eighth is a choice of ours."""
    actions: tuple[str, ...] = ()
    """Only these; empty takes all six."""
    scenarios: tuple[int, ...] = ()
    """Only these of 1 outdoors, 2 with scale, 3 with other clothes, 4 indoors; empty takes all."""
    sequences: bool = True
    """Take only the frame ranges of 00sequences.txt, each an unbroken run, where the folder has it."""
    strides: dict[str, int] = field(default_factory=dict)
    """Steps between the starts of two clips, by action; of the others the window tells. In the protocol of
    PredRNN, E3D-LSTM and OpenSTL they are 3 for jogging and running, and as long as a clip (20) for the
    rest."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(
            "kth",
            {
                "validation_persons": (self.validation_persons, TRAIN),
                "actions": (self.actions, ACTIONS),
                "scenarios": (self.scenarios, (1, 2, 3, 4)),
                "strides": (tuple(self.strides), ACTIONS),
            },
        )
        for action, stride in self.strides.items():
            if stride < 1:
                raise SettingsError(f"kth.strides: got {stride} for {action}, expected a whole number >= 1")

    @property
    def persons(self) -> tuple[int, ...]:
        """Persons of the part."""
        return of_part(self.part, TRAIN, self.validation_persons, TEST)


def open_kth(settings: KthSettings, progress: bool = True) -> list[FrameSource]:
    """Open the videos of a part; with 00sequences.txt each of its ranges is a source of its own.

    Raises:
        FileError: KTH is not there (the message says where to get it), or no video can be used.
        MissingExtraError: something must be decoded and PyAV is not installed.
    """
    there = settings.path.is_dir()
    videos = open_named(
        find_videos(settings.path) if there else None,
        settings,
        video_name,
        lambda name: _is_wanted(name, settings),
        f"got no KTH videos of the persons, actions and scenarios asked for; {HOW_TO_GET}",
        progress,
    )
    listed = settings.cache_folder / SEQUENCES
    if there:
        listed = _keep(settings.path / SEQUENCES, listed)
    cut = settings.sequences and listed.is_file()
    found = _cut(videos, read_sequences(listed)) if cut else iter(videos)
    return [_strided(source, settings.strides) for source in found]


def read_sequences(path: Path) -> dict[str, list[tuple[int, int]]]:
    """Read ``00sequences.txt``: first and last frame, from 1, of each range by video.

    Raises:
        FileError: not such a file.
    """
    try:
        lines = path.read_text(encoding="latin-1").splitlines()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check the file") from error
    found = {
        line[1]: [(int(first), int(last)) for first, last in _RANGE.findall(line[2])]
        for text in lines
        if (line := _LINE.search(text))
    }
    if not found:
        raise FileError(
            f"{path}: got no line such as 'person01_boxing_d1 frame 1-95, 96-185', expected the file that "
            "comes with KTH; get it again, or set sequences: false"
        )
    for name, ranges in found.items():
        for first, last in ranges:
            if not 1 <= first <= last:
                raise FileError(
                    f"{path}: got frames {first}-{last} of {name}, expected them rising from 1; mend the line"
                )
    return found


def _cut(
    videos: Sequence[CachedVideo], sequences: Mapping[str, list[tuple[int, int]]]
) -> Iterator[FrameSource]:
    beyond = 0
    for video in videos:
        ranges = sequences.get(video.name.rsplit("/", 1)[-1])
        if ranges is None:
            _LOG.warning("%s: not in %s, taken whole", video.name, SEQUENCES)
            yield video
            continue
        numbers = video.numbers
        for first, last in ranges:
            begin, end = np.searchsorted(numbers, [first - 1, last]).tolist()
            beyond += last > numbers[-1] + 1
            if end > begin:
                yield SourcePart(video, begin, end)
    if beyond:
        _LOG.warning("%s: %d frame ranges end beyond their video and were cut", SEQUENCES, beyond)


def _strided(source: FrameSource, strides: Mapping[str, int]) -> FrameSource:
    stride = strides.get(source.name.split("/", 1)[0])
    return source if stride is None else StartsChosen(source, ClipStarts(stride))


def video_name(video: RawVideo) -> str | None:
    """Name a video ``walking/person01_walking_d1``; None for what is none of the data set."""
    match = _NAME.fullmatch(video.path.name if video.pictures else video.path.stem)
    return f"{match[2]}/person{match[1]}_{match[2]}_d{match[3]}" if match else None


def _is_wanted(name: str, settings: KthSettings) -> bool:
    match = _NAME.fullmatch(name.rsplit("/", 1)[-1])
    return (
        match is not None
        and int(match[1]) in settings.persons
        and (not settings.actions or match[2] in settings.actions)
        and (not settings.scenarios or int(match[3]) in settings.scenarios)
    )


def _keep(listed: Path, kept: Path) -> Path:
    """Lay a copy of the ranges into the cache, for where the videos are not; return the original."""
    if listed.is_file() and (not kept.is_file() or kept.read_bytes() != listed.read_bytes()):
        with whole_file(kept) as temporary:
            temporary.write_bytes(listed.read_bytes())
    return listed
