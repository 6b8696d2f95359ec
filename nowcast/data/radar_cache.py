"""The memory-mapped radar cache: what training reads. numpy only, so that it runs on a bare GPU box.

A cache is a folder: ``frames.npy`` (T, H, W) int16 packed dBZ as in the archive, ``wet.npy`` (T, h, w)
wet pixels a block, and ``cache.json`` with times, step, packing, ground size and the fingerprint of
the archive it was made from. Dimensions: T frames, H rows, W columns.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.scaling import Scaling
from nowcast.core.times import Times
from nowcast.data.importance_sampling import WetBlocks
from nowcast.data.source import FrameArray, SentWithoutCaches, check_span

FORMAT = 1
FRAMES, WET, METADATA = "frames.npy", "wet.npy", "cache.json"


@dataclass(frozen=True, kw_only=True)
class RadarSettings:
    """How the frames of one radar archive are taken, beside those of others."""

    step_minutes: float | None = None
    """A longer step than its own: each phase of it (:00, :10 and :05, :15) is a source, no frame is lost."""
    taken_as_minutes: float | None = None
    """Take frames for such as lie so far apart: every 6 minutes as if every 5. Their motion is estimated from
    themselves and stays right; growth and decay are taught slower or faster by as much."""
    faintest_dbz: float | None = None
    """The archive does not tell fainter echoes from dry (classes from 15 dBZ on); events below are
    not learnt."""
    weight: float = 1.0
    """How often its clips are drawn beside those of another source that are as wet; where wet clips are
    preferred (``data.minimum_sampling_weight``)."""

    def __post_init__(self) -> None:
        if not self.weight > 0 or not (self.taken_as_minutes is None or self.taken_as_minutes > 0):
            raise SettingsError(
                f"data.sources: got weight={self.weight:g}, taken_as_minutes={self.taken_as_minutes}, expected "
                "numbers above 0; leave them out to take the archive as it is"
            )


@dataclass(frozen=True)
class CacheSettings(RadarSettings):
    """A cache that was made before, by `nowcast.data.radar_archive.make_cache`."""

    path: Path


@dataclass(frozen=True)
class CacheMetadata:
    """What ``cache.json`` holds."""

    times_ns: tuple[int, ...]
    step_ns: int
    scale: float
    offset: float
    fill: int
    """Code of not observed."""
    no_echo: int
    """Code of observed and dry."""
    fingerprint: str
    """Of the archive."""
    grid_km: tuple[float, float]
    """Height and width of a cell on the ground."""
    wet_dbz: float
    block: int
    """Side of a block of ``wet.npy`` in pixels."""
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write ``cache.json`` into ``folder``."""
        (folder / METADATA).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> CacheMetadata:
        """Read ``cache.json`` of ``folder``.

        Raises:
            FileError: no cache there, or not one of this version.
        """
        again = "make it anew from its archive"
        try:
            found = json.loads((Path(folder) / METADATA).read_text(encoding="utf-8"))
        except OSError as error:
            raise FileError(f"{folder}: no radar cache ({error.strerror}); {again}") from error
        except ValueError as error:
            raise FileError(f"{folder}/{METADATA}: damaged ({error}); {again}") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise FileError(f"{folder}/{METADATA}: not a cache of format {FORMAT}; {again}")
        try:
            lists = {"times_ns": tuple(found["times_ns"]), "grid_km": tuple(found["grid_km"])}
            return cls(**{**found, **lists})
        except (KeyError, TypeError) as error:
            raise FileError(f"{folder}/{METADATA}: damaged ({error}); {again}") from error


