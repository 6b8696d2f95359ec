"""Whole runs: what they leave, that they go on exactly, and how they end."""

import csv
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from nowcast.core.errors import CheckpointError, FileError, MissingExtraError, SettingsError
from nowcast.core.settings import plain
from nowcast.data.clips import VideoDataset
from nowcast.models import checkpoint
from nowcast.models.catalog import MODELS
from nowcast.models.cpu import capability
from nowcast.training import loggers, run
from nowcast.training.interruption import Interruption
from nowcast.training.module import TrainingError, TrainingModule
from nowcast.training.run import train
from tests.fakes.training_runs import clips, experiment, register

ROOT = Path(__file__).resolve().parents[2]
HEAD = (
    "training.loss=log_score",
    "training.ema_decay=0.5",
    "training.sampling.start=0.0",
    "model.exceedance_probability.thresholds_dbz=[20, 30]",
    "model.exceedance_probability.cascade.hidden=4",
)


@pytest.fixture(autouse=True)
def two_phase(monkeypatch):
    models = dict(MODELS)
    register(models)
    for name, entry in models.items():
        monkeypatch.setitem(MODELS, name, entry)


def go(out, *assignments, data=None, val=None, resume=None):
    return train(
        experiment(*assignments), data or clips(), val or clips(train=False, seed=2), out, resume=resume
    )


def rows(best):
    with (best.parent / "metrics.csv").open() as handle:
        return list(csv.DictReader(handle))


def everything(best):
    """All tensors and numbers that decide how a run goes on, clock and settings aside."""
    content = checkpoint.read(best.parent / "last.ckpt")
    content["run"].pop("seconds")
    del content["nowcast"]
    return content


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


class Signals:
    """Clips that send this process a signal when clip number ``at`` is asked for."""

    def __init__(self, number, at):
        self.inner, self.number, self.at, self.asked = clips(), number, at, 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        self.asked += 1
        if self.asked == self.at:
            os.kill(os.getpid(), self.number)
        return self.inner[index]


def test_a_recording_that_a_cpu_does_not_make_is_told(tmp_path):
    quick = ("training.steps=2", "training.sampling.start=0")
    line = "training.cuda_graph=true: this run is on cpu, where no pass is recorded"
    told = go(tmp_path, *quick, "training.cuda_graph=true")
    assert (told.parent / "train.log").read_text().count(line) == 1
    assert "cuda_graph" not in (go(tmp_path, *quick).parent / "train.log").read_text()


def test_a_run_leaves_its_files_and_says_what_it_did(tmp_path):
    best = go(tmp_path)
    assert best == tmp_path / "tiny" / "v0" / "best.ckpt"
    assert sorted(p.name for p in best.parent.iterdir()) == [
        "best.ckpt",
        "last.ckpt",
        "metrics.csv",
        "settings.yaml",
        "train.log",
    ]
    assert yaml.safe_load((best.parent / "settings.yaml").read_text()) == plain(experiment())
    found = rows(best)
    assert [int(r["iteration"]) for r in found if r["train_loss"]] == list(range(1, 21))
    assert [int(r["iteration"]) for r in found if r["val_loss"]] == [7, 14, 20]
    assert all(r["val_csi20"] and r["val_csi30"] for r in found if r["val_loss"])
    assert float(found[0]["learning_rate"]) == pytest.approx(1e-2 / 3, rel=1e-5)
    assert "ended at iteration 20" in (best.parent / "train.log").read_text()
    assert go(tmp_path, "training.steps=1").parent.name == "v1"


