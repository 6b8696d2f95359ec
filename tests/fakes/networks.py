"""Networks whose answer is known, as a checkpoint would bring them."""

import torch
from torch import nn

from nowcast.core.scaling import Scaling
from nowcast.models.base import SequenceModel
from nowcast.models.checkpoint import CheckpointMeta, LoadedNetwork
from nowcast.models.choice import ModelChoice

SHA = "ab" * 32


class Repeat(SequenceModel):
    """Says that step s is the newest frame plus s times ``growth``; remembers the shapes it was given."""

    past_min = 1

    def __init__(self, growth=0.0, multiple=8, size=None):
        super().__init__()
        self.growth, self.multiple_of, self.size = growth, (multiple, multiple), size
        self.pool = nn.Conv2d(1, 1, 1)
        self.shapes = []

    def __deepcopy__(self, memo):
        return self

    def forward(self, past, steps, targets=None, observed=None):
        rows, columns = past.shape[-2:]
        assert rows % self.multiple_of[0] == 0
        assert columns % self.multiple_of[1] == 0
        assert self.size is None or (rows, columns) == self.size
        self.shapes.append(tuple(past.shape))
        self.pool(past[:, -1])
        return torch.stack([past[:, -1] + self.growth * (s + 1) for s in range(steps)], dim=1)


def with_head(name, settings, head, flow=None):
    """Give a fresh network under a head, and in Lagrangian coordinates, as load_network would."""
    network = ModelChoice(name, settings, head, flow).build(1, None, Scaling()).eval()
    meta = CheckpointMeta(
        name,
        settings,
        1,
        None,
        5,
        10,
        600.0,
        Scaling(),
        (1.0, 1.0),
        exceedance_probability=head,
        lagrangian=flow,
    )
    return LoadedNetwork(network, meta, "0" * 64)


def loaded(model, past=3, step_seconds=600.0, grid_km=(1.0, 1.0), channels=1, scaling=Scaling()):  # noqa: B008
    """Give what load_network would."""
    meta = CheckpointMeta(
        model="repeat",
        settings={"growth": 0.0},
        channels=channels,
        size=None,
        past=past,
        future=2,
        step_seconds=step_seconds,
        scaling=scaling,
        grid_km=grid_km,
        data_fingerprint="f00d",
        experiment={"name": "test"},
        provenance={"nowcast": "0.1.0"},
    )
    return LoadedNetwork(model.eval(), meta, SHA)
