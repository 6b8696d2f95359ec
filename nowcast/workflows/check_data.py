"""Checking a folder of data: what it is, what is there, what is missing, whether every frame can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from nowcast.core.errors import FileError, NowcastError, SettingsError, complain, printable
from nowcast.core.processes import Workers
from nowcast.data.survey import Survey, VideoFacts, look_at, lost, shortly
from nowcast.data.surveys_of_arrays import (
    survey_moving_digits,
    survey_moving_mnist_file,
    survey_sevir,
    survey_taxibj,
    survey_weather_bench,
)
from nowcast.data.surveys_of_videos import (
    survey_caltech,
    survey_human36m,
    survey_kitti,
    survey_kth,
    survey_video_files,
)
from nowcast.data.video_decode import check_decoder

SURVEYS: dict[str, Callable[[Path], Survey | None]] = {
    "kth": survey_kth,
    "human36m": survey_human36m,
    "kitti": survey_kitti,
    "caltech": survey_caltech,
    "sevir": survey_sevir,
    "taxibj": survey_taxibj,
    "weather_bench": survey_weather_bench,
    "moving_mnist_file": survey_moving_mnist_file,
    "moving_digits": survey_moving_digits,
    "video_files": survey_video_files,
}
"""By kind of source, in the order in which a folder is asked: names that say more come first."""
_MOST_LINES = 20


@dataclass(frozen=True)
class DataReport:
    """What a check of a folder found."""

    path: Path
    survey: Survey
    videos: tuple[VideoFacts, ...]

    @property
    def damaged(self) -> tuple[VideoFacts, ...]:
        """Videos that cannot be used."""
        return tuple(video for video in self.videos if video.problem)

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged, and no list names what is not there; a set may still be incomplete."""
        return not (self.damaged or self.survey.faults)

    def __str__(self) -> str:
        survey = self.survey
        rows = [("kind", survey.kind)]
        if self.videos:
            rows.append(("videos", self._counted()))
        if survey.parts:
            counts = Counter(survey.parts.values())
            rows.append(("parts", ", ".join(f"{part} {count}" for part, count in sorted(counts.items()))))
        for group in survey.groups:
            shown = shortly(group.there, 8)
            of = f" of {len(group.published)}" if group.published else ""
            rows.append((group.name, f"{len(group.there)}{of}: {shown}"))
            if group.absent:
                rows.append(("missing", f"of {group.name}: {shortly(group.absent, 12)}"))
        rows += [("there", note) for note in survey.notes]
        rows += [("missing", what) for what in survey.missing]
        rows += [("damaged", f"{video.name}: {video.problem}") for video in self.damaged[:_MOST_LINES]]
        if len(self.damaged) > _MOST_LINES:
            rows.append(("damaged", f"and {len(self.damaged) - _MOST_LINES} more"))
        rows += [("wrong", fault) for fault in survey.faults]
        lines = [f"  {name:<9} {printable(what)}" for name, what in rows]
        return "\n".join([f"{printable(self.path)}: {survey.layout}", *lines])

    def _counted(self) -> str:
        frames = sum(video.frames for video in self.videos)
        sizes = Counter(size for video in self.videos for size in video.sizes)
        shown = shortly([f"{rows} x {columns}" for (rows, columns), _ in sizes.most_common()])
        damaged = f", {len(self.damaged)} damaged" if self.damaged else ""
        return f"{len(self.videos)}{damaged}; {frames} frames of {shown or 'no size'}"


def check_data(
    path: Path, kind: str | None = None, *, processes: int = 2, progress: bool = False
) -> DataReport:
    """Find out what a folder of data is, and read every frame of it.

    Args:
        path: a folder, or a file.
        kind: of source that it is to be; None asks each in turn.
        processes: that read side by side.
        progress: show a bar on standard error.

    Raises:
        SettingsError: no such kind.
        FileError: no such folder, nothing in it that is of the kind, or of any.
        MissingExtraError: there are video files and PyAV is not installed.
    """
    if kind is not None and kind not in SURVEYS:
        raise SettingsError(complain("--kind", f"'{kind}'", f"one of {', '.join(SURVEYS)}", "correct it"))
    if processes < 1:
        raise SettingsError(complain("--processes", processes, "a whole number >= 1", "correct it"))
    if not path.exists():
        raise FileError(f"{path}: no such file or folder; check the path")
    survey = _recognised(path) if kind is None else SURVEYS[kind](path)
    if survey is None:
        expected = f"data of the kind {kind}" if kind else f"data of one of the kinds {', '.join(SURVEYS)}"
        raise FileError(
            f"{path}: got none, expected {expected}; docs/howto/data-sets.md says how each is laid out"
        )
    if any(video.needs_decoder for video in survey.videos):
        check_decoder()
    with (
        Workers(processes) as pool,
        tqdm(
            pool.each(look_at, survey.videos, lost),
            f"check {path.name}",
            total=len(survey.videos),
            unit="video",
            disable=not progress,
            delay=1,
        ) as bar,
    ):
        found = sorted(bar, key=lambda facts: facts.name)
    return DataReport(path, survey, tuple(found))


def _recognised(path: Path) -> Survey | None:
    """Ask every kind in turn; what one of them cannot read may be another's.

    Raises:
        FileError: what the first said that failed, where none takes it.
    """
    failed: NowcastError | None = None
    for ask in SURVEYS.values():
        try:
            found = ask(path)
        except NowcastError as error:
            failed = failed or error
            continue
        if found is not None:
            return found
    if failed is not None:
        raise failed
    return None