@pytest.mark.parametrize("at", [7, 10])
def test_resume_is_exact(tmp_path, at):
    """20 iterations = some, then the rest: weights, Adam, average, draws and data, also mid-epoch."""
    whole = go(tmp_path / "whole")
    part = go(tmp_path / "part", f"training.steps={at}", "training.learning_rate.schedule=constant")
    reference = go(tmp_path / "reference", "training.learning_rate.schedule=constant")
    resumed = go(
        tmp_path / "part", "training.learning_rate.schedule=constant", resume=part.parent / "last.ckpt"
    )
    assert resumed == part
    left, right = everything(reference), everything(resumed)
    left["run"].pop("best"), right["run"].pop("best")  # the short run validated once more at its end
    assert same(left, right)
    assert not same(everything(whole)["state_dict"], right["state_dict"])
    losses = [[r["train_loss"] for r in rows(b) if r["train_loss"]] for b in (reference, resumed)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_last_ckpt_from_which_the_run_goes_on_exactly(tmp_path, number):
    whole = go(tmp_path / "whole")
    error = KeyboardInterrupt if number == signal.SIGINT else SystemExit
    before = signal.getsignal(number)
    with pytest.raises(error):
        go(tmp_path / "cut", data=Signals(number, at=4 * 9 + 2))
    assert signal.getsignal(number) is before
    last = tmp_path / "cut" / "tiny" / "v0" / "last.ckpt"
    assert 9 <= checkpoint.read(last)["run"]["iteration"] <= 10
    assert "interrupted" in (last.parent / "train.log").read_text()
    resumed = go(tmp_path / "cut", resume=last)
    assert same(everything(whole), everything(resumed))


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_a_cut_run_goes_on_exactly_with_every_optimiser_and_schedule(tmp_path, optimizer):
    """The rate of a plateau depends on the validations before the cut, of which one was no better."""
    schedule = "plateau" if optimizer == "adafactor" else "one_cycle"
    chosen = (
        f"training.optimizer={optimizer}",
        "training.weight_decay=0.1",
        f"training.learning_rate={{start: 0.3, schedule: {schedule}, patience: 0, factor: 0.5}}",
        "training.validate_every=3",
        "training.steps=14",
    )
    whole = go(tmp_path / "whole", *chosen)
    with pytest.raises(SystemExit):
        go(tmp_path / "cut", *chosen, data=Signals(signal.SIGTERM, at=4 * 10 + 2))
    last = tmp_path / "cut" / "tiny" / "v0" / "last.ckpt"
    resumed = go(tmp_path / "cut", *chosen, resume=last)
    assert same(everything(whole), everything(resumed))
    rates = [float(r["learning_rate"]) for r in rows(resumed) if r["learning_rate"]]
    assert checkpoint.read(last)["run"]["plateau"]["times"] >= 1
    assert len({*rates}) == (14 if schedule == "one_cycle" else 2)


def test_the_validation_at_the_end_of_a_budget_does_not_count_for_a_plateau(tmp_path):
    chosen = (
        "training.learning_rate={start: 0.3, schedule: plateau, patience: 0}",
        "training.validate_every=3",
    )
    whole = go(tmp_path / "whole", *chosen, "training.steps=8")
    part = go(tmp_path / "part", *chosen, "training.steps=4")
    longer = go(tmp_path / "part", *chosen, "training.steps=8", resume=part.parent / "last.ckpt")
    left, right = everything(whole), everything(longer)
    assert left["run"].pop("best") or right["run"].pop("best")
    assert same(left["state_dict"], right["state_dict"])
    assert left["run"]["plateau"] == right["run"]["plateau"]


def stop_at(monkeypatch, iteration):
    was = TrainingModule.training_step

    def step(self, batch, batch_idx):
        was(self, batch, batch_idx)
        if self.iteration == iteration:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(TrainingModule, "training_step", step)


@pytest.mark.parametrize("at", [7, 8])
def test_a_signal_before_a_validation_leaves_the_validation_to_the_run_that_goes_on(tmp_path, monkeypatch, at):
    whole = go(tmp_path / "whole", "training.steps=8", "training.ema_decay=0.5")
    with monkeypatch.context() as patched:
        stop_at(patched, at)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "cut", "training.steps=8", "training.ema_decay=0.5")
    last = tmp_path / "cut" / "tiny" / "v0" / "last.ckpt"
    assert checkpoint.read(last)["run"]["iteration"] == at - 1
    best = go(tmp_path / "cut", "training.steps=8", "training.ema_decay=0.5", resume=last)
    assert same(everything(whole), everything(best))
    assert same(checkpoint.read(whole)["state_dict"], checkpoint.read(best)["state_dict"])
    assert [r["iteration"] for r in rows(best) if r["val_loss"]] == ["7", "8"]


def test_a_run_at_its_end_without_best_ckpt_is_told_in_one_line(tmp_path):
    best = go(tmp_path, "training.steps=2")
    best.unlink()
    with pytest.raises(TrainingError, match=r"done all its 2 iterations and has no best\.ckpt") as caught:
        go(tmp_path, "training.steps=2", resume=best.parent / "last.ckpt")
    assert str(caught.value).startswith(str(best.parent))
    assert "\n" not in str(caught.value)


