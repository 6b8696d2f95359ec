"""Predictions of a benchmark as arrays: those that were scored, whole or not at all, and once."""

import shutil

import numpy as np
import pytest
import xarray as xr

from nowcast.bench import exports
from nowcast.bench.run import BenchmarkRun
from nowcast.bench.runs import alone
from nowcast.products.predictions import PredictionStore
from tests.fakes.benchmarks import tiny

SMALL = ("seeds=[0]", "test_clips=2", "sheets.clips=[]")


@pytest.fixture(autouse=True)
def quick_costs(monkeypatch):
    monkeypatch.setattr("nowcast.bench.costs.peak_forecast_mb", lambda *_: 12.5)
    monkeypatch.setattr("nowcast.bench.costs._LEAST_SECONDS", 0.0)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A table that is filled, without predictions."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("nowcast.bench.costs.peak_forecast_mb", lambda *_: 12.5)
        patched.setattr("nowcast.bench.costs._LEAST_SECONDS", 0.0)
        out = tmp_path_factory.mktemp("table")
        BenchmarkRun(tiny(*SMALL), out)()
    return out


@pytest.fixture
def place(scored, tmp_path):
    return shutil.copytree(scored, tmp_path / "table")


def run(out, *assignments, rows=None):
    chosen = tiny(*SMALL, *assignments)
    picked = None if rows is None else [row for row in chosen.rows if row.name in rows]
    work = BenchmarkRun(chosen, out, picked, predictions=True)
    return work, work()


def opened(out, key):
    return xr.open_zarr(out / "predictions" / f"{key}.zarr", consolidated=False).load()


def names(out):
    return sorted(p.name for p in (out / "predictions").iterdir() if not p.name.endswith(".lock"))


def test_what_is_exported_is_what_was_scored(place):
    before = (place / "results/convlstm_seed0.json").read_text()
    work, outcome = run(place)
    assert outcome.missing == ()
    assert names(place) == ["convlstm_seed0.zarr", "copy_last.zarr"]
    assert (place / "results/convlstm_seed0.json").read_text() == before
    clips = [work.held_out.clips[i] for i in work.held_out.chosen]
    for line in outcome.lines:
        for record in line.records:
            key = "copy_last" if record.seed is None else f"convlstm_seed{record.seed}"
            found = opened(place, key)
            assert found["prediction"].dims == ("clip", "step", "channel", "row", "column")
            np.testing.assert_array_equal(found["truth"], np.stack([c.future for c in clips]))
            np.testing.assert_array_equal(found["past"], np.stack([c.past for c in clips]))
            assert found["observed"].all()
            squared = (
                ((found["prediction"] - found["truth"]) ** 2).sum(("channel", "row", "column")).mean("clip")
            )
            assert record.values("mse_sum") == pytest.approx(squared.values.tolist(), rel=1e-5)
            about = found.attrs
            assert about["clip_names"] == [s.name for s in work.held_out.clips.sources] * 2
            assert about["first_frames"] == [0, 15]
            assert found["clip"].values.tolist() == work.held_out.chosen
            for name in ("row", "seed", "hash", "commit", "checkpoint", "test_data"):
                assert about[name] == getattr(record, name)


def test_nothing_is_written_twice_and_what_is_stale_is_written_anew(place, monkeypatch):
    run(place)
    written = []

    class Noted(PredictionStore):
        def __init__(self, folder, *given):
            written.append(given[1]["row"])
            super().__init__(folder, *given)

    monkeypatch.setattr(exports, "PredictionStore", Noted)
    run(place)
    assert written == []
    shutil.rmtree(place / "predictions/copy_last.zarr")
    run(place)
    assert written == ["copy last"]
    _, outcome = run(place, "scores=[mae]", rows=["copy last"])  # another hash
    assert written == ["copy last"] * 2
    assert opened(place, "copy_last").attrs["hash"] == outcome.lines[0].records[0].hash


def test_a_failure_leaves_no_half_store_and_the_next_call_goes_on(place, monkeypatch):
    left = place / "predictions/.copy_last.zarr.0123abcd.part"
    left.mkdir(parents=True)  # what a kill leaves
    (left / "zarr.json").write_text("{")
    was = PredictionStore.add

    def fails(self, part, *draws):
        was(self, part, *draws)
        if self._group.attrs["row"] != "copy last":
            raise RuntimeError("no more")

    with monkeypatch.context() as broken:
        broken.setattr(PredictionStore, "add", fails)
        _, outcome = run(place)
    assert outcome.missing == ("ConvLSTM, seed 0: predictions: its scoring failed (RuntimeError: no more)",)
    assert len(outcome.lines) == 2  # the scores of before are there
    assert names(place) == ["copy_last.zarr"]
    assert run(place)[1].missing == ()


def test_a_store_that_another_process_writes_is_left_to_it(place):
    with alone(place / "predictions", "copy_last") as free:
        assert free
        _, outcome = run(place, rows=["copy last"])
    assert outcome.missing == ("copy last: predictions: not written yet",)
    assert names(place) == []


def test_a_run_that_is_gone_is_trained_again_for_its_predictions_and_scored_with_them(place):
    shutil.rmtree(place / "runs/convlstm_seed0")
    _, outcome = run(place, rows=["ConvLSTM"])
    record = outcome.lines[1].records[0]
    assert opened(place, "convlstm_seed0").attrs["checkpoint"] == record.checkpoint
    assert outcome.missing == ()


def test_forecasts_that_are_not_finite_have_no_predictions(place, monkeypatch):
    shutil.rmtree(place / "results")
    monkeypatch.setattr(
        "nowcast.bench.run.copy_last", lambda past, steps, observed: past[:, -1:] * float("nan")
    )
    for _ in range(2):
        _, outcome = run(place, rows=["copy last"])
        assert "not finite" in outcome.missing[0]
    assert names(place) == []
