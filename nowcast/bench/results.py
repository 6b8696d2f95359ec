"""What a benchmark leaves for people: tables, pictures of predicted frames and a page, whole or not at all."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from nowcast.bench.benchmark import Benchmark
from nowcast.bench.csv_files import long_csv, wide_csv
from nowcast.bench.figures import draw
from nowcast.bench.held_out import HeldOut
from nowcast.bench.outcome import BenchmarkOutcome
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
    pictures = draw(out, bench, outcome, held_out)
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
    names = [path.relative_to(out).as_posix() for path in pictures]
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