def test_metrics_of_a_killed_run_are_not_told_twice(tmp_path):
    best = go(tmp_path, "training.steps=7")
    with (best.parent / "metrics.csv").open("a") as handle:
        handle.write("8,1.0,0.01,0.5,,,\n9,1.1,0.0")  # went on to 9 and was killed while writing
    go(tmp_path, "training.steps=9", resume=best.parent / "last.ckpt")
    assert [int(r["iteration"]) for r in rows(best) if r["train_loss"]] == list(range(1, 10))


def test_best_is_chosen_on_validation_and_serves_the_average(tmp_path, monkeypatch):
    """The score is best at the second of three validations: best.ckpt holds the average of iteration 14."""
    short = go(tmp_path / "short", "training.steps=14", "training.learning_rate.schedule=constant")
    values = iter([0.5, 0.1, 0.3])
    monkeypatch.setattr(
        run.TrainingModule,
        "on_validation_epoch_end",
        lambda self: (self._swap.close(), setattr(self, "scores", {"loss": next(values)})),
    )
    best = go(tmp_path / "long", "training.learning_rate.schedule=constant")
    average = checkpoint.read(short.parent / "last.ckpt")["average"]["weights"]
    served = checkpoint.load_network(best).model.state_dict()
    assert all(torch.equal(average[name], served[name]) for name in served)
    training = checkpoint.read(short.parent / "last.ckpt")["state_dict"]
    assert not torch.equal(training["network.memory"], served["memory"])
    assert checkpoint.read(best.parent / "last.ckpt")["run"]["best"] == {"score": 0.1, "iteration": 14}


def test_a_csi_is_better_when_it_rises(tmp_path):
    keeper = run.Keeper(tmp_path, None, {"score": 0.3, "iteration": 1}, None, False, Interruption())
    assert keeper.is_better(0.4, "csi30")
    assert not keeper.is_better(0.4, "loss")
    assert not keeper.is_better(float("nan"), "csi30")
    keeper.best = {"score": float("nan"), "iteration": 1}
    assert keeper.is_better(0.0, "csi20")


def test_a_budget_in_minutes_ends_the_run(tmp_path):
    best = go(tmp_path, "training.steps=null", "training.minutes=0.01", "training.validate_every=100000")
    found = rows(best)
    assert 0.6 <= float(found[-1]["seconds"]) < 5
    assert found[-1]["val_loss"]
    assert float(found[-2]["learning_rate"]) < 1e-3  # the cosine is near its end


def test_the_checkpoint_says_all_that_forecasting_needs(tmp_path):
    loaded = checkpoint.load_network(go(tmp_path, "training.steps=2"))
    meta = loaded.meta
    assert (meta.model, meta.channels, meta.size, meta.past, meta.future) == ("two_phase", 1, (4, 4), 2, 3)
    assert meta.step_seconds == 600
    assert (meta.scaling.low_dbz, meta.scaling.high_dbz) == (5, 60)
    assert meta.data_fingerprint == clips().fingerprint
    assert meta.experiment["training"]["steps"] == 2
    assert meta.provenance["torch"]
    assert not loaded.model.training


def test_resume_refuses_what_would_not_be_exact(tmp_path):
    best = go(tmp_path, "training.steps=2")
    last = best.parent / "last.ckpt"
    with pytest.raises(CheckpointError, match=r"model\.settings\.width"):
        go(tmp_path, "model.settings.width=4", resume=last)
    with pytest.raises(CheckpointError, match="data has changed"):
        go(tmp_path, data=clips(seed=9), resume=last)
    with pytest.raises(CheckpointError, match=r"last\.ckpt"):
        go(tmp_path, resume=best)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        go(tmp_path, resume=tmp_path / "none.ckpt")


def test_a_run_starts_from_the_weights_that_served_an_earlier_one(tmp_path):
    first = go(tmp_path, "training.ema_decay=0.5")
    before = checkpoint.load_network(first).model.state_dict()
    second = go(
        tmp_path, f"training.start_from={first}", "training.steps=1", "training.learning_rate.start=1.0e-12"
    )
    after = checkpoint.load_network(second).model.state_dict()
    assert second != first
    fresh = checkpoint.load_network(go(tmp_path, "training.steps=1", "training.learning_rate.start=1.0e-12"))
    weights = [name for name, value in before.items() if value.is_floating_point()]
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in weights)
    assert not all(torch.allclose(before[name], fresh.model.state_dict()[name], atol=1e-6) for name in weights)


