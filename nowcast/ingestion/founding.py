"""Founding: what a new archive is made of, what an old one takes, and when it starts afresh."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nowcast.archive.create import NewArchive
from nowcast.archive.reader import Archive
from nowcast.archive.writer import ArchiveWriter
from nowcast.core.errors import ArchiveError
from nowcast.core.rain import ZRelation
from nowcast.core.times import Times, as_step, to_text
from nowcast.ingestion.axis import TimeAxis, infer_phase, infer_step, longest_gap, main_stretch
from nowcast.ingestion.listing import Problem
from nowcast.ingestion.plan import (
    FUTURE_TOLERANCE,
    MeasuredQuantity,
    Rules,
    Wanted,
    all_times,
    common_grid,
    common_quantity,
    judge,
    misfit,
)
from nowcast.ingestion.scan import Scan

_EPOCH = np.datetime64(0, "ns")


def new_archive(
    scans: Sequence[Scan],
    step: np.timedelta64 | None,
    now: np.datetime64,
    problems: list[Problem],
    relation: ZRelation | None = None,
) -> NewArchive | None:
    """Return what to make an archive with, None where no frame could go into it; then all are problems.

    ``relation`` is that by which an archive of reflectivity becomes rain; one of rain has its own.

    Raises:
        ArchiveError: a step that is no whole number of seconds.
        TimeError: a single time and no step.
    """
    grid = common_grid(scans)
    quantity = common_quantity([s for s in scans if not grid.difference(s.grid)])
    fitting = [s for s in scans if not misfit(s, grid, (quantity,))]
    times = _not_ahead(all_times(fitting), now)
    found = as_step(step) if step is not None else infer_step(times)
    if found % np.timedelta64(1, "s") != np.timedelta64(0, "ns"):
        raise ArchiveError(f"step: got {found}, expected whole seconds; give it with --step MINUTES")
    stretch = main_stretch(times, longest_gap(found))
    rules = Rules(grid, TimeAxis(found, infer_phase(stretch, found), stretch[0], stretch[-1]), (quantity,), now)
    judged = [judge(s, rules) for s in scans]
    firsts = [w.times.min() for w in judged if isinstance(w, Wanted)]
    if not firsts:
        problems += [p for p in judged if isinstance(p, Problem)]
        return None
    attrs = {k: v for k, v in fitting[0].attrs.items() if k not in ("quantity", "accumulation_hours")}
    attrs["measured_quantity"] = quantity.in_words
    if relation is not None and not quantity.rain:
        attrs["z_r_relation"] = str(relation)
    return NewArchive(grid, found, min(firsts), attrs)


def _not_ahead(times: Times, now: np.datetime64) -> Times:
    past = times[times <= now + FUTURE_TOLERANCE]
    return past if len(past) else times


def rules_of(writer: ArchiveWriter, scans: Sequence[Scan], now: np.datetime64) -> Rules:
    """Return what an archive takes: an empty one what most files are, else what it holds already."""
    quantities = tuple(dict.fromkeys(map(MeasuredQuantity.of, writer.sources.kinds())))
    fitting = [s for s in scans if not misfit(s, writer.grid, quantities)]
    if fitting and not quantities:
        quantities = (common_quantity(fitting),)
        fitting = [s for s in fitting if not misfit(s, writer.grid, quantities)]
    step = np.timedelta64(writer.step_seconds, "s").astype("timedelta64[ns]")
    phase = np.datetime64(writer.first_time, "s").astype("datetime64[ns]")
    held: Times = phase + np.flatnonzero(writer.whole) * step
    times = _not_ahead(all_times(fitting), now) if fitting else held
    stretch = held if len(held) else main_stretch(times, longest_gap(step)) if fitting else phase[np.newaxis]
    axis = TimeAxis(step, phase, stretch[0], stretch[-1])
    return Rules(writer.grid, axis.reaching(times), quantities, now)


def restarted(target: Path, scans: Sequence[Scan], problems: list[Problem]) -> NewArchive | None:
    """Return what to make the archive anew with where its only frame lies off the step of all others.

    Why: a first file dated off the step would otherwise keep every good one out for ever.
    """
    archive = Archive.open(target)
    if len(archive.times) != 1:
        return None
    lone, step = archive.times[0], archive.step
    quantities = tuple(MeasuredQuantity.of(s) for s in archive.sources if s.frames)
    fitting = [s for s in scans if not misfit(s, archive.grid, quantities)]
    if not fitting or _on_clock(lone, step):
        return None
    times = all_times(fitting)
    phase = infer_phase(times, step)
    if (phase - lone) % step == np.timedelta64(0) or not (_on_clock(phase, step) or len(times) > 1):
        return None
    problems.append(
        Problem(
            target,
            f"{target}: its only frame, of {to_text(lone)}, lies off the step of the "
            f"files that come now, such as {to_text(phase)}; it was taken out, ingest its file "
            "again",
        )
    )
    return NewArchive(archive.grid, step, phase, archive.attrs)


def _on_clock(time: np.datetime64, step: np.timedelta64) -> bool:
    return bool((time - _EPOCH) % step == np.timedelta64(0))
