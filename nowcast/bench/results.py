"""What a benchmark leaves for people: tables, pictures of predicted frames and a page, whole or not at all."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from nowcast.bench.benchmark import Benchmark
from nowcast.bench.csv_files import long_csv, wide_csv
from nowcast.bench.held_out import HeldOut
from nowcast.bench.run import BenchmarkOutcome
from nowcast.bench.scoring import to_pixels
from nowcast.bench.tables import charts_of, markdown, sentences, tables_of
from nowcast.core.files import whole_file
from nowcast.report.bench_page import BenchPage, render_bench_page
from nowcast.report.content import Picture
from nowcast.report.pictures import data_uri


@dataclass(frozen=True)
class Written:
    """Where everything is."""

    table: Path
    """``results.md``"""
    csv: Path
    """``results.csv``: one line a row of the table."""
    scores: Path
    """``scores.csv``: every value by seed and lead time."""
    page: Path
    """``index.html``"""
    pictures: tuple[Path, ...]


def write_results(out: Path, bench: Benchmark, outcome: BenchmarkOutcome, held_out: HeldOut) -> Written:
    """Write pictures, then tables and page together: all of these or none.

    Args:
        out: folder; other files in it are left alone.
        bench: what was asked.
        outcome: what there is.
        held_out: the test clips, which the pictures show.

    Raises:
        FileError: the folder cannot be written.
    """
    pictures = _draw(out / "sheets", bench, outcome, held_out)
    shown = [
        Picture(data_uri(path.read_bytes(), path.suffix[1:]), caption) for path, caption in pictures.items()
    ]
    page = BenchPage(
        bench.title,
        [text for text in (bench.paper, bench.question) if text],
        tables_of(bench, outcome),
        charts_of(bench, outcome),
        shown,
        sentences(bench, outcome),
        outcome.missing,
    )
    paths = Written(
        out / "results.md", out / "results.csv", out / "scores.csv", out / "index.html", tuple(pictures)
    )
    names = [f"sheets/{path.name}" for path in pictures]
    texts = {
        paths.table: markdown(bench, outcome, names),
        paths.csv: wide_csv(bench, outcome),
        paths.scores: long_csv(bench, outcome),
        paths.page: render_bench_page(page),
    }
    with contextlib.ExitStack() as stack:
        for path, text in texts.items():
            stack.enter_context(whole_file(path)).write_text(text, encoding="utf-8")
    return paths


def _draw(folder: Path, bench: Benchmark, outcome: BenchmarkOutcome, held_out: HeldOut) -> dict[Path, str]:
    """Draw a sheet and an animation of each chosen clip that somebody forecast: path -> caption."""
    from nowcast.report.sheets import SheetRow, draw_animation, draw_sheet

    found: dict[Path, str] = {}
    for number in bench.sheets.clips:
        rows = [SheetRow(line.row.name, line.frames[number]) for line in outcome.lines if number in line.frames]
        if not rows:
            continue
        clip = held_out.clips[number]
        past, future = to_pixels(clip.past), to_pixels(clip.future)
        told = f"test clip {number}, {len(past)} frames given, first seed of each model"
        sheet = draw_sheet(folder / f"clip_{number:04d}.png", past, future, rows, bench.sheets.columns)
        film = draw_animation(folder / f"clip_{number:04d}.gif", past, future, rows)
        found |= {sheet: f"Predicted frames, {told}", film: f"The same as it moves, {told}"}
    return found
