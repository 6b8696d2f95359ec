"""The moving average of the weights, by hand."""

import pytest
import torch
from torch import nn

from nowcast.training.ema import WeightAverage


def a_network(value):
    network = nn.Linear(1, 1, bias=False)
    network.register_buffer("count", torch.tensor(3))
    nn.init.constant_(network.weight, value)
    return network


def test_decay_warms_up_and_then_holds():
    """Updates 1 and 2 decay by 2/11 and 3/12; from 0.2 on it is the setting."""
    network = a_network(1.0)
    average = WeightAverage(network, decay=0.2)
    nn.init.constant_(network.weight, 2.0)
    network.count += 4
    average.update(network)
    first = 1.0 * 2 / 11 + 2.0 * 9 / 11
    assert average.weights["weight"].item() == pytest.approx(first)
    assert average.weights["count"].item() == 7
    nn.init.constant_(network.weight, 0.0)
    average.update(network)
    assert average.weights["weight"].item() == pytest.approx(first * 0.2)


def test_swapping_gives_back_the_same_tensors_even_after_an_error():
    network = a_network(1.0)
    average = WeightAverage(network, decay=0.5)
    nn.init.constant_(network.weight, 5.0)
    parameter = network.weight

    def fail():
        with average.swapped_in(network):
            assert network.weight.item() == 1.0
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert network.weight is parameter
    assert parameter.item() == 5.0
    assert average.weights["weight"].item() == 1.0


def test_state_goes_on_as_if_unbroken():
    network, other = a_network(1.0), a_network(9.0)
    one, two = WeightAverage(network, 0.9), WeightAverage(other, 0.9)
    nn.init.constant_(network.weight, 2.0)
    one.update(network)
    state = one.state()
    two.load(state["updates"], state["weights"])
    one.update(network)
    two.update(network)
    assert torch.equal(one.weights["weight"], two.weights["weight"])
