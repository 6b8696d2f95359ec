"""Which optimiser of torch a setting means."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.training.optimizer import make_optimizer
from tests.fakes.training_runs import experiment


def made(name, decay=0.0):
    return make_optimizer(name, [torch.nn.Parameter(torch.ones(2, 2))], 0.5, decay)


@pytest.mark.parametrize(
    ("name", "decay", "kind"),
    [
        ("adam", 0.0, torch.optim.Adam),
        ("adam", 0.1, torch.optim.AdamW),
        ("adamw", 0.0, torch.optim.AdamW),
        ("adafactor", 0.1, torch.optim.Adafactor),
    ],
)
def test_a_name_is_a_class_of_torch_with_the_given_rate_and_decay(name, decay, kind):
    optimizer = made(name, decay)
    assert type(optimizer) is kind
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["weight_decay"]) == (0.5, decay)


def test_the_decay_of_adafactor_is_decoupled():
    optimizer = made("adafactor", 0.1)
    (parameter,) = optimizer.param_groups[0]["params"]
    parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.allclose(parameter, torch.full((2, 2), 1 - 0.5 * 0.1))


def test_an_optimiser_that_torch_lacks_is_refused_with_those_that_it_has(monkeypatch):
    monkeypatch.delattr(torch.optim, "Lion", raising=False)
    words = r"training\.optimizer: got 'lion', and torch .* expected one of adam, adamw, adafactor; choose"
    with pytest.raises(SettingsError, match=words):
        experiment("training.optimizer=lion")


def test_lion_is_taken_where_torch_has_it(monkeypatch):
    class Lion(torch.optim.SGD):
        pass

    monkeypatch.setattr(torch.optim, "Lion", Lion, raising=False)
    assert experiment("training.optimizer=lion").training.optimizer == "lion"
    assert type(made("lion", 0.1)) is Lion
