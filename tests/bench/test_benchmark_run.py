"""A benchmark trains, then tests, goes on where it ended, and repeats nothing."""

import csv
import shutil
import signal

import numpy as np
import pytest
import torch

from nowcast.bench import fits, kept_costs
from nowcast.bench import run as bench_run
from nowcast.bench import runs as bench_runs
from nowcast.bench.costs import Costs
from nowcast.bench.results import write_results
from nowcast.bench.run import BenchmarkRun
from nowcast.bench.runs import alone
from nowcast.bench.scoring import copy_last, score
from nowcast.core.errors import CheckpointError, FileError, NowcastError, SettingsError
from nowcast.core.files import sha256
from nowcast.models.checkpoint import load_network, read
from nowcast.models.lagrangian.wrapper import LagrangianModel, LagrangianSettings
from nowcast.models.recurrent import RecurrentStack
from nowcast.scores.frames import FrameErrors
from nowcast.training.interruption import Interrupted
from nowcast.training.keeper import Keeper
from tests.fakes.benchmarks import TINY, TINY_STACK, digits, tiny, write_checkpoint
from tests.fakes.frames import storm_codes, write_cache
from tests.fakes.training_runs import clips


@pytest.fixture(autouse=True)
def quick_costs(monkeypatch):
    """Measuring memory starts a process of its own, which takes seconds."""
    monkeypatch.setattr("nowcast.bench.costs.peak_forecast_mb", lambda *_: 12.5)
    monkeypatch.setattr("nowcast.bench.costs._LEAST_SECONDS", 0.0)


def bench(out, *assignments, rows=None, most_minutes=None, **values):
    chosen = tiny(*assignments, **values)
    picked = None if rows is None else [row for row in chosen.rows if row.name in rows]
    work = BenchmarkRun(chosen, out, picked, most_minutes)
    return chosen, work, work()


def never(*_args, **_kwargs):
    pytest.fail("done twice")


def scores_of(outcome):
    return {(r.row, r.seed): r.scores for line in outcome.lines for r in line.records}


def weights_of(path):
    return read(path)["state_dict"]


def test_copy_last_and_a_network_have_the_scores_that_numpy_gives(tmp_path):
    _, work, outcome = bench(tmp_path)
    assert [line.row.name for line in outcome.lines] == ["copy last", "ConvLSTM"]
    assert outcome.missing == ()
    copied, trained = outcome.lines
    clips = [work.held_out.clips[i] for i in work.held_out.chosen]
    squared = np.array([((c.past[-1:] - c.future) ** 2).sum((1, 2, 3)) for c in clips])
    assert copied.records[0].values("mse_sum") == pytest.approx(squared.mean(0).tolist(), rel=1e-6)
    assert copied.records[0].mean("mse_sum") == pytest.approx(squared.mean())
    assert copied.records[0].late("mse_sum") == pytest.approx(squared[:, -1].mean())
    assert copied.costs is None
    assert [r.seed for r in trained.records] == [0, 1]
    network = load_network(tmp_path / "runs/convlstm_seed1/v0/best.ckpt").model
    with torch.inference_mode():
        frames = np.stack([network(torch.from_numpy(c.past)[None], 3)[0].numpy().clip(0, 1) for c in clips])
    squared = ((frames - np.stack([c.future for c in clips])) ** 2).sum((2, 3, 4)).mean(0)
    assert trained.records[1].values("mse_sum") == pytest.approx(squared.tolist(), rel=1e-5)
    assert trained.costs.memory_mb == 12.5
    assert trained.costs.parameters == sum(p.numel() for p in network.parameters())


def test_no_score_changes_with_the_batch(tmp_path):
    found = [bench(tmp_path, f"test_batch={size}")[2] for size in (1,)]
    for size in (2, 6):
        for path in (tmp_path / "results").glob("*.json"):
            path.unlink()
        found.append(bench(tmp_path, f"test_batch={size}")[2])
    for key, scores in scores_of(found[0]).items():
        for other in found[1:]:
            for name, values in scores.items():
                assert scores_of(other)[key][name] == pytest.approx(values, rel=1e-6), (key, name)


