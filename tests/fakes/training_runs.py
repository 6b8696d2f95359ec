"""A network of two phases, clips of known noise and small experiments: what the training tests run on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nowcast.core.settings import build, override
from nowcast.data.clips import VideoDataset
from nowcast.data.windows import ClipWindow
from nowcast.models.base import ClipBatch, OptimiserStep, SequenceModel
from nowcast.models.catalog import MODELS, ModelEntry
from nowcast.training.experiment import Experiment
from tests.fakes.frames import ArraySource, times_of

STEP = np.timedelta64(600, "s").astype("timedelta64[ns]")


@dataclass(frozen=True)
class TwoPhaseSettings:
    width: int = 3
    dropout: float = 0.0


class TwoPhase(SequenceModel):
    """Two readers share a memory: the first phase moves the memory, the second must leave it alone."""

    def __init__(self, settings: TwoPhaseSettings, channels: int) -> None:
        super().__init__()
        self.long = nn.Conv2d(channels, settings.width, 3, padding=1)
        self.short = nn.Conv2d(channels, settings.width, 3, padding=1)
        self.memory = nn.Parameter(torch.randn(settings.width))
        self.out = nn.Conv2d(settings.width, channels, 1)
        self.dropout = nn.Dropout(settings.dropout)
        self.register_buffer("batches_seen", torch.zeros((), dtype=torch.long))
        self.seen_memory: list[Tensor] = []

    def _run(self, reader, past, steps, targets) -> Tensor:
        frame, found = past[:, -1], []
        for s in range(steps):
            frame = self.out(self.dropout(reader(frame)) * self.memory[:, None, None])
            found.append(frame)
            if targets is not None and s < steps - 1:
                frame = torch.where(targets.use[:, s, None, None, None], targets.frames[:, s], frame)
        return torch.stack(found, 1)

    def forward(self, past, steps, targets=None, observed=None) -> Tensor:
        return self._run(self.short, past, steps, targets)

    def optimiser_steps(self, clip: ClipBatch, targets, generator) -> Iterator[OptimiserStep]:
        steps = clip.future.shape[1]
        self.batches_seen += 1
        shift = torch.rand((), generator=generator)
        self.short.requires_grad_(False)
        self.seen_memory = [self.memory.detach().clone()]
        stored = self._run(self.long, clip.past + 0.01 * shift, steps, targets)
        yield OptimiserStep("store", stored, clip.future, clip.observed[:, -steps:])
        self.short.requires_grad_(True)
        self.long.requires_grad_(False)
        self.memory.requires_grad_(False)
        self.seen_memory.append(self.memory.detach().clone())
        yield OptimiserStep("match", self(clip.past, steps, targets), clip.future, clip.observed[:, -steps:])
        self.seen_memory.append(self.memory.detach().clone())
        self.long.requires_grad_(True)
        self.memory.requires_grad_(True)


def register(models: dict[str, ModelEntry] = MODELS) -> None:
    """Put the network into the catalog as ``two_phase`` (a test hands in what it will undo)."""
    models["two_phase"] = ModelEntry(
        "two phases",
        "of these tests",
        TwoPhaseSettings,
        lambda settings, spec: TwoPhase(settings, spec.channels),
    )


def clips(train=True, frames=30, size=(8, 8), seed=1, window=None, data_seed=5, crop=(4, 4)) -> VideoDataset:
    """Clips of noise in [0, 1], a corner unseen; crops of 4 x 4 in training."""
    random = np.random.default_rng(seed)
    values = random.random((frames, 1, *size)).astype(np.float32)
    values[:, :, -1, -1] = np.nan
    source = ArraySource(f"noise {seed}", values, times_of(np.arange(frames)), STEP)
    return VideoDataset(
        [source], window or ClipWindow(past=2, future=3), crop=crop, seed=data_seed, train=train
    )


def experiment(*assignments: str, values: Mapping | None = None) -> Experiment:
    """A run of the two-phase network with every kind of draw switched on."""
    plain = {
        "name": "tiny",
        "model": {"name": "two_phase", "settings": {"width": 3, "dropout": 0.2}},
        "data": {
            "sources": [],
            "window": {"past": 2, "future": 3},
            "crop": [4, 4],
            "scaling": {"low_dbz": 5, "high_dbz": 60},
            "validation_clips": 6,
        },
        "training": {
            "steps": 20,
            "batch": 4,
            "validate_every": 7,
            "log_every": 1,
            "ema_decay": 0.9,
            "gradient_clip": 1.0,
            "sampling": {"start": 0.7, "decrease": 0.01},
            "learning_rate": {"start": 1e-2, "schedule": "cosine", "warmup": 3},
            "accelerator": "cpu",
        },
    }
    return build(Experiment, override({**plain, **(values or {})}, assignments))
