"""Checking an archive: every chunk against its checksum and against what was written down of its frame."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from nowcast.archive.reader import Archive
from nowcast.archive.writer import describe
from nowcast.core.engine import Engine, open_engine
from nowcast.core.errors import ArchiveError, printable
from nowcast.core.places import DataPath
from nowcast.core.times import Times, to_text

_FACTS = ("observed_share", "wet_share", "max_dbz")
_FRAMES_A_TASK = 32
_MOST_LINES = 50


@dataclass(frozen=True)
class CheckReport:
    """What a check found: ``damaged`` holds time and fault of frames, ``faults`` what else is wrong."""

    archive: DataPath
    frames: int
    damaged: tuple[tuple[np.datetime64, str], ...]
    faults: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not (self.damaged or self.faults)

    def __str__(self) -> str:
        head = f"{self.archive}: {self.frames} frames checked, {len(self.damaged)} damaged"
        lines = [f"  {to_text(time)}: {printable(what)}" for time, what in self.damaged[:_MOST_LINES]]
        if len(self.damaged) > _MOST_LINES:
            lines.append(f"  and {len(self.damaged) - _MOST_LINES} more")
        return "\n".join([head, *lines, *(f"  {printable(fault)}" for fault in self.faults)])


def check_archive(
    archive: Archive | Path | str, *, progress: bool = False, engine: Engine | None = None
) -> CheckReport:
    """Read every frame and compare it with the archive's own record of it.

    A chunk must be there, whole and of the right size, agree with its checksum (archives from before there
    were checksums have none), and its values must have the observed share, the wet share and the maximum
    that were noted when it was written. Every frame must be of a file of the ledger, and of each file that is
    in completely there must be as many frames as the ledger says.

    Args:
        archive: an open archive, its folder or its address.
        progress: show a bar on standard error.
        engine: of `nowcast.open_engine`; None spreads long work over the cores of this machine.

    Raises:
        ArchiveError: it cannot be opened at all.
    """
    opened = archive if isinstance(archive, Archive) else Archive.open(archive)
    facts = np.stack([opened.over_time(name).astype(np.float32) for name in _FACTS], axis=1)
    count = len(opened.times)
    starts = range(0, count, _FRAMES_A_TASK)
    tasks = [(opened.times[i : i + _FRAMES_A_TASK], facts[i : i + _FRAMES_A_TASK]) for i in starts]
    damaged: list[tuple[np.datetime64, str]] = []
    with (
        open_engine() if engine is None else nullcontext(engine) as own,
        tqdm(desc="check", total=count, unit="frame", disable=not progress) as bar,
    ):
        for checked, found in own.each(_Frames(opened), tasks):
            damaged += found
            bar.update(checked)
    damaged.sort(key=lambda pair: pair[0])
    return CheckReport(opened.path, count, tuple(damaged), tuple(_ledger_faults(opened)))


@dataclass(frozen=True)
class _Frames:
    """Checks a few frames; can be sent to another process."""

    archive: Archive

    def __call__(
        self, task: tuple[Times, npt.NDArray[np.float32]]
    ) -> tuple[int, list[tuple[np.datetime64, str]]]:
        times, facts = task
        pairs = ((time, self._fault(time, noted)) for time, noted in zip(times, facts, strict=True))
        return len(times), [(time, fault) for time, fault in pairs if fault]

    def _fault(self, time: np.datetime64, noted: npt.NDArray[np.float32]) -> str:
        try:
            record = describe(0, self.archive.packed(time))
        except ArchiveError as error:
            return printable(error)
        for name, was in zip(_FACTS, noted, strict=True):
            now = np.float32(getattr(record, name))
            if now != was and not (np.isnan(now) and np.isnan(was)):
                return f"its {name} is {now:g}, {was:g} was noted when it was written"
        return ""


def _ledger_faults(archive: Archive) -> list[str]:
    """Return what does not agree between the frames and the ledger."""
    sources, index = archive.sources, archive.over_time("source")
    unknown = int(np.count_nonzero((index < 0) | (index >= len(sources))))
    faults = [f"{unknown} frames are of no file of the ledger"] if unknown else []
    counts = np.bincount(index[(index >= 0) & (index < len(sources))], minlength=len(sources))
    for source, found in zip(sources, counts, strict=True):
        if found < source.frames and source.complete:
            faults.append(
                f"{source.name}: the ledger counts {source.frames} frames of this file, {found} are "
                "there; ingest it again"
            )
    return faults