def test_a_second_call_trains_scores_and_measures_nothing(tmp_path, monkeypatch):
    *_, first = bench(tmp_path)
    for name in ("score", "measure", "carry_on"):
        monkeypatch.setattr(bench_run, name, never)
    *_, second = bench(tmp_path)
    assert scores_of(second) == scores_of(first)
    monkeypatch.undo()
    monkeypatch.setattr("nowcast.bench.costs.peak_forecast_mb", lambda *_: 99.0)
    monkeypatch.setattr(bench_run, "score", never)
    assert bench(tmp_path)[2].lines[1].costs.memory_mb == 12.5
    (tmp_path / "results/convlstm.costs.json").unlink()
    assert bench(tmp_path)[2].lines[1].costs.memory_mb == 99.0
    shutil.rmtree(tmp_path / "runs")
    assert scores_of(bench(tmp_path)[2]) == scores_of(first)


def test_other_scores_score_again_but_do_not_train_again(tmp_path, monkeypatch):
    bench(tmp_path)
    monkeypatch.setattr(bench_runs, "train", never)
    *_, outcome = bench(tmp_path, "scores=[mae]")
    assert {name for scores in scores_of(outcome).values() for name in scores} == {"mae"}
    assert len(scores_of(outcome)) == 3


@pytest.mark.parametrize(
    "changed", ["training.steps=4", "training.batch=1", "rows.1.model.settings.hidden=[8]"]
)
def test_other_settings_are_another_run(tmp_path, changed):
    *_, first = bench(tmp_path, "seeds=[0]")
    *_, other = bench(tmp_path, "seeds=[0]", changed)
    assert {p.name for p in (tmp_path / "runs/convlstm_seed0").iterdir()} == {"v0", "v1"}
    assert other.lines[1].records[0].hash != first.lines[1].records[0].hash
    assert other.lines[0].records[0].hash == first.lines[0].records[0].hash


@pytest.mark.parametrize("changed", ["training.log_every=1", "training.workers=1", "title=new"])
def test_what_changes_no_number_is_the_same_run(tmp_path, monkeypatch, changed):
    bench(tmp_path, "seeds=[0]")
    monkeypatch.setattr(bench_run, "score", never)
    *_, outcome = bench(tmp_path, "seeds=[0]", changed)
    assert outcome.missing == ()


