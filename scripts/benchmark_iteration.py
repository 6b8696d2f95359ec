"""CPU time of one iteration of training of an experiment, beside the same by plain convolutions and maps.

    OMP_NUM_THREADS=1 python scripts/benchmark_iteration.py configs/experiment/italy_motionrnn.yaml \
        --set data.sources.0.settings.path=NORTH.zarr data.sources.1.settings.path=SOUTH.zarr

An iteration is what the trainer does with a batch: both passes, gradient clipping, optimiser and averaged
weights; loading is left out. Both ways take turns, so that a busy machine slows both alike; the largest
difference of a parameter's gradient is printed, in shares of its norm. With ONEDNN_MAX_CPU_ISA=AVX2
ATEN_CPU_CAPABILITY=avx2 in the environment an AVX-512 machine computes as one with AVX2.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from unittest import mock

import torch
from interleaved import interleaved, times_faster
from torch import Tensor

from nowcast.models.base import ClipBatch
from nowcast.models.cpu.capability import vector_instructions
from nowcast.training.data_module import collate
from nowcast.training.experiment import Experiment, read_experiment
from nowcast.training.module import TrainingModule
from nowcast.workflows.training_data import open_data


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--set", nargs="*", default=[], help="values over the configuration")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    experiment = read_experiment(args.config, args.set)
    clips = open_data(experiment).clips.train
    batch = collate([clips[index] for index in range(experiment.training.batch)])
    iteration = Iteration(experiment, batch)
    ours = iteration.gradients()
    with plain():
        theirs = iteration.gradients()
    pairs = zip(ours, theirs, strict=True)
    apart = max(float((a - b).norm() / b.norm()) for a, b in pairs if b.norm() > 0)
    taken = interleaved({"plain": iteration.plainly, "now": iteration}, args.rounds, cpu_time=True)
    machine = f"{vector_instructions()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"{experiment.name}: {machine}")
    for name, seconds in taken.items():
        low, high = min(seconds), max(seconds)
        print(f"{name:<6} {median(seconds):.3f} s of CPU ({low:.3f} to {high:.3f})")
    print(f"plain / now {times_faster(taken, 'plain', 'now'):.2f}; gradients apart by {apart:.1e} at most")


class Iteration:
    """One iteration on the same batch, again and again."""

    def __init__(self, experiment: Experiment, batch: ClipBatch) -> None:
        torch.manual_seed(0)
        size = (batch.past.shape[-2], batch.past.shape[-1])
        network = experiment.model.build(batch.past.shape[2], size, experiment.data.scaling)
        self.module = TrainingModule(network.train(), experiment)
        self.optimizer = self.module.configure_optimizers()
        self.batch = batch

    def gradients(self) -> list[Tensor]:
        """Of all parameters that have one; weights stay."""
        self._both_ways()
        return [p.grad.clone() for p in self.module.network.parameters() if p.grad is not None]

    def __call__(self) -> None:
        """Take it."""
        self._both_ways()
        torch.nn.utils.clip_grad_norm_(self.module.network.parameters(), 1.0)
        self.optimizer.step()
        if self.module.average is not None:
            self.module.average.update(self.module.network)

    def plainly(self) -> None:
        """Take it with plain convolutions and whole maps."""
        with plain():
            self()

    def _both_ways(self) -> None:
        (step,) = self.module.network.optimiser_steps(self.batch, None, torch.Generator())
        loss = self.module.loss(step.prediction, step.target, step.observed)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]


@contextmanager
def plain() -> Iterator[None]:
    """Without what is there for training on a CPU."""
    with (
        mock.patch("nowcast.models.cells.stlstm.trains_tiled", return_value=False),
        mock.patch("nowcast.models.exceedance.cascade.trains_in_stripes", return_value=False),
    ):
        yield


if __name__ == "__main__":
    main()