class RadarCache(SentWithoutCaches):
    """A frame source over a cache folder.

    The map of the file is opened at the first read and not sent to workers, which open their own.

    Args:
        path: the folder.
        scaling: how dBZ become what a network reads.
        settings: how its frames are taken; `nowcast.data.phases` sees to ``step_minutes``.

    Raises:
        FileError: no cache, or a damaged one.
    """

    def __init__(
        self, path: Path, scaling: Scaling | None = None, settings: RadarSettings | None = None
    ) -> None:
        taken = settings or RadarSettings()
        self.path = Path(path)
        self.name = str(self.path)
        self.scaling = scaling or Scaling()
        self.metadata = CacheMetadata.read(self.path)
        self._decoder = Decoder.of(self.metadata, self.scaling)
        if len(self._frames) != len(self.metadata.times_ns):
            raise FileError(
                f"{self.path}: got {len(self._frames)} frames, expected {len(self.metadata.times_ns)}; "
                "make it anew from its archive"
            )
        own = np.timedelta64(self.metadata.step_ns, "ns")
        minutes = taken.taken_as_minutes
        self.step = own if minutes is None else np.timedelta64(round(minutes * 60e9), "ns")
        self._own_step = own
        faintest = taken.faintest_dbz
        self.faintest = 0.0 if faintest is None else self.scaling.scaled(faintest)
        """Scaled value below which an echo is not told from dry."""
        self.sampling_weight = taken.weight
        self.grid_km = self.metadata.grid_km
        """Height and width of a cell on the ground, km."""
        self.frame_shape = (1, *self._frames.shape[1:])
        self.fingerprint = f"{self.metadata.fingerprint}:{self.scaling.low_dbz:g}:{self.scaling.high_dbz:g}"
        """The archive's and the scaling: changes when what is read changes."""
        if self.step != own:
            self.fingerprint += f":taken every {minutes:g}min"

    @cached_property
    def times(self) -> Times:
        """Times of the frames, UTC ``datetime64[ns]``; spread or drawn together where the step is another."""
        own: Times = np.array(self.metadata.times_ns, dtype=np.int64).view("datetime64[ns]")
        if self.step == self._own_step:
            return own
        return own[:1] + ((own - own[:1]) // self._own_step).astype(np.int64) * self.step

    @cached_property
    def wet(self) -> WetBlocks:
        """Wet pixels a block, for drawing wet clips more often."""
        counts = _open(self.path / WET)
        pixels = self._frames.shape[1] * self._frames.shape[2]
        return WetBlocks(np.asarray(counts), self.metadata.block, self.metadata.wet_dbz, pixels)

    def packed(self, first: int, count: int, rows: slice, columns: slice) -> npt.NDArray[np.int16]:
        """Return packed frames as they lie in the file, without a copy: (T, h, w)."""
        check_span(self, first, count, len(self._frames))
        found: npt.NDArray[np.int16] = self._frames[first : first + count, rows, columns]
        return found

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read frames cut to rows and columns: (T, 1, h, w) in [0, 1], NaN where not observed."""
        return self._decoder.decode(self.packed(first, count, rows, columns))[:, np.newaxis]

    @cached_property
    def _frames(self) -> npt.NDArray[np.int16]:
        found = _open(self.path / FRAMES)
        if found.dtype != np.int16 or found.ndim != 3:
            raise FileError(f"{self.path}/{FRAMES}: got {found.dtype} {found.shape}, expected int16 (T, H, W)")
        return found.view(np.ndarray)


@dataclass(frozen=True)
class Decoder:
    """Packed codes to [0, 1] in place and in few passes: ``code * gain + bias``, clipped, NaN at ``fill``."""

    gain: np.float32
    bias: np.float32
    fill: np.int16
    no_echo: np.int16 | None
    """None where the clipping already makes no echo 0."""

    @classmethod
    def of(cls, metadata: CacheMetadata, scaling: Scaling) -> Decoder:
        """Join packing and scaling into one linear map."""
        width = scaling.high_dbz - scaling.low_dbz
        dry = metadata.no_echo * metadata.scale + metadata.offset
        return cls(
            np.float32(metadata.scale / width),
            np.float32((metadata.offset - scaling.low_dbz) / width),
            np.int16(metadata.fill),
            None if dry <= scaling.low_dbz else np.int16(metadata.no_echo),
        )

    def decode(self, codes: npt.NDArray[np.int16]) -> FrameArray:
        """Decode codes of any shape to a new float32 array."""
        scaled = codes.astype(np.float32)
        scaled *= self.gain
        scaled += self.bias
        np.clip(scaled, 0.0, 1.0, out=scaled)
        if self.no_echo is not None:
            np.copyto(scaled, np.float32(0), where=codes == self.no_echo)
        unseen = codes == self.fill
        if unseen.any():
            np.copyto(scaled, np.float32(np.nan), where=unseen)
        return scaled


def _open(path: Path) -> npt.NDArray[Any]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (OSError, ValueError, EOFError) as error:
        raise FileError(f"{path}: damaged radar cache ({error}); make it anew from its archive") from error
