"""What validation counts, by hand."""

import math

import pytest
import torch

from nowcast.core.scaling import Scaling
from nowcast.training.losses import mse
from nowcast.training.validation import ValidationSums

CPU = torch.device("cpu")


def frames(*dbz):
    return (torch.tensor(dbz) / 50.0).reshape(1, 1, 1, 1, -1)


def test_csi_and_loss_by_hand_pool_over_batches():
    sums = ValidationSums(Scaling(0.0, 50.0), CPU)
    said, was = frames(25.0, 25.0, 5.0, 35.0), frames(22.0, 10.0, 21.0, 40.0)
    for mask in ([1, 1, 1, 1], [0, 0, 0, 1]):
        seen = torch.tensor(mask).bool().reshape(said.shape)
        sums.add(mse(said, was, seen), said, was, seen)
    found = sums.values()
    assert found["csi20"] == pytest.approx(3 / 5)  # hits 2 + 1, misses 1, false alarms 1
    assert found["csi30"] == pytest.approx(1.0)
    squares = [(3 / 50) ** 2, (15 / 50) ** 2, (16 / 50) ** 2, (5 / 50) ** 2]
    assert found["loss"] == pytest.approx((sum(squares) + squares[3]) / 5, rel=1e-6)


def test_no_event_and_nothing_seen_are_not_a_score():
    sums = ValidationSums(Scaling(0.0, 50.0), CPU)
    sums.add(torch.zeros(()), frames(1.0), frames(1.0), torch.zeros(1, 1, 1, 1, 1).bool())
    assert all(math.isnan(value) for value in sums.values().values())


def test_without_dbz_only_the_loss_is_given():
    assert set(ValidationSums(None, CPU).values()) == {"loss"}
    assert set(ValidationSums(Scaling(5.0, 25.0), CPU).values()) == {"loss", "csi20"}
