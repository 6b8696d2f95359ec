"""Which clips an iteration takes follows from its number, whatever loads them."""

import numpy as np
import pytest
import torch

from nowcast.data.clips import VideoDataset
from nowcast.models.base import ClipBatch
from nowcast.training.data_module import Batches, ClipDataModule, KeyedClips, collate, keys_of
from tests.fakes.training_runs import clips, experiment


def test_batches_cross_epochs_without_loss():
    keys = [key for k in range(5) for key in keys_of(k, 4, 10)]
    assert keys == [(e, i) for e in range(2) for i in range(10)]


def test_a_batch_is_the_clips_of_its_keys_as_tensors():
    data = clips()
    (batch,) = Batches(data, [[(2, 1), (0, 3)]], workers=0, pin=False)
    assert isinstance(batch, ClipBatch)
    data.set_epoch(2)
    assert np.array_equal(batch.past[0], data[1].past)
    data.set_epoch(0)
    assert np.array_equal(batch.future[1], data[3].future)
    assert batch.observed.dtype == torch.bool
    assert batch.context.shape == (2, 0, 1, 4, 4)


def test_workers_give_the_same_batches_across_epochs():
    """The data set's epoch is shared between processes; batches of two epochs load at the same time."""
    length = len(clips())
    keys = [keys_of(k, 4, length) for k in range(length // 2)]
    alone = list(Batches(clips(), keys, workers=0, pin=False))
    shared = list(Batches(clips(), keys, workers=2, pin=False))
    assert all(torch.equal(a.past, b.past) for a, b in zip(alone, shared, strict=True))


def test_stretches_end_at_validations_and_at_the_last_step():
    training = experiment().training  # 20 steps, validation every 7
    at = {"iteration": 0}
    module = ClipDataModule(clips(), clips(train=False), training, 6, lambda: at["iteration"])
    found = []
    while at["iteration"] < 20:
        found.append(tuple(module.stretch()))
        assert len(module.train_dataloader()) == found[-1][1] - found[-1][0]
        at["iteration"] = found[-1][1]
    assert found == [(0, 7), (7, 14), (14, 20)]
    at["iteration"] = 10  # resumed in the middle
    assert module.stretch() == (10, 14)


def test_devices_share_every_batch(monkeypatch):
    module = ClipDataModule(clips(), clips(train=False), experiment().training, 5, lambda: 3)
    whole, parts = module.train_dataloader().keys, []
    checked = [i for batch in module.val_dataloader().keys for _, i in batch]
    for rank in range(2):
        monkeypatch.setattr(module, "_place", lambda rank=rank: (rank, 2))
        parts.append((module.train_dataloader().keys, module.val_dataloader().keys))
    for k, batch in enumerate(whole):
        assert sorted(parts[0][0][k] + parts[1][0][k]) == sorted(batch)
    shared = [i for part in parts for batch in part[1] for _, i in batch]
    assert sorted(shared) == sorted(checked)
    assert len(set(checked)) == 5


def test_validation_clips_are_spread_evenly():
    data = clips(train=False)
    module = ClipDataModule(clips(), data, experiment().training, 5, lambda: 0)
    indices = [i for batch in module.val_dataloader().keys for _, i in batch]
    assert indices[0] == 0
    assert max(np.diff(indices)) - min(np.diff(indices)) <= 1
    assert indices[-1] >= len(data) - len(data) // 5 - 1


def test_collate_takes_tensors_too():
    clip = ClipBatch(*(torch.full((2, 1, 1, 1), float(i)) for i in range(4)))
    assert collate([clip, clip]).future.shape == (2, 2, 1, 1, 1)


def test_a_batch_read_at_once_holds_the_clips_read_one_by_one():
    data, keys = clips(), [(0, 2), (3, 1), (1, 5)]
    batch = KeyedClips(data).__getitems__(keys)
    one_by_one = collate([KeyedClips(data)[key] for key in keys])
    assert all(torch.equal(*parts) for parts in zip(batch, one_by_one, strict=True))


@pytest.mark.parametrize("index", [0, 5])
def test_a_clip_of_a_key_does_not_depend_on_what_came_before(index):
    first = next(iter(Batches(clips(), [[(1, index)]], 0, False)))
    later = list(Batches(clips(), [[(0, 2)], [(3, 1)], [(1, index)]], 0, False))[-1]
    assert torch.equal(first.past, later.past)


def test_a_validation_batch_is_of_one_source_on_every_device(monkeypatch):
    """Two sources, five clips of each: batches of four never hold both, and each says whose it is."""
    lead = clips(train=False, frames=9)
    data = VideoDataset(
        [*lead.sources, *clips(train=False, frames=9, seed=3).sources], lead.window, crop=(4, 4), train=False
    )
    module = ClipDataModule(clips(), data, experiment().training, 10, lambda: 0)
    assert module.validation_sources() == ["noise 1", "noise 3"]
    for rank, world in ((0, 1), (0, 2), (1, 2)):
        monkeypatch.setattr(module, "_place", lambda place=(rank, world): place)
        batches = module.val_dataloader().keys
        assert len(module.groups) == len(batches)
        for name, batch in zip(module.groups, batches, strict=True):
            assert {data.source_name(index) for _, index in batch} == {name}
