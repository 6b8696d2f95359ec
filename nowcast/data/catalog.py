"""Where frames come from: every kind of source by the name that a configuration gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.core.settings import build
from nowcast.data.human36m import Human36mSettings, open_human36m
from nowcast.data.kth import KthSettings, open_kth
from nowcast.data.moving_digits import DigitSettings, MovingDigits
from nowcast.data.moving_mnist_file import MovingMnistFile, MovingMnistFileSettings
from nowcast.data.moving_rain import MovingRain, RainSettings
from nowcast.data.phases import at_step
from nowcast.data.radar_archive import ArchiveSettings, open_cached
from nowcast.data.radar_cache import CacheSettings, RadarCache
from nowcast.data.source import FrameSource
from nowcast.data.video_files import VideoFilesSettings, open_video_files
from nowcast.data.video_folder import VideoFolderSettings, open_videos


@dataclass(frozen=True)
class SourceEntry:
    """One kind of source."""

    summary: str
    settings: type[Any]
    """Frozen dataclass of its settings."""
    open: Callable[[Any, Scaling], Sequence[FrameSource]]
    """Makes the sources from those settings; only radar takes notice of the scaling."""


SOURCES: dict[str, SourceEntry] = {
    "radar_archive": SourceEntry(
        "an archive, read through its memory-mapped cache, which is made when it is missing or stale",
        ArchiveSettings,
        lambda settings, scaling: at_step(open_cached(settings, scaling), settings.step_minutes),
    ),
    "radar_cache": SourceEntry(
        "a memory-mapped cache without its archive, on a machine with numpy and torch alone",
        CacheSettings,
        lambda settings, scaling: at_step(RadarCache(settings.path, scaling, settings), settings.step_minutes),
    ),
    "video_folder": SourceEntry(
        "videos as folders of frame pictures, also in categories",
        VideoFolderSettings,
        lambda settings, _: open_videos(settings),
    ),
    "moving_digits": SourceEntry(
        "digits that move and bounce (Moving MNIST), also rotate and scale (V-MNIST), made on the fly",
        DigitSettings,
        lambda settings, _: [MovingDigits(settings)],
    ),
    "moving_rain": SourceEntry(
        "made-up rain cells that a wind carries while they grow and decay, made on the fly, in dBZ",
        RainSettings,
        lambda settings, scaling: [MovingRain(settings, scaling)],
    ),
    "moving_mnist_file": SourceEntry(
        "Moving MNIST's fixed test file mnist_test_seq.npy, memory-mapped",
        MovingMnistFileSettings,
        lambda settings, _: [MovingMnistFile(settings)],
    ),
    "video_files": SourceEntry(
        "video files of any format and folders of them, also in categories (MLST, UCF), decoded once",
        VideoFilesSettings,
        lambda settings, _: open_video_files(settings),
    ),
    "kth": SourceEntry(
        "KTH human actions, parted by person, as avi files or extracted frames, decoded once",
        KthSettings,
        lambda settings, _: open_kth(settings),
    ),
    "human36m": SourceEntry(
        "Human3.6M, parted by subject, as mp4 files or extracted frames, decoded once",
        Human36mSettings,
        lambda settings, _: open_human36m(settings),
    ),
}


def build_sources(
    choices: Sequence[Mapping[str, Any]], scaling: Scaling | None = None, where: str = "data.sources"
) -> list[FrameSource]:
    """Open the sources that a configuration names.

    Args:
        choices: each ``{"kind": name in SOURCES, "settings": {...}}``.
        scaling: how dBZ of radar sources become what a network reads.
        where: name of the group of settings, for errors.

    Raises:
        SettingsError: an unknown kind, or an unknown or wrong setting of it.
        FileError, ArchiveError: what it names is not there.
    """
    sources: list[FrameSource] = []
    for number, choice in enumerate(choices):
        place = f"{where}[{number}]"
        unknown = [key for key in choice if key not in ("kind", "settings")]
        if unknown or choice.get("kind") not in SOURCES:
            raise SettingsError(
                f"{place}: got {dict(choice)!r}, expected 'kind' (one of {', '.join(SOURCES)}) and 'settings'"
            )
        entry = SOURCES[choice["kind"]]
        settings = build(entry.settings, choice.get("settings") or {}, f"{place}.settings")
        sources.extend(entry.open(settings, scaling or Scaling()))
    return sources
