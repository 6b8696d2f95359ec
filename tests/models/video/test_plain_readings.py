"""Networks of video prediction forecast what plain readings of their descriptions do with the same weights."""

import pytest
import torch

from nowcast.models.catalog import build_model
from nowcast.models.cpu.fast import fast
from scripts.plain_networks.readings import READINGS, read_plainly
from tests.fakes.tiny_models import TINY, tiny_settings

SIZE = (16, 24)
CASES = {
    "cdna": {},
    "dna": {"motion": "dna"},
    "stp": {"motion": "stp"},
    "dfn": {"kernel": 5},
    "vpn": {},
    "mcnet": {},
    "frnn": {"convolutions": [4, 3], "hidden": [6, 5, 4, 7], "filter_sizes": [5, 3, 3, 3]},
    "savp_vae": {"scales": 3},
    "crevnet": {"blocks": [2, 1, 2], "layers": 3, "norm": "batch"},
    "crevnet_convlstm": {"cell": "convlstm", "blocks": [1, 2], "layers": 2, "norm": "batch"},
    "stmfanet": {"temporal": False, "norm": "batch", "growth": 8, "width": 8},
    "stmfanet_temporal": {"temporal": True, "norm": "batch", "layers": 2, "growth": 4, "width": 4},
    "phydnet": {},
    "simvp": {"layers": 4},
    "simvp_gsta": {"translator": "gsta", "norm": "batch", "layers": 3, "translator_hidden": 12},
    "tau": {"norm": "batch", "blocks": 3},
}
"""Settings that differ from those of tests; batch norms as in the readings."""
NAMES = {"dna": "cdna", "stp": "cdna", "crevnet_convlstm": "crevnet"}
PAST, STEPS = 4, 3


def name_of(key):
    return NAMES.get(key, key if key in TINY else key.partition("_")[0])


def case(key, dtype):
    """The network of a case and its plain reading, with weights and statistics at random."""
    name = name_of(key)
    settings = {**tiny_settings(name), **CASES[key]}
    torch.manual_seed(7)
    network = build_model(name, settings, 1, SIZE).to(dtype).eval()
    with torch.no_grad():
        for what, value in network.state_dict().items():
            if "running_var" in what:
                value.uniform_(0.5, 1.0)
            elif value.is_floating_point():
                value.add_(0.05 * torch.randn_like(value))
    return network, read_plainly(name, settings, network, SIZE)


@pytest.mark.parametrize("key", CASES)
def test_the_network_forecasts_what_its_plain_reading_does(key):
    past = torch.rand(2, PAST, 1, *SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        network, plain = case(key, torch.float64)
        expected = plain(past, STEPS)
        assert expected.std(dim=(1, 2, 3, 4)).min() > 1e-4
        assert (network(past, STEPS) - expected).abs().max() <= 1e-9
        network, plain = case(key, torch.float32)
        assert (fast(network)(past.float(), STEPS) - plain(past.float(), STEPS)).abs().max() <= 1e-5


def test_every_reading_is_compared():
    assert {name_of(key) for key in CASES} == set(READINGS)
