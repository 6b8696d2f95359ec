"""A network run on a GPU on frames of any size, as `NetworkRunner` runs it on a CPU.

Dimensions: T past frames, S forecast steps, K channels of the output, H rows, W columns.
"""

from __future__ import annotations

import logging
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError, complain
from nowcast.forecasters.network_runner import Array, Mask, NetworkRunner, batch

if TYPE_CHECKING:
    from nowcast.models.base import SequenceModel

LOG = logging.getLogger(__name__)
_SHARE = 0.8
"""Of the GPU's free memory that a network may take: it is estimated, and recordings need some."""
_COPIES = ("_whole", "_in_tiles", "_copy", "_memory_gb")


class GpuRunner(NetworkRunner):
    """Runs a copy of a network that lies on the GPU.

    A frame that is as large as the one before is forecast by a recording (`nowcast.models.cuda_graph.Graphed`);
    the first of each size is not, as recording takes longer than one forecast. A frame too large for
    ``memory_gb``, or for what the GPU has free when it is first used, is cut into tiles as on a CPU.
    """

    def run(self, scaled: Array, observed: Mask, indices: npt.NDArray[np.int64]) -> Array:
        """Forecast as `NetworkRunner.run`.

        Raises:
            SettingsError: the GPU's memory does not do.
        """
        import torch

        from nowcast.models.on_device import forecast_on

        steps, (height, width) = int(indices[-1]) + 1, scaled.shape[1:]
        past, mask = batch(np.where(observed, scaled, np.float32(0))), batch(observed)
        network = self._whole if self._fits(height, width) else self._in_tiles
        chosen = torch.from_numpy(indices)
        try:
            found: Array = forecast_on(self.how.device, network, past, steps, mask, chosen).numpy()
        except torch.OutOfMemoryError as error:
            raise SettingsError(
                complain(
                    f"GPU memory for {height} x {width}",
                    "out of memory",
                    f"{self._memory_gb:.2g} GB for the network and some for the forecast",
                    "give a smaller memory_gb or device=cpu, or end what else runs on the GPU",
                )
            ) from error
        return found

    def _fits(self, height: int, width: int) -> bool:
        """Whether a frame is one tile, with what `AnySize` adds below and to the right."""
        from nowcast.models.padding import padded_size

        rows, columns = padded_size(self._loaded.model.multiple_of, height, width)
        tile = self._tile_size(rows, columns)
        return rows <= tile[0] and columns <= tile[1]

    @cached_property
    def _memory_gb(self) -> float:
        """What is asked for; less, and a line of the log, where the GPU has not so much."""
        from nowcast.models.device import free_gpu_gb

        free = _SHARE * free_gpu_gb()
        if free < self.how.memory_gb:
            LOG.warning("memory_gb: the GPU has %.2g of %g GB free, taking it", free, self.how.memory_gb)
        return min(self.how.memory_gb, free)

    @cached_property
    def _copy(self) -> SequenceModel:
        from nowcast.models.device import choose_device
        from nowcast.models.on_device import fast_on

        return fast_on(choose_device(self.how.device), self._loaded.model, self._dtype)

    @cached_property
    def _whole(self) -> SequenceModel:
        """For frames of one tile: flow, network and probabilities are one recording."""
        from nowcast.models.cuda_graph import Graphed

        return Graphed(self._any_size(self._copy), at_once=False)

    @cached_property
    def _in_tiles(self) -> SequenceModel:
        """For larger ones: what runs on a tile is a recording, which the others of its size are played from."""
        from nowcast.models.cuda_graph import Graphed

        return self._any_size(self._copy, partial(Graphed, at_once=False))

    def __getstate__(self) -> dict[str, Any]:
        """Leave what lies on the GPU behind: another process makes its own."""
        return {name: value for name, value in self.__dict__.items() if name not in _COPIES}
