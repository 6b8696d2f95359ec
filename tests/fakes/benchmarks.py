"""A benchmark of moving digits so small that a test can run it."""

import copy
from pathlib import Path

from nowcast.bench.benchmark import Benchmark
from nowcast.core.settings import build, override
from nowcast.models.checkpoint import CheckpointMeta, pack, save
from nowcast.models.choice import ModelChoice

TINY_STACK = {"hidden": [4], "filter_size": 3, "patch": 8}


def digits(part: str, seed: int, count: int) -> dict:
    return {
        "kind": "moving_digits",
        "settings": {"part": part, "seed": seed, "count": count, "length": 5, "size": 32, "digits": 1},
    }


TINY = {
    "title": "tiny",
    "data": {
        "sources": [digits("train", 100, 20)],
        "validation_sources": [digits("test", 1, 4)],
        "window": {"past": 2, "future": 3},
        "scaling": None,
        "flips_and_rotations": False,
    },
    "test_sources": [digits("test", 2, 6)],
    "training": {
        "steps": 3,
        "batch": 2,
        "loss": "mse",
        "validate_every": 1,
        "accelerator": "cpu",
        "learning_rate": {"start": 1e-3},
    },
    "seeds": [0, 1],
    "scores": ["mse_sum", "ssim"],
    "rows": [
        {"name": "copy last", "forecaster": "copy_last"},
        {"name": "ConvLSTM", "model": {"name": "convlstm", "settings": TINY_STACK}},
    ],
}


def tiny(*assignments: str, **values) -> Benchmark:
    return build(Benchmark, override({**copy.deepcopy(TINY), **values}, assignments))


def write_checkpoint(path: Path, *, channels=1, size=None, lagrangian=None, data=None, **settings) -> dict:
    """Write a ConvLSTM with fresh weights that says it was trained on ``data``; give a row that names it."""
    chosen = ModelChoice("convlstm", {**TINY_STACK, **settings}, lagrangian=lagrangian)
    meta = CheckpointMeta(
        model=chosen.name,
        settings=chosen.settings,
        channels=channels,
        size=size,
        past=2,
        future=3,
        step_seconds=1.0,
        scaling=None,
        lagrangian=lagrangian,
        experiment={"data": data or {}},
    )
    save(path, pack(chosen.build(channels, size).state_dict(), meta))
    return {"name": "given", "checkpoint": str(path)}
