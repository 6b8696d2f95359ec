"""A network run on frames of any size: padded, whole where memory allows, else in tiles.

Dimensions: T past frames, S forecast steps, K channels of the output, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor, dtype

    from nowcast.models.base import SequenceModel
    from nowcast.models.checkpoint import LoadedNetwork
    from nowcast.models.device import Found
    from nowcast.models.wrapper import ModelWrapper

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
_BYTES_PER_GB = 1e9
_TILES_IN_MEMORY = 4
"""So that the forecast of a frame too large for memory has room beside its tile."""
_FADE = 16
"""Cells over which one tile gives way to the next where both know all that a cascade reads."""


class Running(NamedTuple):
    """How; see `nowcast.forecasters.neural.NeuralSettings`."""

    memory_gb: float
    tile: tuple[int, int] | None
    overlap: int
    half: bool
    """In bfloat16."""
    device: Found = "cpu"


class NetworkRunner:
    """Runs the packed copy of a network on numpy frames."""

    def __init__(self, loaded: LoadedNetwork, how: Running) -> None:
        self.how = how
        self._loaded = loaded

    def run(self, scaled: Array, observed: Mask, indices: npt.NDArray[np.int64]) -> Array:
        """Forecast the chosen steps (S, K, H, W).

        Args:
            scaled: past frames (T, H, W) in [0, 1]; what they hold where nothing was observed does not count.
            observed: (T, H, W).
            indices: of the steps, from 0, rising.
        """
        import torch

        from nowcast.models.lagrangian.wrapper import LagrangianModel
        from nowcast.models.padding import AnySize

        steps, (height, width) = int(indices[-1]) + 1, scaled.shape[1:]
        past, mask = batch(np.where(observed, scaled, np.float32(0))), batch(observed)
        del scaled, observed
        network, inside = self._network, self._network.network
        with torch.no_grad():
            if isinstance(network, AnySize) and isinstance(inside, LagrangianModel):
                # What these two do in `forward`, stage by stage: what a stage has read is gone in the next.
                past, mask = network.pad(past), network.pad_mask(mask)
                motion = inside.motion(past, 1, mask)[:, 0, 0]
                del mask
                past = inside.at_reference_time(past, motion)
                forecast = inside.network(past, steps)
                del past
                forecast = inside.at_own_times(forecast, motion)[..., :height, :width]
            else:
                forecast = network(past, steps, None, mask)
        found = forecast[0]
        if len(indices) < len(found):
            found = found[torch.from_numpy(indices)]
        chosen: Array = found.float().numpy()
        return chosen

    def motion(self, scaled: Array, observed: Mask) -> Array:
        """The motion (2, H, W) of the first step, in cells a frame downwards and to the right.

        That of a MotionRNN is the mean over its MotionGRUs, that of a network in Lagrangian coordinates the
        optical flow.

        Raises:
            SettingsError: a network without motion.
        """
        import torch
        from torch.nn.functional import interpolate

        from nowcast.models.padding import AnySize

        scaled = np.where(observed, scaled, np.float32(0))
        with torch.no_grad():
            found = AnySize(self._loaded.model).motion(batch(scaled), 1, batch(observed))[:, -1].mean(dim=1)
            multiples = zip(scaled.shape[1:], self._loaded.model.multiple_of, strict=True)
            padded = [-(-side // multiple) * multiple for side, multiple in multiples]
            whole = interpolate(found, size=padded, mode="bilinear", align_corners=False)
        cropped: Array = whole[0, :, : scaled.shape[1], : scaled.shape[2]].numpy()
        return cropped

    def _tile_size(self, height: int, width: int) -> tuple[int, int]:
        """The frame itself where the network can take it whole, else a tile of a quarter of that memory."""
        if self._tied is not None:
            return self._tied
        if self.how.tile is not None:
            return self.how.tile
        most = self._memory_gb * _BYTES_PER_GB / self._bytes_per_pixel
        if height * width <= most:
            return height, width
        cells = int(np.sqrt(most / _TILES_IN_MEMORY))
        rows, columns = (max(cells // multiple, 4) * multiple for multiple in self._loaded.model.multiple_of)
        return rows, columns

    @property
    def _memory_gb(self) -> float:
        """What the network may take."""
        return self.how.memory_gb

    @property
    def _receptive_field(self) -> int:
        """Cells that a cascade reads around a pixel; what a network reads beyond fades with the distance."""
        events = self._loaded.meta.exceedance_probability
        return 0 if events is None or events.cascade is None else round(events.cascade.receptive_field)

    @property
    def _tied(self) -> tuple[int, int] | None:
        size = getattr(self._loaded.model, "size", None)
        return None if size is None else (int(size[0]), int(size[1]))

    @cached_property
    def _network(self) -> ModelWrapper:
        from nowcast.models.cpu.fast import fast

        return self._any_size(fast(self._loaded.model, self._dtype))

    @property
    def _dtype(self) -> dtype:
        import torch

        return torch.bfloat16 if self.how.half else torch.float32

    def _any_size(
        self, network: SequenceModel, of_tile: Callable[[SequenceModel], SequenceModel] | None = None
    ) -> ModelWrapper:
        """Make a network take frames of any size; ``of_tile`` goes around what runs on one tile."""
        from nowcast.models.lagrangian.wrapper import LagrangianModel
        from nowcast.models.padding import AnySize
        from nowcast.models.tiling import Tiled

        def tiled(inside: SequenceModel) -> ModelWrapper:
            read = self._receptive_field
            overlap = max(self.how.overlap, 2 * read + _FADE)
            tile = AnySize(inside) if of_tile is None else of_tile(AnySize(inside))
            return Tiled(tile, self._tile_size, overlap, read, one_size=self._tied is not None)

        if not isinstance(network, LagrangianModel):
            return tiled(network)
        around = LagrangianModel(tiled(network.network), network.settings).eval()
        around.past_min, around.multiple_of = network.past_min, network.multiple_of
        return AnySize(around)

    @cached_property
    def _bytes_per_pixel(self) -> float:
        """Measure on a small frame what one step puts into memory; twice the sum of all maps.

        What a wrapper takes for all steps together is its own ``bytes_per_pixel``.
        """
        import torch
        from torch import nn

        model = self._loaded.model
        rows, columns = (8 * side for side in model.multiple_of)
        total = [0]

        def count(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, torch.Tensor):
                total[0] += output.numel() * output.element_size()

        leaves = [m for m in model.modules() if not list(m.children())]
        hooks = [leaf.register_forward_hook(count) for leaf in leaves]
        frames = max(model.past_min, self._loaded.meta.past)
        try:
            with torch.no_grad():
                model(torch.zeros(1, frames, 1, rows, columns), 1)
        finally:
            for hook in hooks:
                hook.remove()
        around = sum(float(getattr(module, "bytes_per_pixel", 0.0)) for module in model.modules())
        return max(2.0 * total[0] / frames, 1.0) / (rows * columns) + around


def batch(frames: npt.NDArray[np.generic]) -> Tensor:
    """(T, H, W) as a batch of one clip of one channel, (1, T, 1, H, W)."""
    import torch

    return torch.from_numpy(frames)[None, :, None]
