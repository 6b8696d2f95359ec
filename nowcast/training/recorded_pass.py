"""Training on a GPU without the cost of launching: forward and backward pass recorded once and played back.

A recurrent network at radar sizes launches thousands of small kernels an iteration, each of which takes the CPU
longer to start than the GPU to run. A CUDA graph starts all of them at once; kernels are the same, and numbers
to rounding.

Dimensions: B batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ClipBatch, OptimiserStep, SequenceModel
from nowcast.models.cuda_graph import recorded

WARM_UPS = 3
"""Passes before recording: libraries choose their kernels and allocate what they keep."""


class Recorder(Protocol):
    """Records what a job launches; `nowcast.models.cuda_graph.recorded` is the one for GPUs."""

    def __call__(self, job: Callable[[], object], warm_ups: int) -> Callable[[], None]:
        """Return the call that does the job again, with what lies in the same memory now."""
        ...


class _Recording(NamedTuple):
    play: Callable[[], None]
    clip: ClipBatch
    loss: Tensor
    gradients: list[Tensor | None]
    """Of each parameter, written over by each play."""


class RecordedPass:
    """The loss of a batch and its gradients, by a recording that is made at the first batch.

    Why only some networks: the recording holds one optimiser step and no draw of the CPU, so networks of
    several steps (LMC-Memory), stochastic ones and scheduled sampling train without it. All batches must have
    the shape of the first. The optimiser is no part of it, so that its rate can change.

    Args:
        network: what is trained.
        loss_of: the loss of an optimiser step.
        record: see `Recorder`.
    """

    def __init__(
        self, network: SequenceModel, loss_of: Callable[[OptimiserStep], Tensor], record: Recorder = recorded
    ) -> None:
        self.network, self.loss_of, self.record = network, loss_of, record
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self._recording: _Recording | None = None

    def __call__(self, clip: ClipBatch) -> Tensor:
        """Leave the gradients of a batch in the parameters; return its loss, which the next call writes over.

        Raises:
            SettingsError: a network that cannot be recorded, or a batch of another shape.
        """
        if self._recording is None:
            self._recording = self._made(clip)
        recording = self._recording
        for own, given in zip(_tensors(recording.clip), _tensors(clip), strict=True):
            if own.shape != given.shape:
                raise _refusal(f"a batch of {tuple(given.shape)} after {tuple(own.shape)}")
            own.copy_(given, non_blocking=True)
        recording.play()
        for parameter, gradient in zip(self.parameters, recording.gradients, strict=True):
            parameter.grad = gradient
        return recording.loss

    def _made(self, clip: ClipBatch) -> _Recording:
        own = ClipBatch(*(None if part is None else part.clone() for part in clip))  # type: ignore[arg-type]
        if self.network.stochastic:
            raise _refusal("a stochastic network, whose noise is drawn on the CPU")
        losses: list[Tensor] = []

        def both_ways() -> None:
            torch.clear_autocast_cache()  # a half-precision copy of a weight belongs to one pass
            for parameter in self.parameters:
                parameter.grad = None
            losses[:] = []
            for step in self.network.optimiser_steps(own, None, torch.Generator()):
                if losses:
                    raise _refusal("a network that takes several optimiser steps a batch")
                loss = self.loss_of(step)
                loss.backward()  # type: ignore[no-untyped-call]
                losses.append(loss.detach())
            torch.clear_autocast_cache()

        with _buffers_kept(self.network):
            play = self.record(both_ways, WARM_UPS)
        return _Recording(play, own, losses[0], [parameter.grad for parameter in self.parameters])


@contextmanager
def _buffers_kept(network: nn.Module) -> Iterator[None]:
    """Put the buffers of a network (running means) back as they were, in place: warm-ups train nothing."""
    before = [buffer.clone() for buffer in network.buffers()]
    yield
    with torch.no_grad():
        for buffer, kept in zip(network.buffers(), before, strict=True):
            buffer.copy_(kept)


def _tensors(clip: ClipBatch) -> Iterable[Tensor]:
    return (part for part in clip if part is not None)


def _refusal(what: str) -> SettingsError:
    expected = "one optimiser step a batch, drawn from nothing, of batches alike"
    return SettingsError(complain("training.cuda_graph", what, expected, "set training.cuda_graph=false"))
