"""Clips to batches: which clips an iteration takes follows from its number alone.

Dimensions: B batch on one device.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from nowcast.models.base import ClipBatch
from nowcast.training.experiment import Training

Key = tuple[int, int]
"""Epoch and index of a clip."""


class ClipData(Protocol):
    """What training asks of a data set; `nowcast.data.clips.VideoDataset` is one.

    In training, index i of epoch e is a random draw from (seed, e, i); the data set shuffles itself.
    """

    @property
    def channels(self) -> int:
        """Channels of a frame."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a clip."""
        ...

    @property
    def step(self) -> np.timedelta64:
        """Time between two frames."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes with the data."""
        ...

    def __len__(self) -> int: ...

    def source_name(self, index: int) -> str:
        """The source that clip ``index`` comes from."""
        ...

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch."""
        ...

    def __getitem__(self, index: int) -> Any:
        """An unbatched clip: past, future, observed, context, faintest as numpy arrays or tensors."""
        ...


class KeyedClips(Dataset[Any]):
    """Clips by epoch and index, for a DataLoader whose ``collate_fn`` is `as_read`."""

    def __init__(self, clips: ClipData) -> None:
        self.clips = clips

    def __getitem__(self, key: Key) -> Any:
        epoch, index = key
        self.clips.set_epoch(epoch)
        return self.clips[index]

    def __getitems__(self, keys: Sequence[Key]) -> ClipBatch:
        """A batch, read at once by a data set that can."""
        if not _reads_batches(type(self.clips)):
            return collate([self[key] for key in keys])
        return ClipBatch(*map(torch.from_numpy, self.clips.batch(keys)))  # type: ignore[attr-defined]


def _reads_batches(kind: type) -> bool:
    """Whether the class that reads single clips reads batches, too: a subclass may have clips of its own."""
    reads_clips = next(base for base in kind.__mro__ if "__getitem__" in vars(base))
    return "batch" in vars(reads_clips)


def _own_epoch(worker: int) -> None:
    """Let a worker have its own copy of the data set: the epoch may be shared, and batches can cross epochs."""
    del worker
    info = get_worker_info()
    assert info is not None
    info.dataset.clips = copy.copy(info.dataset.clips)  # type: ignore[attr-defined]


def collate(clips: list[Any]) -> ClipBatch:
    """Stack unbatched clips of the data wing into one `ClipBatch` of tensors."""
    return ClipBatch(*(_stacked(parts) for parts in zip(*clips, strict=True)))


def as_read(batch: Any) -> ClipBatch:
    """A batch as `KeyedClips` reads it."""
    return ClipBatch(*batch)


def _stacked(parts: tuple[Any, ...]) -> Any:
    return None if parts[0] is None else torch.stack([torch.as_tensor(part) for part in parts])


class Batches:
    """An iterable of batches with a length. Lightning takes it as it is: nothing of it is exchanged.

    Args:
        clips: the data set.
        keys: of each batch on this device.
        workers: processes that load.
        pin: load into page-locked memory, for a GPU.
    """

    def __init__(self, clips: ClipData, keys: list[list[Key]], workers: int, pin: bool) -> None:
        self.clips, self.keys, self.workers, self.pin = clips, keys, workers, pin

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[ClipBatch]:
        return iter(
            DataLoader(
                KeyedClips(self.clips),
                batch_sampler=self.keys,
                num_workers=self.workers,
                collate_fn=as_read,
                pin_memory=self.pin,
                generator=torch.Generator(),
                worker_init_fn=_own_epoch if self.workers else None,
            )
        )


def keys_of(iteration: int, batch: int, length: int) -> list[Key]:
    """The clips of one iteration (counted from 0) over all devices; a batch may cross epochs."""
    return [divmod(iteration * batch + i, length) for i in range(batch)]


class Stretch(NamedTuple):
    """Iterations [first, last) between two validations."""

    first: int
    last: int


class ClipDataModule(pl.LightningDataModule):  # type: ignore[misc]  # Lightning comes without types
    """Gives the batches of one stretch at a time, from wherever the run stands.

    Args:
        train_data: clips to train on.
        val_data: clips to validate on.
        training: settings.
        clips: at most so many validation clips, spread evenly.
        iteration: says how many iterations are done.
    """

    def __init__(
        self,
        train_data: ClipData,
        val_data: ClipData,
        training: Training,
        clips: int,
        iteration: Callable[[], int],
    ) -> None:
        super().__init__()
        self.train_data, self.val_data = train_data, val_data
        self.training, self.clips, self.iteration = training, clips, iteration
        self.groups: list[str] = []
        """The source of each validation batch of this device, in order."""

    def stretch(self) -> Stretch:
        """The iterations up to the next validation or the end."""
        first, every = self.iteration(), self.training.validate_every
        last = (first // every + 1) * every
        return Stretch(first, last if self.training.steps is None else min(last, self.training.steps))

    def train_dataloader(self) -> Batches:
        """The batches of the next stretch that fall to this device."""
        rank, world = self._place()
        first, last = self.stretch()
        length, size = len(self.train_data), self.training.batch
        keys = [keys_of(number, size, length)[rank::world] for number in range(first, last)]
        return self._batches(self.train_data, keys)

    def val_dataloader(self) -> Batches:
        """The same validation clips every time, a batch of one source; every device gets its share."""
        rank, world = self._place()
        length = len(self.val_data)
        count = min(self.clips, length)
        chosen = [i * length // count for i in range(count)][rank::world]
        size = max(1, self.training.batch // world)
        keys: list[list[Key]] = []
        self.groups = []
        for name, found in groupby(chosen, self.val_data.source_name):
            indices = list(found)
            keys += [[(0, i) for i in indices[at : at + size]] for at in range(0, len(indices), size)]
            self.groups += [name] * (len(keys) - len(self.groups))
        return self._batches(self.val_data, keys)

    def validation_sources(self) -> list[str]:
        """Names of all sources that are validated on, the same on every device."""
        length = len(self.val_data)
        count = min(self.clips, length)
        return sorted({self.val_data.source_name(i * length // count) for i in range(count)})

    def _batches(self, clips: ClipData, keys: list[list[Key]]) -> Batches:
        pin = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return Batches(clips, keys, self.training.workers, pin)

    def _place(self) -> tuple[int, int]:
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size
