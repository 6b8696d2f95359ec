"""The cache of videos: each is decoded once, and again when its file or the wanted frames changed.

A cache is a folder with one folder in it for each way of looking at the frames (colour, size, …), in
which every video has its own two files (`nowcast.data.cached_video`). So parts of a data set share it,
a video that changed is decoded alone, and what was done before a kill stays done.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.lock import sole_holder
from nowcast.core.processes import Workers
from nowcast.data.cached_video import CachedVideo, Facts, facts_path, forget_maps
from nowcast.data.video_decode import Take, Task, cache_take, check_decoder
from nowcast.data.video_look import Colour, Look, Resize

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoSettings:
    """What all kinds of videos have in common.

    Raises:
        SettingsError: a value outside its range.
    """

    path: Path
    """The video, or the folder of videos."""
    colour: Colour = "gray"
    size: tuple[int, int] | None = None
    """Rows and columns to which frames are resized; None keeps them."""
    middle: float = 1.0
    """Share of the rows and of the columns that is kept around the middle, before resizing."""
    resize: Resize = "antialiased"
    """See `nowcast.data.video_look.Look`."""
    frame_step: int = 1
    """Keep every n-th frame. `Window.every` does the same later and leaves the others in the cache."""
    frames_per_second: float | None = None
    """Instead of what a video says; None takes that, and 25 for pictures. Nothing is interpolated."""
    shortest: int = 2
    """Videos with fewer frames are skipped."""
    cache: Path | None = None
    """Where decoded frames lie; None is beside the videos, as NAME.cache."""
    processes: int = 2
    """That decode side by side."""

    def __post_init__(self) -> None:
        _ = self.look
        if self.frames_per_second is not None and not 0 < self.frames_per_second <= 1e6:
            raise SettingsError(
                f"video.frames_per_second: got {self.frames_per_second:g}, expected above 0"
            )
        for name in ("shortest", "processes"):
            if getattr(self, name) < 1:
                raise SettingsError(f"video.{name}: got {getattr(self, name)}, expected >= 1")

    @property
    def look(self) -> Look:
        """How frames become those of a clip."""
        return Look(self.colour, self.size, self.middle, self.resize, self.frame_step)

    @property
    def cache_folder(self) -> Path:
        """Where decoded frames lie: ``videos/kth`` -> ``videos/kth.cache`` beside it."""
        path = Path(os.path.abspath(self.path))  # noqa: PTH100 - not resolved: a link stays where it is
        return self.cache if self.cache is not None else path.with_name(f"{path.name}.cache")


def open_takes(
    takes: Sequence[Take], settings: VideoSettings, progress: bool = True
) -> list[CachedVideo]:
    """Give every usable take as a frame source, decoding those that the cache does not hold.

    Damaged and too short videos are named in the log, and counted.

    Raises:
        MissingExtraError: something must be decoded and PyAV is not installed.
        FileError: not one video can be used, or the cache cannot be written.
    """
    folder = settings.cache_folder / settings.look.key
    known = _fresh(takes, settings.look, folder)
    if len(known) < len(takes):
        if any(not take.pictures for take in takes if take.name not in known):
            check_decoder()
        with sole_holder(settings.cache_folder / ".lock", partial(_wait_for, settings.cache_folder)):
            _remove_remains(folder)
            known = _fresh(takes, settings.look, folder)  # another process may have been at it
            stale = [take for take in takes if take.name not in known]
            for facts in _decode(stale, settings, folder, progress):
                known[facts.name] = facts
        forget_maps()
    return _sources([known[take.name] for take in takes], settings)


def open_without_files(settings: VideoSettings) -> list[CachedVideo]:
    """Give the videos that a cache holds where the videos themselves are not: on a GPU box, say.

    Returns:
        None at all if there is no such cache.
    """
    folder = settings.cache_folder / settings.look.key
    found = [Facts.read(path) for path in sorted(folder.rglob("*.json"))]
    facts = [one for one in found if one is not None and one.is_whole(folder)]
    if not facts:
        return []
    _LOG.info("%s: not there, its cache is read: %s", settings.path, folder)
    return _sources(facts, settings)


def _fresh(takes: Sequence[Take], look: Look, folder: Path) -> dict[str, Facts]:
    found = {}
    for take in takes:
        facts = Facts.read(facts_path(folder, take.name))
        if facts is not None and facts.identity == take.identity(look) and facts.is_whole(folder):
            found[take.name] = facts
    return found


def _decode(
    takes: Sequence[Take], settings: VideoSettings, folder: Path, progress: bool
) -> Iterator[Facts]:
    tasks = [Task(take, settings.look, folder) for take in takes]
    frames = 0
    with Workers(settings.processes) as pool, tqdm(
        pool.each(cache_take, tasks, _crashed), f"decode {settings.path.name}",
        total=len(tasks), unit="video", disable=not progress, delay=2, mininterval=1,
    ) as bar:
        for facts in bar:
            frames += facts.shape[0]
            bar.set_postfix_str(f"{frames} frames", refresh=False)
            yield facts


def _crashed(task: Task, how: str) -> Facts:
    """Record a video on which the decoder crashed."""
    facts = Facts(task.take.name, task.take.identity(task.look), problem=f"decoding it {how}")
    facts.write(task.folder)
    return facts


def _sources(known: Sequence[Facts], settings: VideoSettings) -> list[CachedVideo]:
    folder = settings.cache_folder / settings.look.key
    problems = [(facts.name, problem) for facts in known if (problem := _problem(facts, settings))]
    for name, problem in problems:
        _LOG.warning("%s: video '%s' skipped: %s", settings.path, name, problem)
    if problems:
        _LOG.warning("%s: %d of %d videos skipped", settings.path, len(problems), len(known))
    if len(problems) == len(known):
        name, problem = problems[0]
        raise FileError(
            f"{settings.path}: got no video that can be used of {len(known)}, the first is '{name}': "
            f"{problem}; get the files again"
        )
    skipped = {name for name, _ in problems}
    return [
        CachedVideo(folder, facts, settings.frames_per_second)
        for facts in known if facts.name not in skipped
    ]


def _problem(facts: Facts, settings: VideoSettings) -> str:
    if not facts.problem and facts.shape[0] < settings.shortest:
        return f"got {facts.shape[0]} frames, expected at least {settings.shortest}"
    return facts.problem


def _wait_for(folder: Path, holder: str) -> None:
    _LOG.info("%s: another process (%s) decodes into it, waiting", folder, holder)


def _remove_remains(folder: Path) -> None:
    """Remove what a process that was killed had begun to write."""
    for part in folder.rglob(".*.part"):
        part.unlink(missing_ok=True)
