"""The moving average of the weights: what validates and forecasts while other weights train."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of a network's parameters; its buffers are copied as they are.

    The decay warms up, ``min(decay, (1 + k) / (10 + k))`` at update k = 1, 2, ...: else the first weights would
    weigh for ``1 / (1 - decay)`` iterations. Source: the moving average of TensorFlow.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.weights: dict[str, Tensor] = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after one iteration."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averaged = {name for name, _ in network.named_parameters()}
        for name, value in network.state_dict().items():
            mean = self.weights[name]
            if mean.device != value.device:
                mean = self.weights[name] = mean.to(value.device)
            if name in averaged and value.is_floating_point():
                mean.lerp_(value, 1.0 - decay)
            else:
                mean.copy_(value)

    @contextlib.contextmanager
    def swapped_in(self, network: nn.Module) -> Iterator[None]:
        """Put the average into the network for the block, and the training weights back after it."""
        training = {k: v.detach().clone() for k, v in network.state_dict().items()}
        load_in_place(network, self.weights)
        try:
            yield
        finally:
            load_in_place(network, training)

    def state(self) -> dict[str, object]:
        """What a checkpoint keeps: plain values and tensors."""
        return {"updates": self.updates, "weights": dict(self.weights)}

    def load(self, updates: int, weights: Mapping[str, Tensor]) -> None:
        """Take up what `state` returned."""
        self.updates = updates
        self.weights = {name: value.clone() for name, value in weights.items()}


@torch.no_grad()
def load_in_place(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into the network's own tensors, so that an optimiser keeps hold of them."""
    for name, value in network.state_dict().items():
        value.copy_(weights[name])
