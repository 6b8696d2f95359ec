"""SEVIR: storm events over the United States, 49 frames of vertically integrated liquid every 5 minutes.

An event is a video of 384 x 384 pixels of a kilometre, bytes 0 ... 254 and 255 where nothing was observed;
a network reads byte / 255, as the published baselines do. CATALOG.csv says what each event is and when.

Source: Veillette, Samsi, Mattioli, "SEVIR: A Storm Event Imagery Dataset for Deep Learning Applications in
Radar and Satellite Meteorology", NeurIPS 2020. The split by date is that of its baselines (test from June
2019) with the validation of Earthformer (Gao et al., NeurIPS 2022: from January 2019).
Dimensions: N events of a file, T frames, H rows, W columns.
"""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from nowcast.core.errors import FileError, SettingsError, TimeError
from nowcast.core.times import parse_time
from nowcast.data.cached_video import CachedVideo
from nowcast.data.frame_stack import DamagedVideoError, FrameBatch
from nowcast.data.frame_transform import FrameTransform
from nowcast.data.hdf5_arrays import array_of, open_hdf5
from nowcast.data.published_split import SplitPart
from nowcast.data.raw_videos import RawVideo
from nowcast.data.video_cache import CachedSettings
from nowcast.data.video_files import open_named

_LOG = logging.getLogger(__name__)
CATALOG = "CATALOG.csv"
MISSING = 255
_STEP_MINUTES = 5
_EVENT = re.compile(r"[A-Za-z0-9]{1,40}")
_COLUMNS = ("id", "file_name", "file_index", "img_type", "time_utc", "minute_offsets")
HOW_TO_GET = (
    "get CATALOG.csv and data/vil of the bucket s3://sevir (aws s3 cp --no-sign-request "
    "s3://sevir/CATALOG.csv . and aws s3 sync --no-sign-request s3://sevir/data/vil vil; see "
    "https://registry.opendata.aws/sevir/ for the terms) and lay them as sevir/CATALOG.csv and "
    "sevir/vil/2019/SEVIR_VIL_STORMEVENTS_2019_0101_0630.h5"
)


