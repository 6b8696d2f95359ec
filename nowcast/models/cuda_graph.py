"""Forecasts on a GPU without the cost of launching: a forecast is recorded once and played back.

A recurrent network at radar sizes launches thousands of small kernels, each of which takes the CPU longer to
start than the GPU to run. A CUDA graph starts all of them at once; kernels and numbers are the same.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nowcast.models.base import ScheduledTargets, SequenceModel
from nowcast.models.wrapper import ModelWrapper

_WARM_UPS = 2
"""Runs before recording: libraries choose their kernels and allocate what they keep."""
_MEMORY_ENDED = ("out of memory", "ALLOC_FAILED")
"""Words of CUDA and of its libraries, which torch passes on as errors of no kind of their own."""
_KEPT = 4
"""Recordings that one network keeps, one for each shape of the past and number of steps."""


class _Recording(NamedTuple):
    play: Callable[[], None]
    past: Tensor
    observed: Tensor | None
    forecast: Tensor
    """Written over by each play."""


class Graphed(ModelWrapper):
    """A network whose forecasts on a GPU are recorded, once for each shape, and then played back.

    Frames on a CPU, training, scheduled sampling and stochastic networks, whose noise is drawn on the CPU, go
    through the network itself. A recording reads the weights where they lie: weights that are moved to other
    memory (``to``, ``half``) need a new wrapper, weights that are written over in place do not. It keeps the
    memory of one forecast as long as it lives.

    Args:
        network: on a GPU.
        at_once: record at the first call of a shape; False records at the second, as a single forecast takes
            less time than its recording.

    Source: CUDA graphs, https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """

    def __init__(self, network: SequenceModel, at_once: bool = True) -> None:
        super().__init__(network)
        self._at_once = at_once
        self._met: set[tuple[object, ...]] = set()
        self._recordings: dict[tuple[object, ...], _Recording] = {}

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`."""
        if not past.is_cuda or torch.is_grad_enabled() or targets is not None or self.stochastic:
            found: Tensor = self.network(past, steps, targets, observed)
            return found
        key = past.shape, past.dtype, past.device, steps, observed is None, torch.is_autocast_enabled("cuda")
        recording = self._recordings.get(key)
        if recording is None and not self._at_once and key not in self._met:
            self._met.add(key)
            first: Tensor = self.network(past, steps, targets, observed)
            return first
        if recording is None:
            if len(self._recordings) >= _KEPT:
                self._recordings.pop(next(iter(self._recordings)))
            recording = self._recordings[key] = self._record(past, steps, observed)
        recording.past.copy_(past)
        if observed is not None and recording.observed is not None:
            recording.observed.copy_(observed)
        recording.play()
        return recording.forecast.clone()

    def _record(self, past: Tensor, steps: int, observed: Tensor | None) -> _Recording:
        own_past, own_observed = past.clone(), None if observed is None else observed.clone()
        results: list[Tensor] = []

        def forecast() -> None:
            results[:] = [self.network(own_past, steps, None, own_observed)]

        return _Recording(recorded(forecast), own_past, own_observed, results[0])

    def __getstate__(self) -> dict[str, Any]:
        """Leave recordings behind: they can be neither copied nor saved, and are made again."""
        return {**self.__dict__, "_recordings": {}}


def recorded(job: Callable[[], object], warm_ups: int = _WARM_UPS) -> Callable[[], None]:
    """Record what a job launches on the GPU; the call that comes back launches all of it at once.

    The job must read and write the same memory each time (fill its inputs in place before each call) and ask
    the GPU for nothing on the way: no value on the CPU, no shape that follows from data. It runs ``warm_ups``
    times before it is recorded, and recording computes nothing.

    Raises:
        torch.OutOfMemoryError: the memory of the GPU ended, whatever torch says at the end of the recording.
    """
    with _memory_told():
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(warm_ups):
                job()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            job()
    return graph.replay


@contextmanager
def _memory_told() -> Iterator[None]:
    """Tell that memory ended as every forecast does: what fails within a recording makes its end fail, too."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, torch.OutOfMemoryError) or any(words in str(cause) for words in _MEMORY_ENDED):
                raise torch.OutOfMemoryError(str(cause)) from error
            cause = cause.__cause__ or cause.__context__
        raise
