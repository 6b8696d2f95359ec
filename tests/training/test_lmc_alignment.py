"""Memory alignment learning through the one module: half precision, exact resume, two processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nowcast.data.windows import ClipWindow
from nowcast.models import checkpoint
from nowcast.training.run import train
from tests.fakes.training_runs import clips, experiment

ROOT = Path(__file__).resolve().parents[2]
LMC = {
    "hidden": 8,
    "slot_width": 16,
    "slots": 5,
    "layers": 1,
    "long_length": 6,
    "warmup_iterations": 2,
    "warmup_steps": 2,
}
WINDOW = {"past": 2, "future": 3, "before": 2, "after": 2}


def made(*assignments):
    values = {"model": {"name": "lmc_memory", "settings": LMC}}
    size = ("data.crop=[16, 16]", f"data.window={WINDOW}", "training.steps=6", "training.validate_every=3")
    return experiment(*size, *assignments, values=values)


def data(train_part=True):
    seed = 1 if train_part else 2
    return clips(train=train_part, size=(20, 20), crop=(16, 16), window=ClipWindow(**WINDOW), seed=seed)


def go(out, *assignments, resume=None):
    best = train(made(*assignments), data(), data(False), out, resume=resume)
    return checkpoint.read(best.parent / "last.ckpt"), best


def gap(one, other):
    return max(float((one[n].double() - other[n].double()).abs().max()) for n in one)


def test_resume_is_exact_and_counts_on_through_the_warm_up(tmp_path):
    """The warm-up ends after iteration 2: a run broken off before goes on in it."""
    whole, _ = go(tmp_path / "whole", "training.learning_rate.schedule=constant")
    _, best = go(tmp_path / "part", "training.learning_rate.schedule=constant", "training.steps=1")
    resumed, _ = go(
        tmp_path / "part", "training.learning_rate.schedule=constant", resume=best.parent / "last.ckpt"
    )
    assert whole["state_dict"].keys() == resumed["state_dict"].keys()
    assert gap(whole["state_dict"], resumed["state_dict"]) == 0.0
    assert int(resumed["state_dict"]["network.batches_seen"]) == 6
    assert gap(whole["average"]["weights"], resumed["average"]["weights"]) == 0.0


def test_half_precision_trains_both_phases_and_keeps_float32_weights(tmp_path):
    full, _ = go(tmp_path / "full", "training.sampling.start=0.0")
    half, best = go(tmp_path / "half", "training.sampling.start=0.0", "training.precision=bf16")
    assert {v.dtype for n, v in half["state_dict"].items() if "batches" not in n} == {torch.float32}
    start = checkpoint.load_network(best, whole=True).model.state_dict()
    assert start.keys() == {n.removeprefix("network.") for n in half["state_dict"]}
    for group in ("memory.slots", "store_encoder.stages.0.0.weight", "match_encoder.stages.0.0.weight"):
        a, b = full["state_dict"]["network." + group], half["state_dict"]["network." + group]
        assert torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0) > 0.95, group
    light = checkpoint.load_network(best).model
    assert light.store_encoder is None


TWO = """
import sys
from pathlib import Path
import hashlib
from nowcast.training import module, keeper
from nowcast.training.run import train
from tests.training.test_lmc_alignment import data, made

names = []
take = module.TrainingModule._loss_of

def watched(self, phase):
    names.append(phase.name)
    return take(self, phase)

def note(self, trainer, trained):
    digest = hashlib.sha256()
    for value in trained.network.state_dict().values():
        digest.update(value.numpy().tobytes())
    Path(f"{sys.argv[1]}.rank{trainer.global_rank}").write_text(f"{digest.hexdigest()} {names}")

module.TrainingModule._loss_of = watched
keeper.Keeper.on_train_end = note
train(made(*sys.argv[2:]), data(), data(False), Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_two_processes_hold_the_same_weights_with_their_phases_in_step(tmp_path):
    settings = ["training.devices=2", "training.sampling.start=0.0"]
    script = tmp_path / "two.py"
    script.write_text(TWO)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "two"), *settings],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    told = [(tmp_path / f"two.rank{rank}").read_text() for rank in range(2)]
    assert told[0] == told[1]
    assert told[0].endswith(str(["store", "match"] * 6))
    two = checkpoint.read(tmp_path / "two" / "tiny" / "v0" / "last.ckpt")
    memory = two["optimizer_states"][0]["state"]
    steps = sorted({int(state["step"]) for state in memory.values()})
    assert steps == [6, 12]  # what rests in one phase has taken half the steps, on both alike