@dataclass(frozen=True)
class SevirSettings(CachedSettings):
    """SEVIR's vertically integrated liquid.

    Raises:
        SettingsError: dates that are none or do not rise, a size below 1.
    """

    part: SplitPart = "train"
    size: tuple[int, int] | None = None
    """Rows and columns to which frames are resized; None keeps 384 x 384."""
    frame_step: int = 1
    """Keep every n-th frame."""
    events: Literal["all", "storms", "random"] = "all"
    """``storms`` are those of the weather service's data base (id S...), ``random`` the others (R...)."""
    validation_from: str = "2019-01-01"
    """First date to validate on; events before it are to train on."""
    test_from: str = "2019-06-01"
    """First date to test on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.transform
        try:
            rising = parse_time(self.validation_from) <= parse_time(self.test_from)
        except TimeError as error:
            raise SettingsError(f"sevir.validation_from, test_from: {error}") from error
        if not rising:
            raise SettingsError(
                f"sevir.validation_from: got {self.validation_from}, expected it before test_from, "
                f"{self.test_from}"
            )

    @property
    def transform(self) -> FrameTransform:
        """How frames become those of a clip."""
        return FrameTransform("gray", self.size, step=self.frame_step)

    def part_of(self, start: int) -> SplitPart:
        """Return the part that an event of this time (nanoseconds since 1970) belongs to."""
        time = np.datetime64(start, "ns")
        if time >= parse_time(self.test_from):
            return "test"
        return "validation" if time >= parse_time(self.validation_from) else "train"


@dataclass(frozen=True)
class SevirEvent:
    """One event of a SEVIR file: a stack of frames, last axis time."""

    path: Path
    index: int
    event: str
    start: int

    rate = Fraction(1, 60 * _STEP_MINUTES)
    missing = MISSING

    @property
    def files(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)

    def batches(self) -> Iterator[FrameBatch]:
        """Read the event: one batch of uint8 (T, H, W)."""
        try:
            with open_hdf5(self.path) as file:
                vil, names = array_of(file, "vil", 4), array_of(file, "id", 1)
                if vil.dtype != np.uint8 or 0 in vil.shape or not self.index < min(len(vil), len(names)):
                    raise DamagedVideoError(
                        f"got {vil.dtype} of {len(vil)} events, expected bytes of more than {self.index} events"
                    )
                found = names[self.index]
                name = found.decode("ascii", "replace") if isinstance(found, bytes) else str(found)
                if name != self.event:
                    raise DamagedVideoError(f"got event {name} at {self.index}, expected {self.event}")
                frames = np.ascontiguousarray(np.moveaxis(vil[self.index], -1, 0))
        except FileError as error:
            raise DamagedVideoError(str(error)) from error
        yield FrameBatch(list(range(len(frames))), frames)


def open_sevir(settings: SevirSettings, progress: bool = True) -> list[CachedVideo]:
    """Open the events of a part, each a video, in the order of their files.

    Raises:
        FileError: SEVIR is not there (the message says where to get it), or no event can be used.
    """
    there = settings.path.is_dir()
    events = find_events(settings.path)[0] if there else None
    if events is not None:
        events = [video for video in events if settings.part_of(_start(video)) == settings.part]
    return [
        video
        for video in open_named(
            events,
            settings,
            lambda video: video.name,
            lambda name: _is_wanted(name, settings),
            f"got no events of the part '{settings.part}'; {HOW_TO_GET}",
            progress,
        )
        if settings.part_of(video.metadata.start) == settings.part
    ]


def find_events(root: Path) -> tuple[list[RawVideo], list[str]]:
    """Find the events of the catalog whose files are there, and the names of the files that are not.

    A name in the catalog is only compared with the files that lie in the folder, never followed.

    Raises:
        FileError: no catalog, or none of SEVIR.
    """
    files = {path.name: path for path in sorted(root.rglob("*.h5"))}
    found, absent = [], set()
    for row in _rows(root / CATALOG):
        name = Path(row["file_name"] or "").name
        if not name:
            raise FileError(f"{root / CATALOG}: got a row without a file; get the catalog again")
        if name not in files:
            absent.add(name)
            continue
        event = _event(row, files[name], root / CATALOG)
        found.append(RawVideo(f"{files[name].stem}/{event.index:05d}_{event.event}", event.path, stack=event))
    return sorted(found, key=lambda video: video.name), sorted(absent)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            lacking = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
            if lacking:
                raise FileError(
                    f"{path}: got no column {', '.join(lacking)}, expected SEVIR's catalog; {HOW_TO_GET}"
                )
            for row in rows:
                if row["img_type"] == "vil":
                    yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path}: cannot be read ({error}); {HOW_TO_GET}") from error


def _event(row: dict[str, str], path: Path, catalog: Path) -> SevirEvent:
    try:
        index, offsets = int(row["file_index"]), [float(text) for text in row["minute_offsets"].split(":")]
        time = parse_time(row["time_utc"].replace(" ", "T"))
    except (TypeError, ValueError, AttributeError, TimeError) as error:
        raise FileError(f"{catalog}: got a row of no time or place ({error}); get the file again") from error
    even = np.allclose(np.diff(offsets), _STEP_MINUTES)
    if index < 0 or not even or _EVENT.fullmatch(row["id"]) is None:
        raise FileError(
            f"{catalog}: got event {row['id']!r} at {index} with offsets {row['minute_offsets'][:40]}, "
            "expected a name of letters and digits, a place from 0 on and frames every "
            f"{_STEP_MINUTES} minutes; get the file again"
        )
    first = np.timedelta64(round(offsets[0] * 60), "s")
    return SevirEvent(path, index, row["id"], int((time + first).astype("datetime64[ns]").astype(np.int64)))


def _start(video: RawVideo) -> int:
    return 0 if video.stack is None else video.stack.start


def _is_wanted(name: str, settings: SevirSettings) -> bool:
    wanted = {"all": ("S", "R"), "storms": ("S",), "random": ("R",)}[settings.events]
    return name.rsplit("_", 1)[-1].startswith(wanted)
