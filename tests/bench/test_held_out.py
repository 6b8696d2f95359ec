"""The test split cannot be reached while anything trains, nor shared with what is learned on."""

import numpy as np
import pytest
import torch

from nowcast.bench import runs as bench_runs
from nowcast.bench.held_out import TestSplitError
from nowcast.bench.run import BenchmarkRun
from nowcast.core.errors import SettingsError
from nowcast.data.catalog import SOURCES, SourceEntry
from nowcast.data.moving_digits import DigitSettings, MovingDigits
from nowcast.models.checkpoint import read
from tests.fakes.benchmarks import TINY, digits, tiny
from tests.fakes.videos import write_video


@pytest.fixture(autouse=True)
def quick_costs(monkeypatch):
    monkeypatch.setattr("nowcast.bench.costs.peak_forecast_mb", lambda *_: 12.5)
    monkeypatch.setattr("nowcast.bench.costs._LEAST_SECONDS", 0.0)


@pytest.fixture
def guarded(monkeypatch):
    """A kind of source that raises when it is read before all runs of a benchmark have ended."""
    state = {"runs_to_come": 2, "reads": 0}

    class Guarded(MovingDigits):
        def read(self, *args):
            assert state["runs_to_come"] == 0, "a test frame was read while training was not over"
            state["reads"] += 1
            return super().read(*args)

    monkeypatch.setitem(
        SOURCES, "guarded", SourceEntry("", DigitSettings, lambda settings, _: [Guarded(settings)])
    )
    was = bench_runs.train

    def counted(*args, **kwargs):
        found = was(*args, **kwargs)
        state["runs_to_come"] -= 1
        return found

    monkeypatch.setattr(bench_runs, "train", counted)
    return state


def test_no_test_frame_is_read_before_the_last_run_has_ended(tmp_path, guarded):
    source = {"kind": "guarded", "settings": digits("test", 2, 6)["settings"]}
    outcome = BenchmarkRun(tiny(test_sources=[source]), tmp_path)()
    assert guarded == {"runs_to_come": 0, "reads": guarded["reads"]}
    assert guarded["reads"] >= 3 * 6
    assert outcome.missing == ()


def test_the_seal_holds_even_against_a_trainer_that_wants_to_look(tmp_path, monkeypatch):
    work = BenchmarkRun(tiny("seeds=[0]"), tmp_path)
    was, looked = bench_runs.train, []

    def nosy(*args, **kwargs):
        with pytest.raises(TestSplitError, match="read of test frames during training"):
            work.held_out.clips[0]
        looked.append(True)
        return was(*args, **kwargs)

    monkeypatch.setattr(bench_runs, "train", nosy)
    assert work.held_out.sealed
    work()
    assert looked == [True]
    assert not work.held_out.sealed
    assert np.isfinite(work.held_out.clips[0].future).all()


def test_moving_the_test_data_does_not_move_a_weight(tmp_path):
    found = []
    for seed in (2, 3):
        out = tmp_path / str(seed)
        outcome = BenchmarkRun(tiny(f"test_sources.0.settings.seed={seed}", "seeds=[0]"), out)()
        found.append(
            (
                read(out / "runs/convlstm_seed0/v0/best.ckpt")["state_dict"],
                (out / "runs/convlstm_seed0/v0/metrics.csv").read_text().count("\n"),
                outcome.lines[1].records[0].scores["mse_sum"],
            )
        )
    (one, lines, score), (other, other_lines, other_score) = found
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert lines == other_lines
    assert score != other_score


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (digits("test", 100, 6), "moving_digits of seed 100, which training or validation has too"),
        (digits("test", 1, 6), "moving_digits of seed 1, which training or validation has too"),
        (
            {"kind": "moving_digits", "settings": {**digits("test", 2, 6)["settings"], "size": 40}},
            "1 channels of 40 x 40 every .*expected 1 channels of 32 x 32",
        ),
    ],
)
def test_digits_that_training_has_or_of_another_kind_are_refused(tmp_path, test, words):
    with pytest.raises(SettingsError, match=words):
        BenchmarkRun(tiny(test_sources=[test]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def video_bench(root, *names):
    """Train, validate and test on three folders of one video each, with these names."""
    random = np.random.default_rng(0)
    for part, name in zip(("train", "validation", "test"), names, strict=True):
        write_video(root / part / name, random.integers(0, 255, (8, 16, 16), np.uint8))
    choices = [
        {"kind": "video_folder", "settings": {"path": str(root / part)}}
        for part in ("train", "validation", "test")
    ]
    data = {**TINY["data"], "sources": choices[:1], "validation_sources": choices[1:2]}
    return tiny("seeds=[0]", data=data, test_sources=choices[2:])


def test_videos_are_told_apart_by_name(tmp_path):
    assert BenchmarkRun(video_bench(tmp_path / "a", "one", "two", "three"), tmp_path / "out")().missing == ()
    for names in (("one", "two", "one"), ("one", "two", "two")):
        with pytest.raises(SettingsError, match=f"'{names[2]}', which training or validation has too"):
            BenchmarkRun(video_bench(tmp_path / "-".join(names), *names), tmp_path / "out")


def test_the_same_folder_for_test_and_training_is_refused_by_its_settings():
    choice = {"kind": "video_folder", "settings": {"path": "videos"}}
    with pytest.raises(SettingsError, match="test_sources: got the video_folder of training or validation"):
        tiny(data={**TINY["data"], "sources": [choice]}, test_sources=[choice])
