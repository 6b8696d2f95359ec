"""Which futures of a stochastic network a table scores: the mean, the best, the first, each by hand."""

import math

import numpy as np
import pytest
import torch

from nowcast.bench.benchmark import Row
from nowcast.bench.csv_files import long_csv, wide_csv
from nowcast.bench.draws import Draws, futures
from nowcast.bench.entries import entries_of
from nowcast.bench.outcome import BenchmarkOutcome, TableLine
from nowcast.bench.records import Record, as_json
from nowcast.bench.run import BenchmarkRun
from nowcast.bench.scoring import score
from nowcast.bench.tables import charts_of, markdown, tables_of
from nowcast.core.errors import SettingsError
from nowcast.data.clips import VideoDataset
from nowcast.data.windows import ClipWindow
from nowcast.models.base import SequenceModel
from nowcast.scores.frames import FrameErrors, FramePsnr
from tests.fakes.benchmarks import TINY_STACK, tiny
from tests.fakes.frames import STEP, ArraySource, times_of

FUTURE = 2
METRICS = {"mse": FrameErrors(2), "mae": FrameErrors(1), "psnr": FramePsnr()}
SAVP = {
    "name": "savp_vae",
    "settings": {"width": 4, "scales": 2, "latent": 3, "kernels": 1, "posterior_width": 4},
}

TRAINING = {
    "steps": 1,
    "batch": 2,
    "loss": "l1",
    "validate_every": 1,
    "accelerator": "cpu",
    "learning_rate": {"start": 1e-3},
}


class Levels(SequenceModel):
    """A network whose future of a seed is one grey value a lead time, whatever the past."""

    stochastic = True
    levels = ((0.5, 0.5), (0.2, 0.9), (0.7, 0.1))

    def forward(self, past, steps, targets=None, observed=None):
        return self.draw(past, steps, 0)

    def draw(self, past, steps, seed, observed=None):
        found = torch.tensor(self.levels[seed])[None, :, None, None, None]
        return found.expand(len(past), steps, *past.shape[2:])


@pytest.fixture
def clips():
    """Four clips of grey frames."""
    values = np.random.default_rng(3).uniform(0, 1, (12, 1, 1, 1)).astype(np.float32)
    source = ArraySource("grey", np.tile(values, (1, 1, 7, 7)), times_of(np.arange(12)), STEP)
    return VideoDataset([source], ClipWindow(past=1, future=FUTURE, stride=3), train=False)


def errors(clips):
    """Squared error of each clip, draw and lead time."""
    truth = np.array([clip.future[:, 0, 0, 0] for clip in (clips[i] for i in range(4))], np.float64)
    return (np.array(Levels.levels, np.float32)[None].astype(np.float64) - truth[:, None]) ** 2


def scored(clips, count, protocol, network=None, batch=3):
    draws = Draws(count, protocol)
    return score(network or Levels(), clips, range(4), METRICS, draws=draws, batch=batch, keep=[1])


