"""A benchmark trains, then tests, goes on where it ended, and repeats nothing."""

import numpy as np
import pytest
import torch

from nowcast.bench.run import BenchmarkRun
from nowcast.models.checkpoint import load_network
from tests.fakes.benchmarks import tiny


@pytest.fixture(autouse=True)
def no_memory_process(monkeypatch):
    """Measuring memory starts a process of its own, which takes seconds."""
    monkeypatch.setattr("nowcast.bench.costs.peak_forecast_mb", lambda *_: 12.5)
    monkeypatch.setattr("nowcast.bench.costs._LEAST_SECONDS", 0.0)


def test_copy_last_and_a_network_have_the_scores_that_numpy_gives(tmp_path):
    work = BenchmarkRun(tiny(), tmp_path)
    outcome = work()
    assert [line.row.name for line in outcome.lines] == ["copy last", "ConvLSTM"]
    assert outcome.missing == ()
    copied, trained = outcome.lines
    clips = [work.held_out.clips[i] for i in work.held_out.chosen]
    squared = np.array([((c.past[-1:] - c.future) ** 2).sum((1, 2, 3)) for c in clips])
    assert copied.records[0].values("mse_sum") == pytest.approx(squared.mean(0).tolist(), rel=1e-6)
    assert copied.records[0].mean("mse_sum") == pytest.approx(squared.mean())
    assert copied.records[0].late("mse_sum") == pytest.approx(squared[:, -1].mean())
    assert [r.seed for r in trained.records] == [0, 1]
    network = load_network(tmp_path / "runs/convlstm_seed1/v0/best.ckpt").model
    with torch.inference_mode():
        frames = np.stack([network(torch.from_numpy(c.past)[None], 3)[0].numpy().clip(0, 1) for c in clips])
    squared = ((frames - np.stack([c.future for c in clips])) ** 2).sum((2, 3, 4)).mean(0)
    assert trained.records[1].values("mse_sum") == pytest.approx(squared.tolist(), rel=1e-5)
    assert trained.costs.memory_mb == 12.5
    assert trained.costs.parameters == sum(p.numel() for p in network.parameters())
