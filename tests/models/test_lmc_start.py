"""Weights of LMC-Memory drawn so that the frames' signal reaches the output."""

import torch

from nowcast.models.catalog import build_model

SETTINGS = {"hidden": 16, "layers": 2, "slots": 8, "slot_width": 16}


def answer(start):
    """How far the map before the last layer moves when the frames are others, against its own spread."""
    torch.manual_seed(0)
    network = build_model("lmc_memory", {**SETTINGS, "start": start}).eval()
    found = []
    network.decoder[6].register_forward_hook(lambda module, inputs, output: found.append(inputs[0].detach()))
    with torch.no_grad():
        for seed in (1, 2):
            network(torch.rand(2, 4, 1, 32, 32, generator=torch.Generator().manual_seed(seed)), 1)
    return float((found[0] - found[1]).std() / found[0].std())


def test_frames_matter_to_a_fresh_network():
    assert answer("published") < 0.1
    assert answer("scaled") > 0.3


def test_both_encoders_start_alike_and_the_output_starts_faint():
    torch.manual_seed(0)
    network = build_model("lmc_memory", {**SETTINGS, "start": "scaled"})
    pairs = zip(network.match_encoder.parameters(), network.store_encoder.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    with torch.no_grad():
        assert network(torch.rand(1, 4, 1, 32, 32), 2).abs().max() < 1.0