@pytest.mark.parametrize("batch", [1, 3])
def test_each_protocol_by_hand(clips, batch):
    squared = errors(clips)
    mean, best, first = (scored(clips, 3, protocol, batch=batch) for protocol in ("mean", "best", "first"))
    np.testing.assert_allclose(mean.scores["mse"], squared.mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_allclose(first.scores["mse"], squared[:, 0].mean(axis=0), rtol=1e-5)
    decibels = -10 * np.log10(squared)
    np.testing.assert_allclose(mean.scores["psnr"], decibels.mean(axis=(0, 1)), rtol=1e-5)
    for name, values, sign in (("mse", squared, 1), ("mae", np.sqrt(squared), 1), ("psnr", decibels, -1)):
        chosen = (sign * values.mean(axis=2)).argmin(axis=1)
        expected = values[np.arange(4), chosen].mean(axis=0)
        np.testing.assert_allclose(best.scores[name], expected, rtol=1e-5, err_msg=name)
    assert [found.draws for found in (mean, best, first)] == ["mean of 3", "best of 3", "first of 3"]
    assert set(np.unique(best.frames[1])) == {128}  # pictures show the first


def test_the_best_of_more_is_no_worse(clips):
    means = [np.mean(scored(clips, count, "best").scores["mse"]) for count in (1, 2, 3)]
    assert means == sorted(means, reverse=True)
    assert means[0] > means[2]


def test_one_future_is_the_same_by_every_protocol(clips):
    class Certain(Levels):
        stochastic = False

    plain = score(Levels(), clips, range(4), METRICS)
    for protocol in ("mean", "best", "first"):
        for found in (scored(clips, 3, protocol, Certain()), scored(clips, 1, protocol)):
            assert found.scores == plain.scores
            assert found.draws == ""
    assert futures(len, Draws(5)) == [len]  # a forecast without a network


def test_what_a_row_may_say():
    assert Row("a", forecaster="copy_last", draws=3).drawn.told == "mean of 3"
    with pytest.raises(SettingsError, match="rows: 'a' draws: got 0, expected 1 or more"):
        Row("a", forecaster="copy_last", draws=0)
    row = {"name": "a", "model": SAVP, "draws": 4, "draw_protocol": "best"}
    with pytest.raises(SettingsError, match=r"rows: 'a' draw_protocol: got best, with the score fvd"):
        tiny(rows=[row], scores=["mse", "fvd"])
    with pytest.raises(SettingsError, match="draw_protocol"):
        tiny(rows=[{**row, "draw_protocol": "worst"}])


def test_rows_that_differ_in_the_draws_alone_share_a_run_and_no_hash():
    chosen = tiny(
        rows=[
            {"name": "one", "model": SAVP},
            {"name": "mean", "model": SAVP, "draws": 4},
            {"name": "best", "model": SAVP, "draws": 4, "draw_protocol": "best"},
            {"name": "other", "model": {"name": "convlstm", "settings": TINY_STACK}},
        ],
        seeds=[0, 1],
    )
    found = entries_of(chosen)
    runs = [entry.experiment.name for entry in found]
    assert runs == ["one_seed0"] * 3 + ["other_seed0"] + ["one_seed1"] * 3 + ["other_seed1"]
    assert len({entry.key for entry in found}) == 8
    assert len({entry.hash for entry in found[:4]}) == 4
    alone = entries_of(tiny(rows=[{"name": "one", "model": SAVP, "draw_protocol": "best"}]))
    assert alone[0].hash == found[0].hash  # one draw is one draw


def test_the_table_tells_them_apart_and_never_marks_the_best_of_many():
    chosen = tiny(
        rows=[
            {"name": "one", "model": SAVP},
            {"name": "mean", "model": SAVP, "draws": 4},
            {"name": "best", "model": SAVP, "draws": 4, "draw_protocol": "best"},
        ]
    )

    def line(row, value, draws):
        record = Record(
            row.name, 0, "h", "t", "t", 6, "c", "k", 1, 1.0, {"mse_sum": as_json([value] * 3)}, {}, draws=draws
        )
        return TableLine(row, (record,), {}, None)

    values = ((3.0, ""), (2.0, "mean of 4"), (1.0, "best of 4"))
    lines = tuple(line(row, *value) for row, value in zip(chosen.rows, values, strict=True))
    found = BenchmarkOutcome(lines, ())
    names = ["one", "mean (mean of 4)", "best (best of 4)"]
    scores = tables_of(chosen, found)[1]
    assert [row[0].text for row in scores.rows] == names
    assert [row[1].best for row in scores.rows] == [False, True, False]
    assert list(charts_of(chosen, found)[0].lines) == names
    text = markdown(chosen, found)
    assert "- mean (mean of 4): each score is the mean of its values for 4 futures" in text
    assert (
        "- best (best of 4): best of 4 futures of each clip, by each score and with the truth in sight" in text
    )
    assert "best (best of 4)," in wide_csv(chosen, found)
    assert "best (best of 4)," in long_csv(chosen, found)


def test_a_table_trains_once_and_scores_each_way(tmp_path, monkeypatch):
    monkeypatch.setattr("nowcast.bench.costs.peak_forecast_mb", lambda *_: 12.5)
    monkeypatch.setattr("nowcast.bench.costs._LEAST_SECONDS", 0.0)
    rows = [
        {"name": "one", "model": SAVP},
        {"name": "mean", "model": SAVP, "draws": 3},
        {"name": "best", "model": SAVP, "draws": 3, "draw_protocol": "best"},
    ]
    outcome = BenchmarkRun(tiny(rows=rows, seeds=[0], scores=["mse_sum"], training=TRAINING), tmp_path)()
    assert outcome.missing == ()
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.is_dir()] == ["one_seed0"]
    one, mean, best = (line.records[0] for line in outcome.lines)
    assert (one.draws, mean.draws, best.draws) == ("", "mean of 3", "best of 3")
    assert one.checkpoint == mean.checkpoint == best.checkpoint
    assert best.mean("mse_sum") <= min(one.mean("mse_sum"), mean.mean("mse_sum"))
    assert not math.isclose(one.mean("mse_sum"), mean.mean("mse_sum"), rel_tol=1e-9)