def test_a_start_may_be_a_last_ckpt_with_averages_under_a_head(tmp_path):
    head = [*HEAD, "training.steps=2"]
    first = go(tmp_path, *head)
    last = first.parent / "last.ckpt"
    expected = checkpoint.load_network(last).model.state_dict()
    still = ["training.learning_rate.start=1.0e-12", "model.exceedance_probability.weights=[1, 2]"]
    second = go(tmp_path, *head, *still, f"training.start_from={last}")
    after = checkpoint.load_network(second).model.state_dict()
    weights = [name for name, value in expected.items() if value.is_floating_point()]
    assert all(torch.allclose(expected[name], after[name], atol=1e-6) for name in weights)


def test_parts_alone_are_trained_on_and_the_rest_stays_as_it_is(tmp_path):
    first = go(tmp_path, *HEAD, "training.steps=1")
    parts = "training.only=[cascade.pixel_layers, constants]"
    again = ["training.loss=soft_jaccard", parts, "training.gradient_clip=1.0", f"training.start_from={first}"]
    second = go(tmp_path, *HEAD, *again, "training.steps=2")
    before, after = (checkpoint.load_network(path).model.state_dict() for path in (first, second))
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    moved -= {"network.batches_seen"}
    assert "cascade.constants" in moved
    assert all(name.startswith(("cascade.pixel_layers.", "cascade.constants")) for name in moved)
    last = second.parent / "last.ckpt"
    assert rows(go(tmp_path, *HEAD, *again, "training.steps=3", resume=last))[-1]["iteration"] == "3"
    with pytest.raises(CheckpointError, match=r"training\.only"):
        go(tmp_path, *HEAD, again[0], "training.steps=4", resume=last)
    with pytest.raises(SettingsError, match=r"training\.only: got head, .* such as cascade, "):
        go(tmp_path, *HEAD, "training.only=[cascade, head]")


def test_a_run_that_was_given_a_start_resumes_without_it(tmp_path):
    first = go(tmp_path)
    begun = go(tmp_path, f"training.start_from={first}", "training.steps=3")
    again = go(tmp_path, "training.steps=5", resume=begun.parent / "last.ckpt")
    assert rows(again)[-1]["iteration"] == "5"


def test_a_run_of_before_a_setting_was_known_resumes(tmp_path):
    best = go(tmp_path, "training.steps=2")
    last = best.parent / "last.ckpt"
    content = checkpoint.read(last)
    del content["nowcast"]["experiment"]["data"]["missing"]
    del content["nowcast"]["experiment"]["training"]["start_from"]
    del content["nowcast"]["experiment"]["training"]["optimizer"]
    del content["run"]["plateau"]
    checkpoint.save(last, content)
    assert rows(go(tmp_path, "training.steps=3", resume=last))[-1]["iteration"] == "3"


def test_weights_that_lack_what_training_needs_are_no_start(tmp_path):
    from nowcast.forecasters.registry import weights_of
    from nowcast.training.start import start_from

    path = weights_of("lmc_memory")
    meta = checkpoint.meta_of(path, checkpoint.read(path))
    with pytest.raises(CheckpointError, match=r"weights to forecast with, expected also '.*encoder"):
        start_from(checkpoint.build_network(meta, path), path, meta)


def test_weights_of_another_network_are_no_start(tmp_path):
    first = go(tmp_path / "first")
    with pytest.raises(CheckpointError, match=r"got weights with settings .*'width': 3.*expected .*'width': 5"):
        go(tmp_path / "second", f"training.start_from={first}", "model.settings.width=5")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        go(tmp_path / "second", f"training.start_from={tmp_path / 'none.ckpt'}")
    assert not (tmp_path / "second").exists()


