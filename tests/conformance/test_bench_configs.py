"""Every configuration of a benchmark loads, keeps its promises and builds its networks."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nowcast.bench.benchmark import COSTS, read_benchmark
from nowcast.bench.entries import entries_of
from nowcast.bench.reported import SCORES, printed
from nowcast.core.settings import build
from nowcast.data.catalog import SOURCES
from nowcast.models.catalog import build_model

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs" / "bench").glob("*.yaml"))
TABLES = [
    *(f"motionrnn_table{n}" for n in (1, 2, 3, 4, 5)),
    "motionrnn_figure7",
    *(f"lmc_memory_table{n}" for n in (1, 2, 3, 4)),
    *(f"astm_table{n}" for n in (1, "2", "2_mlst", "3", "3_kth", "3_mlst")),
]
LEFT_OUT: dict[str, str] = {}
"""Rows of the papers' tables that no configuration has, and why; private data are a source, not a row."""


def test_every_table_has_a_full_size_and_a_small_configuration():
    names = {path.stem for path in CONFIGS}
    assert {"digits_small", "v_mnist_small", "astm_small", *TABLES, *(f"{t}_small" for t in TABLES)} <= names
    assert {"all_networks_digits_small", "all_networks_radar_small"} <= names


def of_size(small):
    """All benchmarks beside a paper's table that are small, or all that are not."""
    chosen = [path for path in CONFIGS if path.stem.endswith("_small") == small]
    return [bench for path in chosen if (bench := read_benchmark(path)).reported]


@pytest.mark.parametrize("small", [False, True], ids=["full", "small"])
def test_every_row_of_every_table_of_the_papers_is_a_row_here(small):
    rows: dict[tuple, set] = {}
    for bench in of_size(small):
        mine = {row.reported_as or row.name for row in bench.rows if row.forecaster is None}
        for table in bench.reported:
            rows.setdefault((table.paper, table.table, table.data), set()).update(mine)
    wanted = {(p.paper, p.table, p.data, p.method) for p in printed() if p.method not in LEFT_OUT}
    found = {(*table, method) for table, methods in rows.items() for method in methods}
    assert wanted - found == set()


def test_every_number_of_the_papers_stands_in_a_column():
    shown = set()
    for bench in of_size(small=False):
        columns = {*bench.scores, *COSTS, "gain"}
        for row in bench.rows:
            for table in bench.reported:
                method = row.reported_as or row.name
                own = [p for p in table.numbers() if p.method == method and bench.shows(p.setting)]
                shown |= {p for p in own if (table.scores.get(p.score) or SCORES[p.score]) in columns}
    assert [p for p in printed() if p not in shown and p.method not in LEFT_OUT] == []


@functools.cache
def needs(name, settings, size):
    """What a network asks of frames; tables share many networks."""
    with torch.device("meta"):  # shapes without values: quick at full size
        network = build_model(name, json.loads(settings), 1, size)
    return network.multiple_of, network.past_min


FULL_SIZE = [
    pytest.param(path, marks=() if path.stem.endswith("_small") else pytest.mark.slow) for path in CONFIGS
]
"""Networks of the papers' sizes take a while to be built, even without values."""


@pytest.mark.parametrize("path", FULL_SIZE, ids=[path.stem for path in CONFIGS])
def test_it_loads_and_builds(path):
    bench = read_benchmark(path)
    assert [e for e in entries_of(bench) if e.experiment is not None]
    shapes = set()
    window = bench.test_window
    learned = (*bench.data.sources, *bench.data.validation_sources)
    for choice, steps in [
        *((c, bench.data.window.steps) for c in learned),
        *((c, window.steps) for c in bench.test_sources),
    ]:
        settings = build(SOURCES[choice.kind].settings, choice.settings)
        assert getattr(settings, "length", steps) >= steps
        size = getattr(settings, "size", None)
        shapes.add((size, size) if isinstance(size, int) else size or (64, 64))
    (size,) = shapes
    for row in bench.rows:
        if row.model is not None:
            multiple, past_min = needs(row.model.name, json.dumps(row.model.settings), size)
            assert np.all(np.array(size) % multiple == 0)
            assert bench.data.window.past >= past_min
    assert bench.rows[0].forecaster == "copy_last"
    if any(s.kind == "moving_digits" for s in bench.data.sources) and path.stem[:-6] in TABLES:
        assert "small" in bench.title


def test_reported_numbers_are_in_our_units_and_of_their_lead_times():
    bench = read_benchmark(CONFIGS[0].with_name("lmc_memory_table3.yaml"))
    (row,) = (row for row in bench.rows if row.name == "LMC-Memory")
    last = "10->40, last 10"
    assert bench.reported_of(row) == {
        ("", "psnr"): 24.97,
        ("", "ssim_range2"): 0.919,
        ("", "lpips_unit"): 0.0632,
        (last, "psnr"): 23.46,
        (last, "ssim_range2"): 0.902,
        (last, "lpips_unit"): 0.0801,
    }
    bench = read_benchmark(CONFIGS[0].with_name("motionrnn_table1.yaml"))
    (row,) = (row for row in bench.rows if row.name == "MotionRNN-PredRNN")
    assert bench.reported_of(row) == {
        ("", "ssim_uint8"): 0.846,
        ("", "mse_sum"): 342.0,
        ("", "mae_sum"): 1480.0,
        ("", "fvd"): 17.6,
        ("", "parameters"): 7.01e6,
        ("", "multiply_accumulates"): 49.5e9,
        ("", "gain"): 29.0,
    }


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.stem.endswith("_small")], ids=lambda p: p.stem)
def test_small_ones_need_no_file_and_say_what_stands_in(path):
    bench = read_benchmark(path)
    kinds = {s.kind for s in (*bench.data.sources, *bench.data.validation_sources, *bench.test_sources)}
    assert kinds in ({"moving_digits"}, {"moving_rain"})
    full = path.with_name(f"{path.stem.removesuffix('_small')}.yaml")
    if full.exists() and (tests := read_benchmark(full).test_sources):
        people = tests[0].kind in ("kth", "human36m", "video_files")
        assert ("digits stand in for" in bench.title) == people


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in CONFIGS if p.stem.endswith("_small")], ids=lambda p: p.stem)
def test_small_ones_run_from_end_to_end(path, tmp_path, monkeypatch):
    monkeypatch.setattr("nowcast.bench.costs.peak_forecast_mb", lambda *_: 12.5)  # each starts a process
    monkeypatch.setattr("nowcast.bench.costs._LEAST_SECONDS", 0.0)
    from nowcast.bench.results import write_results
    from nowcast.bench.run import BenchmarkRun

    bench = read_benchmark(
        path,
        [
            "seeds=[0]",
            "training.steps=1",
            "training.validate_every=1",
            "training.batch=1",
            "test_clips=2",
            "data.validation_clips=1",
            "test_batch=2",
            "sheets.clips=[0]",
        ],
    )
    work = BenchmarkRun(bench, tmp_path)
    outcome = work()
    assert outcome.missing == ()
    assert [line.row.name for line in outcome.lines] == [row.name for row in bench.rows]
    for line in outcome.lines:
        # in two clips nothing may reach the higher thresholds, and then there is no CSI
        expected = [name for name in bench.scores if not name.startswith("csi")]
        assert all(np.isfinite(line.records[0].mean(name)) for name in expected)
    assert "</html>" in write_results(tmp_path, bench, outcome, work.held_out).page.read_text()