def test_an_interrupted_run_goes_on_and_ends_as_the_unbroken_one(tmp_path, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    bench(whole, "training.steps=4", "seeds=[0]")
    was = Keeper.on_train_batch_end

    def stop_at_three(self, trainer, module, outputs, batch, index):
        was(self, trainer, module, outputs, batch, index)
        if module.iteration == 3:
            raise Interrupted(signal.SIGINT)

    monkeypatch.setattr(Keeper, "on_train_batch_end", stop_at_three)
    with pytest.raises(KeyboardInterrupt):
        bench(broken, "training.steps=4", "seeds=[0]")
    assert not (broken / "results").exists()
    monkeypatch.setattr(Keeper, "on_train_batch_end", was)
    bench(broken, "training.steps=4", "seeds=[0]")
    assert [p.name for p in (broken / "runs/convlstm_seed0").iterdir()] == ["v0"]
    one, other = (weights_of(p / "runs/convlstm_seed0/v0/best.ckpt") for p in (whole, broken))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_killed_before_its_first_checkpoint_begins_anew(tmp_path):
    (tmp_path / "runs/convlstm_seed0/v0").mkdir(parents=True)
    (tmp_path / "runs/convlstm_seed0/v0/last.ckpt").write_bytes(b"half")
    *_, outcome = bench(tmp_path, "seeds=[0]")
    assert outcome.missing == ()
    assert (tmp_path / "runs/convlstm_seed0/v1/best.ckpt").exists()


def test_a_run_at_its_end_without_best_ckpt_is_missing_with_a_reason(tmp_path):
    bench(tmp_path, "seeds=[0]")
    shutil.rmtree(tmp_path / "results")
    folder = tmp_path / "runs/convlstm_seed0/v0"
    (folder / "best.ckpt").unlink()
    *_, outcome = bench(tmp_path, "seeds=[0]")
    (text,) = outcome.missing
    assert text.startswith(f"ConvLSTM, seed 0: its training failed ({folder}: ")
    assert text.endswith("delete this folder and call again)")
    shutil.rmtree(folder)
    assert bench(tmp_path, "seeds=[0]")[2].missing == ()


def test_a_budget_of_minutes_ends(tmp_path):
    training = {**TINY["training"], "steps": None, "minutes": 0.01, "validate_every": 2}
    *_, outcome = bench(tmp_path, "seeds=[0]", training=training)
    assert outcome.lines[1].records[0].train_seconds >= 0.6
    assert outcome.missing == ()


def test_what_is_scored_is_best_on_validation_not_the_last(tmp_path):
    assignments = ("seeds=[0]", "training.steps=6", "training.learning_rate.start=2.0")
    *_, outcome = bench(tmp_path, *assignments)
    folder = tmp_path / "runs/convlstm_seed0/v0"
    last = read(folder / "last.ckpt")
    assert last["run"]["best"]["iteration"] < 6
    assert outcome.lines[1].records[0].checkpoint == sha256(folder / "best.ckpt")[:12]
    lines = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    losses = {int(line["iteration"]): float(line["val_loss"]) for line in lines if line["val_loss"]}
    assert min(losses, key=losses.get) == last["run"]["best"]["iteration"]


def test_when_the_time_is_up_nothing_starts_and_the_table_says_what_is_missing(tmp_path):
    chosen, work, outcome = bench(tmp_path, most_minutes=0.0)
    assert [line.row.name for line in outcome.lines] == ["copy last"]
    told = [f"ConvLSTM, seed {seed}: not begun when the time was up" for seed in (0, 1)]
    assert list(outcome.missing) == told
    written = write_results(tmp_path, chosen, outcome, work.held_out)
    for path in (written.table, written.page):
        assert all(text in path.read_text() for text in told)
    *_, outcome = bench(tmp_path)
    assert outcome.missing == ()


def test_picked_rows_are_done_and_the_table_keeps_the_others(tmp_path):
    *_, outcome = bench(tmp_path, rows=["copy last"])
    assert [line.row.name for line in outcome.lines] == ["copy last"]
    assert len(outcome.missing) == 2
    *_, outcome = bench(tmp_path, rows=["ConvLSTM"])
    assert [line.row.name for line in outcome.lines] == ["copy last", "ConvLSTM"]


def test_a_run_that_another_process_trains_is_left_to_it(tmp_path):
    with alone(tmp_path / "runs", "convlstm_seed0") as free:
        assert free
        *_, outcome = bench(tmp_path)
    assert outcome.missing == ("ConvLSTM, seed 0: another process trains it now",)
    assert bench(tmp_path)[2].missing == ()


def test_a_checkpoint_is_a_row_that_needs_no_training(tmp_path, monkeypatch):
    *_, trained = bench(tmp_path / "one", "seeds=[0]")
    best = tmp_path / "one/runs/convlstm_seed0/v0/best.ckpt"
    monkeypatch.setattr(bench_runs, "train", never)
    rows = [{"name": "given", "checkpoint": str(best)}]
    *_, outcome = bench_rows(tmp_path / "two", rows)
    (line,) = outcome.lines
    assert line.records[0].scores == trained.lines[1].records[0].scores
    assert line.records[0].seed is None
    assert line.costs.parameters == trained.lines[1].costs.parameters
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        bench_rows(tmp_path / "two", [{"name": "given", "checkpoint": "none.ckpt"}])
    with pytest.raises(SettingsError, match="seed 100, which training or validation has too"):
        bench_rows(
            tmp_path / "two",
            rows,
            test_sources=[digits("test", 100, 6)],
            data={**TINY["data"], "sources": [digits("train", 7, 20)]},
        )


def bench_rows(out, rows, **values):
    chosen = tiny(**{"rows": rows, **values})
    work = BenchmarkRun(chosen, out)
    return chosen, work, work()


def test_missing_pretrained_weights_leave_a_score_out_and_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("HOME", str(tmp_path / "empty"))
    chosen, work, outcome = bench(tmp_path, "scores=[mse_sum, fvd]", "seeds=[0]")
    table = write_results(tmp_path, chosen, outcome, work.held_out).table.read_text()
    assert table.count("| not computed |") == 2 * len(outcome.lines)
    assert "ConvLSTM: fvd not computed: " in table
    monkeypatch.setattr(bench_run, "score", never)
    bench(tmp_path, "scores=[mse_sum, fvd]", "seeds=[0]")


def says_nan(monkeypatch):
    was = RecurrentStack.forward
    monkeypatch.setattr(RecurrentStack, "forward", lambda self, *a, **k: was(self, *a, **k) * float("nan"))


def test_a_network_that_says_nan_has_no_scores_but_a_reason(tmp_path, monkeypatch):
    bench(tmp_path, "seeds=[0]")
    shutil.rmtree(tmp_path / "results")
    with monkeypatch.context() as broken:
        says_nan(broken)
        chosen, work, outcome = bench(tmp_path, "seeds=[0]")
    assert outcome.lines[1].records[0].scores == {}
    assert "not finite" in outcome.missing[0]
    table = write_results(tmp_path, chosen, outcome, work.held_out).table.read_text()
    assert "| ConvLSTM | - | - |" in table
    monkeypatch.setattr(bench_run, "score", never)
    bench(tmp_path, "seeds=[0]")


def test_a_training_that_fails_leaves_the_other_rows_their_turn(tmp_path, monkeypatch):
    rows = [TINY["rows"][1], {"name": "good", "model": {"name": "predrnn", "settings": TINY_STACK}}]
    rollout = RecurrentStack.rollout

    def fails(self, past, steps, targets=None):
        found = rollout(self, past, steps, targets)
        return found * float("nan") if "ConvLSTM" in {type(m).__name__ for m in self.modules()} else found

    monkeypatch.setattr(RecurrentStack, "rollout", fails)
    *_, outcome = bench_rows(tmp_path, rows, seeds=[0])
    assert [line.row.name for line in outcome.lines] == ["good"]
    (text,) = outcome.missing
    assert text.startswith("ConvLSTM, seed 0: its training failed (")


def test_a_table_is_written_when_all_is_scored_and_again_when_all_is_timed(tmp_path):
    chosen = tiny("seeds=[0]")
    work, written = BenchmarkRun(chosen, tmp_path), []
    outcome = work(written.append)
    (scored,) = written
    assert [[r.scores for r in line.records] for line in scored.lines] == [
        [r.scores for r in line.records] for line in outcome.lines
    ]
    assert [line.costs for line in scored.lines] == [None, None]
    assert scored.missing == ("ConvLSTM: not timed yet",)
    assert outcome.missing == ()
    assert BenchmarkRun(chosen, tmp_path)(never).missing == ()


def two_rows(tmp_path, write=None):
    rows = [TINY["rows"][1], {"name": "other", "model": {"name": "convlstm", "settings": TINY_STACK}}]
    return BenchmarkRun(tiny("seeds=[0]", rows=rows), tmp_path)(write)


@pytest.mark.parametrize(("what", "words"), [("measure", "its timing"), ("score", "its scoring")])
def test_a_row_that_fails_leaves_the_others_their_turn_and_is_tried_again(tmp_path, monkeypatch, what, words):
    was, calls = getattr(bench_run, what), []

    def fails_first(*given, **named):
        calls.append(given)
        if len(calls) == 1:
            raise RuntimeError("out of\nmemory")
        return was(*given, **named)

    monkeypatch.setattr(bench_run, what, fails_first)
    outcome = two_rows(tmp_path)
    where = "ConvLSTM" if what == "measure" else "ConvLSTM, seed 0"
    assert outcome.missing == (f"{where}: {words} failed (RuntimeError: out of memory)",)
    assert outcome.lines[-1].row.name == "other"
    assert outcome.lines[-1].costs is not None
    assert two_rows(tmp_path).missing == ()
    assert len(calls) == 3


def test_a_full_disk_is_no_fault_of_a_row(tmp_path, monkeypatch):
    def full(*_):
        raise FileError("results: cannot be written; make room")

    monkeypatch.setattr(bench_run.Records, "put", full)
    with pytest.raises(FileError):
        two_rows(tmp_path)


def test_radar_is_tested_on_its_periods_and_what_was_not_seen_does_not_count(tmp_path):
    write_cache(tmp_path / "storms.cache", storm_codes(60))
    data = {
        "sources": [{"kind": "radar_cache", "settings": {"path": str(tmp_path / "storms.cache")}}],
        "window": {"past": 2, "future": 2},
        "crop": [32, 32],
        "train": ["2025-03-01T00:00/2025-03-01T03:00"],
        "validation": ["2025-03-01T04:00/2025-03-01T06:00"],
        "test": ["2025-03-01T07:00/2025-03-01T09:00"],
    }
    _, work, outcome = bench(tmp_path, "seeds=[0]", data=data, test_sources=[])
    clips = [work.held_out.clips[i] for i in range(len(work.held_out.clips))]
    assert len(clips) == 9
    error = [((c.past[-1:] - c.future) * c.observed[2:]) ** 2 for c in clips]
    mean = np.mean([e.sum((1, 2, 3)) for e in error])
    assert outcome.lines[0].records[0].mean("mse_sum") == pytest.approx(mean)


def test_networks_that_cannot_take_the_frames_are_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(SettingsError, match=r"rows: 'ConvLSTM': .*multiples of"):
        bench(tmp_path, "rows.1.model.settings.patch=7")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("given", "assignments", "words"),
    [
        ({"channels": 3}, [], "got frames of 1 channels, expected 3"),
        ({"patch": 7}, [], r"rows: 'given': frame size: got 32 x 32, expected rows in multiples of 7"),
        (
            {"lagrangian": LagrangianSettings()},
            ["data.window.past=1"],
            "data.window.past: got 1, expected 2 or",
        ),
    ],
)
def test_checkpoints_that_cannot_take_the_frames_are_refused_before_anything_is_trained(
    tmp_path, given, assignments, words
):
    row = write_checkpoint(tmp_path / "best.ckpt", **given)
    with pytest.raises(NowcastError, match=words):
        BenchmarkRun(tiny(*assignments, rows=[row]), tmp_path / "out")


