"""Clips: windows over frame sources, cropped, oriented and stacked for a network. numpy only.

Dimensions: T past frames, S future frames, N all frames of a window, C channels, H rows, W columns of
the crop. torch's DataLoader takes the data set as it is: it asks for ``__len__`` and ``__getitem__``
and stacks the arrays of a NamedTuple into tensors.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from functools import cached_property
from multiprocessing import RawValue
from multiprocessing.context import get_spawning_popen
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError, TimeError
from nowcast.data.clip_starts import described_starts, starts_of
from nowcast.data.crops import Crop, Orientation, centre, draw, oriented
from nowcast.data.frame_shapes import check_shapes
from nowcast.data.importance_sampling import ImportanceSampling, window_weights
from nowcast.data.missing_frames import GapFilledSource, check_missing
from nowcast.data.source import FrameArray, FrameSource, faintest_of, fingerprint_of
from nowcast.data.windows import ClipWindow

_LOG = logging.getLogger(__name__)


class ClipSample(NamedTuple):
    """One clip, whose batch is `nowcast.models.base.Clip`.

    Frames hold 0 where nothing was observed (a missing frame: the one before it). From here on ``observed``
    alone tells, and nothing turns into NaN again.
    """

    past: FrameArray
    """(T, C, H, W) float32 in [0, 1]"""
    future: FrameArray
    """(S, C, H, W)"""
    observed: npt.NDArray[np.bool_]
    """(T + S, C, H, W): True where the pixel was observed."""
    context: FrameArray
    """(N, C, H, W): the clip with the frames before and after it; N = 0 if none were asked for."""
    faintest: FrameArray
    """Without dimensions: the source does not tell what is fainter from dry; 0 where it tells all."""


class Place(NamedTuple):
    """Where a clip comes from."""

    source: int
    first: int
    """Index of the first frame of the window, its ``before`` frames included."""
    crop: Crop
    orientation: Orientation


class VideoDataset:
    """All clips of some frame sources, one an index: radar, videos and digits alike.

    In training the data set shuffles itself: index i of epoch e is a draw from ``(seed, e, i)`` alone,
    so it is the same with any number of workers, in any order and after a resume; a loader need not
    shuffle. Without importance sampling every window comes once an epoch, with it windows are drawn with
    replacement. Outside training the clips are those of every window in order, uncropped or cut at the
    centre.

    Args:
        sources: frame sources of one step and one number of channels.
        window: which frames make a clip.
        crop: rows and columns; None takes whole frames, which then must all have one size.
        seed: of all draws, >= 0.
        train: draw clips at random.
        flips_and_rotations: flip and (square crops) rotate by quarter turns in training.
        importance: prefer wet clips and crops in training; only sources that know their wet area are weighed.
        length: clips an epoch in training; None is the number of windows.
        missing: at most so many of a clip's future frames may be missing; they are not ``observed``, and
            hold the frame before them.

    Raises:
        SettingsError: no sources, sizes, channels that differ, a crop larger than a frame.
        TimeError: steps that differ, or no gap-free window at all.
    """

    def __init__(
        self,
        sources: Sequence[FrameSource],
        window: ClipWindow,
        *,
        crop: tuple[int, int] | None = None,
        seed: int = 0,
        train: bool = True,
        flips_and_rotations: bool = True,
        importance: ImportanceSampling | None = None,
        length: int | None = None,
        missing: int = 0,
    ) -> None:
        check_missing(missing, window)
        self.sources = tuple(GapFilledSource(source) if missing else source for source in sources)
        self.window = window
        self.seed = seed
        self.train = train
        self.flips_and_rotations = flips_and_rotations
        self.importance = importance
        self.size = check_shapes(self.sources, crop)
        """Rows and columns of a clip."""
        if seed < 0 or (length is not None and length < 1):
            raise SettingsError(f"data: got seed={seed}, length={length}, expected seed >= 0, length >= 1")
        starts = [starts_of(source, window, missing) for source in self.sources]
        self._source = np.repeat(np.arange(len(starts)), [len(found) for found in starts])
        self._first = np.concatenate(starts)
        if len(self._first) == 0:
            longest = max(len(source.times) for source in self.sources)
            raise TimeError(
                f"data: got no {window.steps} frames {_whole(missing)} in {len(self.sources)} sources "
                f"(the longest has {longest} frames), expected at least one window of "
                f"{window.past} + {window.future}; take a longer period or a shorter window"
            )
        _log_short(self.sources, starts, window, missing)
        if train and importance is not None:
            weights = window_weights(self.sources, starts, window, importance.minimum_weight)
            self._chances = weights.cumsum()
        self._length = (train and length) or len(self._first)
        self._epoch = RawValue("q", 0)
        self._order: tuple[tuple[int, int], npt.NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Clips an epoch."""
        return self._length

    @property
    def windows(self) -> int:
        """Windows over all sources, gap-free but for ``missing`` future frames."""
        return len(self._first)

    @property
    def channels(self) -> int:
        """Channels of a frame."""
        return self.sources[0].frame_shape[0]

    @property
    def step(self) -> np.timedelta64:
        """Time between two frames of a clip."""
        return self.sources[0].step * self.window.every

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the frames' content, their times or the window."""
        described = repr((self.window, self.size)).replace("ClipWindow", "Window")  # as older runs have it
        digest = hashlib.sha256(described.encode())
        for source in self.sources:
            digest.update(fingerprint_of(source).encode())
            digest.update(described_starts(source).encode())
            digest.update(np.ascontiguousarray(source.times).tobytes())
        return digest.hexdigest()[:16]

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch: other draws. Running workers see it too, persistent ones included."""
        self._epoch.value = epoch

    @property
    def epoch(self) -> int:
        """The epoch that clips are of."""
        return int(self._epoch.value)

    def place(self, index: int) -> Place:
        """Find where clip ``index`` of this epoch comes from."""
        if not 0 <= index < self._length:
            raise IndexError(f"clip {index} of {self._length}")
        if not self.train:
            source = int(self._source[index])
            middle = centre(self.sources[source].frame_shape[1:], self.size)
            return Place(source, int(self._first[index]), middle, Orientation())
        random = np.random.default_rng((self.seed, self.epoch, index))
        number = self._draw_window(index, random)
        source, first = int(self._source[number]), int(self._first[number])
        frames = slice(first, first + self.window.steps)
        minimum = None if self.importance is None else self.importance.minimum_weight
        crop = draw(self.sources[source], frames, self.size, minimum, random)
        square = self.size[0] == self.size[1]
        way = Orientation.draw(random, square) if self.flips_and_rotations else Orientation()
        return Place(source, first, crop, way)

    def source_name(self, index: int) -> str:
        """Return the name of the source that clip ``index`` of this epoch comes from."""
        return self.sources[self.place(index).source].name

    def reference_time(self, index: int) -> np.datetime64:
        """Return the time of the newest past frame of clip ``index``: its forecast reference time."""
        place = self.place(index)
        newest = place.first + (self.window.before + self.window.past - 1) * self.window.every
        return np.datetime64(self.sources[place.source].times[newest], "ns")

    def __getitem__(self, index: int) -> ClipSample:
        """Read clip ``index`` of this epoch."""
        return ClipSample(*(np.asarray(part[0]) for part in self._gathered([self.place(index)])))

    def batch(self, keys: Sequence[tuple[int, int]]) -> ClipSample:
        """Read clips by epoch and index, each straight into its place: an axis in front of those of one."""
        places = []
        for epoch, index in keys:
            self.set_epoch(epoch)
            places.append(self.place(index))
        return self._gathered(places)

    def _gathered(self, places: Sequence[Place]) -> ClipSample:
        window = self.window
        shape = (len(places), window.frames, self.channels, *self.size)
        frames, observed = np.empty(shape, np.float32), np.empty(shape, np.bool_)
        for number, place in enumerate(places):
            self._read_into(place, frames[number], observed[number])
        faintest = [faintest_of(self.sources[place.source]) for place in places]
        first, reference, last = window.before, window.before + window.past, window.frames - window.after
        return ClipSample(
            past=frames[:, first:reference],
            future=frames[:, reference:last],
            observed=observed[:, first:last],
            context=frames if window.before + window.after > 0 else frames[:, :0],
            faintest=np.asarray(faintest, np.float32),
        )

    def _read_into(self, place: Place, frames: FrameArray, observed: npt.NDArray[np.bool_]) -> None:
        """Read one clip into (N, C, H, W), with where it was observed."""
        source = self.sources[place.source]
        np.copyto(frames, oriented(self._read(place), place.orientation))
        np.isnan(frames, out=observed)
        if observed.any():
            np.copyto(frames, np.float32(0), where=observed)
        np.logical_not(observed, out=observed)
        if isinstance(source, GapFilledSource):
            observed &= source.present[self._numbers(place)][:, np.newaxis, np.newaxis, np.newaxis]

    def _read(self, place: Place) -> FrameArray:
        source, (rows, columns) = self.sources[place.source], place.crop
        if self.window.every == 1:
            return source.read(place.first, self.window.frames, rows, columns)
        return np.concatenate([source.read(number, 1, rows, columns) for number in self._numbers(place)])

    def _numbers(self, place: Place) -> npt.NDArray[np.int64]:
        return place.first + self.window.every * np.arange(self.window.frames)

    def _draw_window(self, index: int, random: np.random.Generator) -> int:
        if self.importance is not None:
            found = np.searchsorted(self._chances, random.random() * self._chances[-1], side="right")
            return min(int(found), self.windows - 1)
        time_round, place = divmod(index, self.windows)
        key = (self.epoch, time_round)
        if self._order is None or self._order[0] != key:
            shuffled = np.random.default_rng((self.seed, *key, 0, 1)).permutation(self.windows)
            self._order = (key, shuffled)
        return int(self._order[1][place])

    def __getstate__(self) -> dict[str, Any]:
        """Return what a worker needs; the epoch stays shared only with workers of a loader."""
        state = self.__dict__.copy()
        if get_spawning_popen() is None:
            state["_epoch"] = self.epoch
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what `__getstate__` returned."""
        self.__dict__.update(state)
        if isinstance(state["_epoch"], int):
            self._epoch = RawValue("q", state["_epoch"])


def _whole(missing: int) -> str:
    return f"of which at most {missing} are missing" if missing else "without a gap"


def _log_short(
    sources: Sequence[FrameSource], starts: Sequence[npt.NDArray[np.int64]], window: ClipWindow, missing: int
) -> None:
    short = [source.name for source, found in zip(sources, starts, strict=True) if len(found) == 0]
    if short:
        _LOG.warning(
            "data: %d of %d sources have no %d frames %s and give no clip, the first is '%s'",
            len(short),
            len(sources),
            window.steps,
            _whole(missing),
            short[0],
        )
