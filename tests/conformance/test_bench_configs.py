"""Every configuration of a benchmark loads, keeps its promises and builds its networks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nowcast.bench.benchmark import read_benchmark
from nowcast.bench.entries import entries_of
from nowcast.core.settings import build
from nowcast.data.catalog import SOURCES
from nowcast.models.catalog import build_model

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs" / "bench").glob("*.yaml"))
TABLES = [
    *(f"motionrnn_table{n}" for n in (1, 3, 5)),
    *(f"lmc_memory_table{n}" for n in (1, 2, 3, 4)),
    *(f"astm_table{n}" for n in (1, 2, 3)),
]
REPORTED = {
    ("motionrnn_table1", "PredRNN"): {"parameters": 6.41e6, "multiply_accumulates": 46.0e9},
    ("motionrnn_table1", "MIM"): {"parameters": 9.79e6, "multiply_accumulates": 70.2e9},
    ("motionrnn_table1", "E3D-LSTM"): {"parameters": 20.4e6, "multiply_accumulates": 292e9},
    ("motionrnn_table1", "ConvLSTM"): {"parameters": 4.41e6, "multiply_accumulates": 31.6e9},
    ("motionrnn_table1", "MotionRNN on PredRNN"): {"parameters": 7.01e6, "multiply_accumulates": 49.5e9},
    ("motionrnn_table1", "MotionRNN on ConvLSTM"): {"parameters": 5.21e6, "multiply_accumulates": 36.6e9},
    ("astm_table1", "ASTM"): {"mse_sum": 37.2, "ssim_range2": 0.944},
    ("astm_table3", "ASTM"): {"mse_sum": 36.2, "ssim_range2": 0.936},
}
"""What the papers print, as far as it is known here; nothing else may stand in a configuration."""


def test_every_table_has_a_full_size_and_a_small_configuration():
    names = {path.stem for path in CONFIGS}
    assert {"digits_small", "v_mnist_small", "astm_small", *TABLES, *(f"{t}_small" for t in TABLES)} <= names


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_loads_and_builds(path):
    bench = read_benchmark(path)
    assert [e for e in entries_of(bench) if e.experiment is not None]
    shapes = set()
    for choice in (*bench.data.sources, *bench.data.validation_sources, *bench.test_sources):
        settings = build(SOURCES[choice.kind].settings, choice.settings)
        window = bench.data.window
        assert getattr(settings, "length", window.steps) >= window.steps
        size = getattr(settings, "size", None)
        shapes.add((size, size) if isinstance(size, int) else size or (64, 64))
    (size,) = shapes
    for row in bench.rows:
        if row.model is not None:
            with torch.device("meta"):  # shapes without values: quick at full size
                network = build_model(row.model.name, row.model.settings, 1, size)
            assert np.all(np.array(size) % network.multiple_of == 0)
            assert bench.data.window.past >= network.past_min
    assert bench.rows[0].forecaster == "copy_last"
    if any(s.kind == "moving_digits" for s in bench.data.sources) and path.stem[:-6] in TABLES:
        assert "small" in bench.title


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_reported_numbers_are_the_known_ones(path):
    found = {(path.stem, row.name): row.reported for row in read_benchmark(path).rows if row.reported}
    assert found == {key: value for key, value in REPORTED.items() if key[0] == path.stem}


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.stem.endswith("_small")], ids=lambda p: p.stem)
def test_small_ones_need_no_file_and_say_what_stands_in(path):
    bench = read_benchmark(path)
    assert {s.kind for s in (*bench.data.sources, *bench.data.validation_sources, *bench.test_sources)} == {
        "moving_digits"
    }
    full = path.with_name(f"{path.stem.removesuffix('_small')}.yaml")
    if full.exists() and read_benchmark(full).test_sources[0].kind in ("kth", "human36m"):
        assert "digits stand in for" in bench.title


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
        assert all(np.isfinite(line.records[0].mean(name)) for name in bench.scores)
    assert "</html>" in write_results(tmp_path, bench, outcome, work.held_out).page.read_text()