def test_a_checkpoint_of_another_size_that_it_is_tied_to_is_refused(tmp_path, monkeypatch):
    row = write_checkpoint(tmp_path / "best.ckpt")
    monkeypatch.setattr(fits, "load_network", lambda *a: load_network(*a)._replace(model=Tied()))
    with pytest.raises(SettingsError, match="'given': frame size: got 32 x 32, expected 16 x 24, to which"):
        BenchmarkRun(tiny(rows=[row]), tmp_path / "out")


class Tied:
    multiple_of, size, past_min = (8, 8), (16, 24), 1


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"fvd": "bad", "fvd_sha256": "0" * 64}, "bad: sha256"),
        ({"lpips": "bad"}, "bad: not a file of LPIPS weights"),
    ],
)
def test_bad_pretrained_weights_are_found_before_anything_is_trained(tmp_path, weights, words):
    (tmp_path / "bad").write_bytes(b"junk")
    named = {key: str(tmp_path / value) if value == "bad" else value for key, value in weights.items()}
    with pytest.raises(FileError, match=words):
        BenchmarkRun(tiny(scores=[next(iter(weights))], weights=named), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_forecast_is_given_what_of_the_past_was_observed():
    split = clips(train=False, crop=None)
    given = []

    def forecast(past, steps, targets=None, observed=None):
        given.append((past, observed))
        return copy_last(past, steps)

    score(forecast, split, [0, 1], {"mse": FrameErrors(2)}, batch=2)
    ((past, observed),) = given
    corner = torch.zeros_like(observed)
    corner[..., -1, -1] = True
    assert torch.equal(observed, ~corner)
    assert (past[corner] == 0).all()


def test_a_checkpoint_in_lagrangian_coordinates_is_told_what_was_observed_and_is_not_counted(
    tmp_path, monkeypatch
):
    row = write_checkpoint(tmp_path / "best.ckpt", lagrangian=LagrangianSettings())
    told = []
    flow = LagrangianModel._flow
    monkeypatch.setattr(LagrangianModel, "_flow", lambda *a: told.append(a[2]) or flow(*a))
    *_, outcome = bench_rows(tmp_path / "out", [row, TINY["rows"][0]])
    assert told[0].dtype == torch.bool
    assert outcome.lines[0].costs.multiply_accumulates is None


def test_times_are_taken_anew_for_another_checkpoint_and_on_another_machine(tmp_path, monkeypatch):
    path = tmp_path / "best.ckpt"
    row, asked = write_checkpoint(path), []

    def measured(*_):
        asked.append(sha256(path))
        return Costs(1, 2, 0.5, 2.0, None, kept_costs.machine_of(torch.device("cpu")))

    monkeypatch.setattr(bench_run, "measure", measured)
    for _ in range(2):
        bench_rows(tmp_path / "out", [row])
    assert len(asked) == 1
    write_checkpoint(path)
    bench_rows(tmp_path / "out", [row])
    assert len({*asked}) == 2
    monkeypatch.setattr(kept_costs, "machine_of", lambda _: "another machine")
    *_, outcome = bench_rows(tmp_path / "out", [row])
    assert len(asked) == 3
    assert outcome.lines[0].costs.machine == "another machine"


@pytest.mark.slow
def test_a_row_trained_by_two_processes_learns_what_one_does(tmp_path):
    one = bench(tmp_path / "one", "seeds=[0]")[2]
    rows = [{**TINY["rows"][1], "training": {"devices": 2}}]
    two = bench_rows(tmp_path / "two", rows, seeds=[0])[2]
    assert two.missing == ()
    assert two.lines[0].records[0].iterations == 3
    a, b = (weights_of(tmp_path / n / "runs/convlstm_seed0/v0/best.ckpt") for n in ("one", "two"))
    assert all(torch.allclose(a[name], b[name], atol=2e-3) for name in a)
    mine, its = (found.lines[-1].records[0].mean("mse_sum") for found in (two, one))
    assert mine == pytest.approx(its, rel=0.01)
    assert [p.name for p in (tmp_path / "two/runs/convlstm_seed0").iterdir()] == ["v0"]
