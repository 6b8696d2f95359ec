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
    from nowcast.models.exceedance.wrapper import ExceedanceProbabilityModel
    from nowcast.models.lagrangian.wrapper import LagrangianModel
    from nowcast.models.wrapper import ModelWrapper

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
_BYTES_PER_GB = 1e9
_BYTES = 4.0
"""Of a number."""
_HELD = 2.5
"""How often a number of a tile is there, at most: as a frame, as patches, and freed but kept."""
_TILES_IN_MEMORY = 10
"""So that the forecast of a frame too large for memory has room beside its tile."""
_PLACES_KEPT = 1 << 19
"""Pixels of a frame, at most, whose air is followed once for past and forecast: a continent has no room."""
_READ = 96
"""Cells around a pixel that a network is taken to read; what lies farther away matters less and less."""
_FADE = 16
"""Cells over which one tile gives way to the next where both know what is read."""


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
                origins = inside.origins(past, motion)
                past = inside.at_reference_time(past, origins)
                origins = origins if height * width <= _PLACES_KEPT else []
                forecast = inside.network(past, steps)
                del past
                forecast = inside.at_own_times(forecast, motion, origins)[..., :height, :width]
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

        from nowcast.models.padding import AnySize, padded_size

        height, width = scaled.shape[1:]
        scaled = np.where(observed, scaled, np.float32(0))
        with torch.no_grad():
            found = AnySize(self._loaded.model).motion(batch(scaled), 1, batch(observed))[:, -1].mean(dim=1)
            padded = padded_size(self._loaded.model.multiple_of, height, width)
            whole = interpolate(found, size=padded, mode="bilinear", align_corners=False)
        cropped: Array = whole[0, :, :height, :width].numpy()
        return cropped

    def _tile_size(self, height: int, width: int) -> tuple[int, int]:
        """The frame itself where the network can take it whole, else a tile of a part of that memory."""
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
        """Make a network take frames of any size; ``of_tile`` goes around what runs on one tile.

        Flow and head go around the tiles: they are made once, for the whole frame.
        """
        from nowcast.models.exceedance.in_tiles import FramesToLogits, HeadOfTiles
        from nowcast.models.lagrangian.wrapper import LagrangianModel
        from nowcast.models.padding import AnySize
        from nowcast.models.tiling import Tiled

        flow, head, inside = self._apart(network)
        tile: SequenceModel = AnySize(inside if head is None else FramesToLogits(head))
        tile = tile if of_tile is None else of_tile(tile)
        overlap = max(self.how.overlap, 2 * _READ + _FADE)
        made: ModelWrapper = Tiled(tile, self._tile_size, overlap, _READ, one_size=self._tied is not None)
        if head is not None:
            made = HeadOfTiles(head, made)
        if flow is not None:
            made = LagrangianModel(made, flow.settings)
        if made.__class__ is Tiled:
            return made
        made.past_min, made.multiple_of = network.past_min, network.multiple_of
        return AnySize(made.eval())

    def _apart(
        self, network: SequenceModel
    ) -> tuple[LagrangianModel | None, ExceedanceProbabilityModel | None, SequenceModel]:
        """A network out of its Lagrangian coordinates and its head; the head of one tied to a size stays on."""
        from nowcast.models.exceedance.wrapper import ExceedanceProbabilityModel
        from nowcast.models.lagrangian.wrapper import LagrangianModel

        flow = network if isinstance(network, LagrangianModel) else None
        network = network if flow is None else flow.network
        if self._tied is not None or not isinstance(network, ExceedanceProbabilityModel):
            return flow, None, network
        return flow, network, network.network

    @cached_property
    def _bytes_per_pixel(self) -> float:
        """What a tile takes: frames read and forecast, and maps of one step, which a small frame tells.

        What stands around the network is no part of it: it is made for the whole frame, a band at a time.
        """
        import torch
        from torch import nn

        head, network = self._apart(self._loaded.model)[1:]
        channels = 1 if head is None else len(head.thresholds)
        rows, columns = (8 * side for side in network.multiple_of)
        total = [0]

        def count(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, torch.Tensor):
                total[0] += output.numel() * output.element_size()

        leaves = [m for m in network.modules() if not list(m.children())]
        hooks = [leaf.register_forward_hook(count) for leaf in leaves]
        frames = max(network.past_min, self._loaded.meta.past)
        try:
            with torch.no_grad():
                network(torch.zeros(1, frames, channels, rows, columns), 1)
        finally:
            for hook in hooks:
                hook.remove()
        step = total[0] / (frames * rows * columns)
        return _HELD * (step + _BYTES * channels * (frames + self._loaded.meta.future))


def batch(frames: npt.NDArray[np.generic]) -> Tensor:
    """(T, H, W) as a batch of one clip of one channel, (1, T, 1, H, W)."""
    import torch

    return torch.from_numpy(frames)[None, :, None]
