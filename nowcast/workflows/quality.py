"""What the quality marks of an archive count: by mark, by frame, stuck frames, echoes that stand still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from nowcast.archive.frame_quality import StuckFrame, jumping_frames, stuck_frames
from nowcast.archive.quality import CELL_MARKS, QualitySettings, quality_marks
from nowcast.archive.reader import Archive
from nowcast.core.engine import Engine, InProcess, in_order
from nowcast.core.errors import SettingsError, complain
from nowcast.core.times import Times, to_text

_FRAMES_A_TASK = 8
_MOST_NAMED = 5
_STANDING = 0.75
_FEWEST_FOR_STANDING = 20
_SPAN_FOR_STANDING = np.timedelta64(1, "D")


@dataclass(frozen=True)
class QualityReport:
    """Counts over the frames that were looked at."""

    times: Times
    """Of these frames, N."""
    echo_cells: npt.NDArray[np.int64]
    """Of each: cells with echo."""
    marked_cells: dict[str, npt.NDArray[np.int64]]
    """Of each mark and frame: cells that bear it."""
    standing_cells: int | None
    """Cells with echo in three quarters of these frames or more: clutter; None where these are too few."""
    stuck: list[StuckFrame]
    """Of the whole archive."""
    jumps: Times
    """Of the whole archive."""

    def share(self, mark: str) -> float:
        """Which part of all echo bears a mark; NaN without echo."""
        return float(self.marked_cells[mark].sum() / n) if (n := self.echo_cells.sum()) else float("nan")

    def as_plain(self) -> dict[str, Any]:
        """Plain values for `nowcast info --json`."""
        return {
            "frames_looked_at": len(self.times),
            "echo_cells": int(self.echo_cells.sum()),
            "cells": {
                mark: {
                    "cells": int(cells.sum()),
                    "frames": int((cells > 0).sum()),
                    "share_of_echo": round(self.share(mark), 8) if self.echo_cells.any() else None,
                    "most": [
                        {"time": to_text(self.times[i]), "cells": int(cells[i])}
                        for i in np.argsort(-cells, kind="stable")[:_MOST_NAMED]
                        if cells[i]
                    ],
                }
                for mark, cells in self.marked_cells.items()
            },
            "standing_cells": self.standing_cells,
            "stuck_frames": [{"time": to_text(s.time), "equals": to_text(s.equals)} for s in self.stuck],
            "jumping_frames": [to_text(time) for time in self.jumps],
        }


def quality(
    archive: Archive | Path | str,
    frames: int = 200,
    settings: QualitySettings | None = None,
    *,
    progress: bool = False,
    engine: Engine | None = None,
) -> QualityReport:
    """Count the quality marks of an archive.

    Args:
        archive: an open archive, or its folder.
        frames: how many to look at, spread evenly over all; 0 looks at all. Stuck and jumping frames are
            looked for among all.
        settings: thresholds.
        progress: show a bar on stderr.
        engine: of `nowcast.open_engine`; None is this process. The counts do not depend on it.

    Raises:
        SettingsError: a negative number of frames.
        ArchiveError: absent or damaged.

    Example:
        >>> from nowcast.workflows.quality import quality
        >>> quality("italy.zarr").share("speckle")  # doctest: +SKIP
    """
    archive = Archive.open(archive) if isinstance(archive, (str, Path)) else archive
    settings = settings or QualitySettings()
    if frames < 0:
        raise SettingsError(complain("--quality", frames, "how many frames to look at", "give 0 for all"))
    count = len(archive.times)
    chosen = np.linspace(0, count - 1, min(frames or count, count)).round().astype(int)
    times = archive.times[chosen]
    parts = [times[i : i + _FRAMES_A_TASK] for i in range(0, len(times), _FRAMES_A_TASK)]
    counts: list[npt.NDArray[np.int64]] = []
    with_echo = np.zeros(archive.grid.shape, np.int64)
    with tqdm(total=len(times), desc="quality", unit="frame", disable=not progress, delay=2) as bar:
        for part in in_order(engine or InProcess(), partial(_count, archive, settings), parts):
            counts.append(part.counts)
            with_echo += part.with_echo
            bar.update(len(part.counts))
    table = np.concatenate(counts) if counts else np.zeros((0, 1 + len(CELL_MARKS)), np.int64)
    enough = len(times) >= _FEWEST_FOR_STANDING and times[-1] - times[0] >= _SPAN_FOR_STANDING
    return QualityReport(
        times,
        table[:, 0],
        {mark: table[:, 1 + i] for i, mark in enumerate(CELL_MARKS)},
        int((with_echo >= _STANDING * len(times)).sum()) if enough else None,
        stuck_frames(archive, settings),
        jumping_frames(archive, settings),
    )


class _Counted(NamedTuple):
    counts: npt.NDArray[np.int64]
    """Of each frame: cells with echo, then those of each mark."""
    with_echo: npt.NDArray[np.int64]
    """Of each cell: frames in which it has echo."""


def _count(archive: Archive, settings: QualitySettings, times: Sequence[np.datetime64] | Times) -> _Counted:
    rows: list[list[int]] = []
    with_echo = np.zeros(archive.grid.shape, np.int64)
    for time in times:
        dbz, earlier = archive.dbz(time), time - archive.step
        before = archive.dbz(earlier) if earlier in archive.times else None
        bits = quality_marks(dbz, archive.grid.cell_km, before, settings)
        echo = dbz >= settings.echo_dbz
        with_echo += echo
        rows.append([int(echo.sum()), *(int(((bits & bit) > 0).sum()) for bit in CELL_MARKS.values())])
    return _Counted(np.array(rows, np.int64), with_echo)


def quality_lines(found: dict[str, Any]) -> list[str]:
    """Return what `QualityReport.as_plain` gives as lines for people."""
    lines = [f"quality   {found['frames_looked_at']} frames looked at, {found['echo_cells']} cells with echo"]
    for mark, of in found["cells"].items():
        share = "none" if not of["cells"] else f"{of['cells']} cells, {of['share_of_echo']:.4%} of the echo"
        most = ", ".join(f"{m['time']} ({m['cells']})" for m in of["most"])
        lines.append(f"{mark:9} {share}" + (f", in {of['frames']} frames, most in {most}" if most else ""))
    if found["standing_cells"] is not None:
        lines.append(f"standing  {found['standing_cells']} cells have echo in {_STANDING:.0%} of them or more")
    stuck, jumps = found["stuck_frames"], found["jumping_frames"]
    lines.append(
        f"stuck     {len(stuck)} frames"
        + "".join(f"\n          {frame['time']} equals {frame['equals']}" for frame in stuck[:20])
    )
    lines.append(f"jump      {len(jumps)} frames" + "".join(f"\n          {time}" for time in jumps[:20]))
    return lines