def test_a_context_unet_that_is_new_adds_nothing_at_the_start(tmp_path):
    head = [*HEAD, "training.steps=1"]
    first = go(tmp_path, *head)
    look = [
        *head,
        "model.exceedance_probability.cascade.context_unet.widths=[4]",
        f"training.start_from={first}",
    ]
    second = go(tmp_path, *look, "training.learning_rate.start=1.0e-12")
    before, after = (checkpoint.load_network(path).model.eval() for path in (first, second))
    past = torch.rand(1, 4, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(after(past, 3), before(past, 3), atol=1e-4, rtol=0)
    again = go(tmp_path, *look[:-1], f"training.start_from={second}")
    assert checkpoint.load_network(again).meta.exceedance_probability.cascade.context_unet.widths == (4,)
    with pytest.raises(CheckpointError, match="got weights with context_unet"):
        go(tmp_path, *head, f"training.start_from={second}")  # it would lose what was learnt


def test_a_run_that_has_reached_its_end_resumes_to_nothing(tmp_path):
    best = go(tmp_path, "training.steps=3")
    before = everything(best)
    assert go(tmp_path, "training.steps=3", resume=best.parent / "last.ckpt") == best
    assert same(before, everything(best))


def test_data_that_do_not_fit_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(SettingsError, match="validation clips"):
        go(tmp_path, "training.devices=2", "data.validation_clips=1")
    assert list(tmp_path.iterdir()) == []


def test_every_logger_is_an_extra(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(loggers.importlib.util, "find_spec", lambda name: None)
    for name in ("tensorboard", "mlflow", "wandb"):
        with pytest.raises(MissingExtraError, match=rf"nowcast\[{name}\]"):
            go(tmp_path, f"training.logger={name}")
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_writes_beside_the_csv(tmp_path):
    pytest.importorskip("tensorboard")
    best = go(tmp_path, "training.steps=2", "training.logger=tensorboard")
    assert list((best.parent / "tensorboard").glob("events.out.tfevents.*"))
    assert len(rows(best)) == 3


@pytest.mark.parametrize("asked", ["auto", "bf16"])
def test_without_native_bfloat16_a_run_is_that_of_float32_and_one_line_says_so(
    tmp_path, monkeypatch, caplog, asked
):
    monkeypatch.setattr(capability, "native_bfloat16", lambda device: False)
    best = go(tmp_path, f"training.precision={asked}", "training.steps=3", "training.accelerator=cpu")
    line = f"training.precision={asked}: this CPU has no native bfloat16, computing in float32"
    assert [m for m in caplog.messages if "bfloat16" in m] == [line]
    assert same(everything(best), everything(go(tmp_path / "32", "training.steps=3")))
    assert checkpoint.load_network(best).meta.provenance["computed_in"] == "float32"
    monkeypatch.setattr(capability, "native_bfloat16", lambda device: True)
    again = go(tmp_path, "training.precision=auto", "training.steps=4", resume=best.parent / "last.ckpt")
    assert checkpoint.load_network(again).meta.provenance["computed_in"] == "bfloat16"
    with pytest.raises(CheckpointError, match=r"other settings \(training\.precision\)"):
        go(tmp_path, "training.precision=32", "training.steps=5", resume=best.parent / "last.ckpt")


def test_bfloat16_trains_and_keeps_float32_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(capability, "native_bfloat16", lambda device: True)
    best = go(tmp_path, "training.precision=bf16", "training.steps=3")
    weights = checkpoint.read(best)["state_dict"]
    assert {v.dtype for v in weights.values() if v.is_floating_point()} == {torch.float32}
    other = go(tmp_path / "32", "training.steps=3")
    assert float(rows(best)[0]["train_loss"]) == pytest.approx(float(rows(other)[0]["train_loss"]), rel=0.02)
    assert not same(everything(best)["state_dict"], everything(other)["state_dict"])


BLOCKED = """
import sys
for name in ("xarray", "pandas", "zarr", "dask", "netCDF4", "pyproj", "cartopy", "h5py"):
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
from nowcast.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_training_needs_torch_numpy_and_lightning_alone(tmp_path):
    """`nowcast train` from a cache, on a machine without xarray, pandas, zarr and dask."""
    from tests.fakes.frames import storm_codes, write_cache

    caches = [
        write_cache(tmp_path / name, storm_codes(20, seed=i), fingerprint=name) for i, name in enumerate("ab")
    ]
    values = plain(experiment())
    values["model"] = {"name": "convlstm", "settings": {"hidden": [4, 4], "filter_size": 3, "patch": 2}}
    values["data"] |= {
        "sources": [{"kind": "radar_cache", "settings": {"path": str(caches[0])}}],
        "validation_sources": [{"kind": "radar_cache", "settings": {"path": str(caches[1])}}],
        "crop": [16, 16],
        "minimum_sampling_weight": 0.02,
    }
    values["training"] |= {"steps": 2, "loss": "weighted_l1_l2", "precision": "bf16"}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(values))
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, "train", "tiny.yaml"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    best = tmp_path / "runs" / "tiny" / "v0" / "best.ckpt"
    assert "best on validation: runs/tiny/v0/best.ckpt" in done.stdout
    assert checkpoint.load_network(best).meta.grid_km == (1.0, 1.0)


TWO = """
import hashlib, os, sys
from pathlib import Path
from nowcast.training import keeper
from nowcast.training.run import train
from tests.fakes.training_runs import clips, experiment, register

def note(self, trainer, module):
    digest = hashlib.sha256()
    for tensors in (module.network.state_dict(), module.average.weights):
        for value in tensors.values():
            digest.update(value.numpy().tobytes())
    Path(f"{sys.argv[1]}.rank{trainer.global_rank}").write_text(f"{digest.hexdigest()} {module.scores}")

keeper.Keeper.on_train_end = note
register()
train(experiment(*sys.argv[2:]), clips(), clips(train=False, seed=2), Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_two_processes_share_a_run_of_two_phases(tmp_path):
    """Both hold the same weights, in step through both phases; what they learn is what one would."""
    settings = [
        "model.settings.dropout=0.0",
        "training.sampling.start=0.0",
        "training.steps=6",
        "training.gradient_clip=null",
        "training.ema_decay=0.5",
    ]
    script = tmp_path / "two.py"
    script.write_text(TWO)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "two"), *settings, "training.devices=2"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    sums = {(tmp_path / f"two.rank{rank}").read_text() for rank in range(2)}
    assert len(sums) == 1
    two = checkpoint.read(tmp_path / "two" / "tiny" / "v0" / "last.ckpt")
    assert two["run"]["iteration"] == 6
    one = checkpoint.read(go(tmp_path / "one", *settings).parent / "last.ckpt")
    for name, value in one["state_dict"].items():
        assert torch.allclose(two["state_dict"][name], value, atol=2e-3), name
    scores = [run_["run"]["best"]["score"] for run_ in (one, two)]
    assert scores[0] == pytest.approx(scores[1], rel=0.02)


@pytest.mark.slow
def test_torchrun_on_two_machines_learns_what_one_process_does(tmp_path):
    settings = [
        "model.settings.dropout=0.0",
        "training.sampling.start=0.0",
        "training.steps=4",
        "training.gradient_clip=null",
        "training.ema_decay=0.5",
    ]
    script = tmp_path / "two.py"
    script.write_text(TWO)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    machines = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "torch.distributed.run",
                "--nnodes=2",
                f"--node-rank={rank}",
                "--nproc-per-node=1",
                "--master-addr=127.0.0.1",
                f"--master-port={port}",
                str(script),
                str(tmp_path / "two"),
                *settings,
                "training.nodes=2",
            ],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    told = [machine.communicate(timeout=300)[1] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], told
    sums = {(tmp_path / f"two.rank{rank}").read_text() for rank in range(2)}
    assert len(sums) == 1
    assert [p.name for p in (tmp_path / "two" / "tiny").iterdir()] == ["v0"], "the first process alone writes"
    two = checkpoint.read(tmp_path / "two" / "tiny" / "v0" / "last.ckpt")
    assert two["run"]["iteration"] == 4
    one = checkpoint.read(go(tmp_path / "one", *settings).parent / "last.ckpt")
    for name, value in one["state_dict"].items():
        assert torch.allclose(two["state_dict"][name], value, atol=2e-3), name


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_log_and_metrics_on_a_full_disk_are_one_clear_error(tmp_path, capsys):
    from nowcast.training.metrics_file import MetricsFile

    for name in ("train.log", "metrics.csv"):
        (tmp_path / name).symlink_to("/dev/full")
    full = pytest.raises(FileError, match=r"train\.log: cannot be written .No space left")
    with full, run.log_to(tmp_path):
        run.LOG.info("started")
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(FileError, match=r"metrics\.csv: cannot be written .No space left"):
        MetricsFile(tmp_path / "metrics.csv").add(1, 0.5, {"train_loss": 0.25})


def test_each_source_is_validated_by_itself_and_weight_decay_shrinks(tmp_path):
    """The log tells both sources beside the whole; AdamW draws the weights towards zero."""
    lead = clips(train=False, seed=2)
    val = VideoDataset(
        [*lead.sources, *clips(train=False, seed=3).sources], lead.window, crop=(4, 4), train=False
    )
    steps = ("training.steps=3", "training.validate_every=3", "training.learning_rate.start=0.01")
    plain_best = go(tmp_path / "a", *steps, val=val)
    decayed = go(tmp_path / "b", *steps, "training.weight_decay=0.9", val=val)
    log = (plain_best.parent / "train.log").read_text()
    for name in ("noise 2", "noise 3"):
        assert f"validation on {name} loss" in log
    sizes = [
        sum(float(w.square().sum()) for w in checkpoint.read(best)["state_dict"].values())
        for best in (plain_best, decayed)
    ]
    assert sizes[1] < sizes[0]
