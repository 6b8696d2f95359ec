"""The figures of a benchmark beside its table: curves, a sweep, sheets, differences, slots and arrows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nowcast.bench.benchmark import Benchmark
from nowcast.bench.details import of_clips
from nowcast.bench.held_out import HeldOut
from nowcast.bench.outcome import BenchmarkOutcome, TableLine
from nowcast.bench.ranking import interval_of_seeds, ranked
from nowcast.bench.scoring import to_pixels
from nowcast.bench.shown import shown_name
from nowcast.core.settings import build, plain
from nowcast.models.catalog import find_model


def draw(out: Path, bench: Benchmark, outcome: BenchmarkOutcome, held_out: HeldOut) -> dict[Path, str]:
    """Draw all that is known: path -> caption, in the order of a page.

    Raises:
        FileError: the folder cannot be written.
    """
    return {
        **_curves(out / "figures", bench, outcome),
        **_sweep(out / "figures", bench, outcome),
        **_clips(out / "sheets", bench, outcome, held_out),
    }


def _curves(folder: Path, bench: Benchmark, outcome: BenchmarkOutcome) -> dict[Path, str]:
    from nowcast.report.bench_figures import Curve, draw_curves

    found: dict[Path, str] = {}
    for name in bench.scores:
        curves = {}
        for line in outcome.lines:
            seeds = np.array([values for r in line.records if len(values := r.values(name)) > 1])
            if len(seeds):
                curves[shown_name(line)] = Curve(seeds.mean(axis=0), seeds.min(axis=0), seeds.max(axis=0))
        if curves:
            told = f"{name} by lead time, mean and range of the seeds"
            found[draw_curves(folder / f"{name}.png", name, curves)] = told
    return found


def _sweep(folder: Path, bench: Benchmark, outcome: BenchmarkOutcome) -> dict[Path, str]:
    from nowcast.report.bench_figures import SweepPoint, draw_sweep

    points = []
    for row in ranked(bench, outcome) if bench.sweep else ():
        value = _setting(row.line, bench.sweep)
        if value is not None:
            points.append(SweepPoint(value, row.mean, interval_of_seeds(row.seeds)))
    if not points:
        return {}
    told = f"{bench.ranked_by} over {bench.sweep}, with the interval of the mean over seeds (95 %)"
    return {draw_sweep(folder / "sweep.png", bench.sweep, bench.ranked_by, points): told}


def _setting(line: TableLine, name: str) -> float | None:
    """The value of a setting of a row's network, its default where the row is silent; None without such."""
    if line.row.model is None:
        return None
    kind: Any = find_model(line.row.model.name).settings
    value = plain(build(kind, line.row.model.settings))
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, (int, float)) else None


def _clips(folder: Path, bench: Benchmark, outcome: BenchmarkOutcome, held_out: HeldOut) -> dict[Path, str]:
    """Sheets, differences, an animation, slots and arrows of each chosen clip that somebody forecast."""
    from nowcast.report.bench_figures import draw_arrows, draw_slots
    from nowcast.report.sheets import SheetRow, draw_animation, draw_differences, draw_sheet

    found: dict[Path, str] = {}
    for number in bench.sheets.clips:
        rows = [SheetRow(shown_name(o), o.frames[number]) for o in outcome.lines if number in o.frames]
        if not rows:
            continue
        clip = held_out.clips[number]
        past, future = to_pixels(clip.past), to_pixels(clip.future)
        place, few = folder / f"clip_{number:04d}", bench.sheets.columns
        told = f"test clip {number}, {len(past)} frames given, first seed of each model"
        found[draw_sheet(place.with_suffix(".png"), past, future, rows, few)] = f"Predicted frames, {told}"
        apart = place.with_name(f"{place.name}_differences.png")
        found[draw_differences(apart, future, rows, few, len(past))] = f"Forecast less truth, {told}"
        found[draw_animation(place.with_suffix(".gif"), past, future, rows)] = f"The same as it moves, {told}"
        if slots := _inside(outcome, "slots", number):
            path = draw_slots(place.with_name(f"{place.name}_slots.png"), past[-1], slots)
            found[path] = f"Slots of the memory that stand out at each place, {told}"
        if motions := _inside(outcome, "motion", number):
            path = draw_arrows(place.with_name(f"{place.name}_motion.png"), past[-1], motions)
            found[path] = f"Where to features are moved, {told}"
    return found


def _inside(outcome: BenchmarkOutcome, kind: str, number: int) -> dict[str, Any]:
    """By model: a map inside its network of one clip, of the first seed."""
    maps = {shown_name(o): of_clips(o.details[0], kind).get(number) for o in outcome.lines if o.details}
    return {name: value for name, value in maps.items() if value is not None}
