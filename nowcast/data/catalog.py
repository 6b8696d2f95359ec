"""Where frames come from: every kind of source by the name that a configuration gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.core.settings import build
from nowcast.data.caltech import CaltechSettings, open_caltech
from nowcast.data.human36m import Human36mSettings, open_human36m
from nowcast.data.kitti import KittiSettings, open_kitti
from nowcast.data.kth import KthSettings, open_kth
from nowcast.data.moving_digits import DigitSettings, MovingDigits
from nowcast.data.moving_mnist_file import MovingMnistFile, MovingMnistFileSettings
from nowcast.data.moving_rain import MovingRain, RainSettings
from nowcast.data.phases import at_step
from nowcast.data.radar_archive import ArchiveSettings, open_cached
from nowcast.data.radar_cache import CacheSettings, RadarCache
from nowcast.data.sevir import SevirSettings, open_sevir
from nowcast.data.source import FrameSource
from nowcast.data.taxibj import TaxiBjSettings, open_taxibj
from nowcast.data.video_files import VideoFilesSettings, open_video_files
from nowcast.data.video_folder import VideoFolderSettings, open_videos
from nowcast.data.weather_bench import WeatherBenchSettings, open_weather_bench


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
        "digits or clothes that move and bounce (Moving MNIST, Moving Fashion-MNIST), also rotate and scale "
        "(V-MNIST), made on the fly",
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
    "kitti": SourceEntry(
        "KITTI's raw recordings, parted by recording, as pictures or PredNet's stacks (.hkl)",
        KittiSettings,
        lambda settings, _: open_kitti(settings),
    ),
    "caltech": SourceEntry(
        "Caltech's pedestrians, parted by set, as films or pictures",
        CaltechSettings,
        lambda settings, _: open_caltech(settings),
    ),
    "taxibj": SourceEntry(
        "TaxiBJ: taxis that enter and leave squares of Beijing, as dataset.npz or the published HDF5 files",
        TaxiBjSettings,
        lambda settings, _: open_taxibj(settings),
    ),
    "sevir": SourceEntry(
        "SEVIR: storm events of vertically integrated liquid, parted by date",
        SevirSettings,
        lambda settings, _: open_sevir(settings),
    ),
    "weather_bench": SourceEntry(
        "global fields in netCDF as WeatherBench has them, a channel a variable, with real times",
        WeatherBenchSettings,
        lambda settings, _: open_weather_bench(settings),
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
