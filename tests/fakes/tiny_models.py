"""Settings that make every network of the catalog small enough for a test."""

import torch

from nowcast.models.base import SequenceModel
from nowcast.models.catalog import MODELS, build_model

RECURRENT = {"hidden": [8, 8, 8], "filter_size": 3, "patch": 2}
TINY: dict[str, dict] = {
    "lmc_memory": {"hidden": 8, "slot_width": 16, "slots": 5, "layers": 2, "long_length": 6},
    "stmfanet": {"temporal": True, "window": 5, "growth": 4, "layers": 1, "width": 2},
    "phydnet": {"hidden": 8, "lstm_hidden": [6, 8], "filter_size": 3, "groups": 2},
    "crevnet": {"blocks": [1], "layers": 2},
    "simvp": {"past": 4, "hidden": 4, "translator_hidden": 16, "layers": 2, "blocks": 2},
    "tau": {"past": 4, "hidden": 4, "translator_hidden": 8, "layers": 2, "blocks": 2, "expansion": 2},
    "dfn": {"hidden": [4, 6, 8], "kernel": 3},
    "cdna": {"hidden": [4, 6, 8], "masks": 3, "filter_size": 3},
    "frnn": {"convolutions": [4, 4], "hidden": [6, 6, 8], "filter_sizes": [3, 3, 3]},
    "savp_vae": {"width": 4, "latent": 3, "kernels": 2, "posterior_width": 4},
    "mcnet": {"width": 6},
    "vpn": {"channels": 4, "encoder_blocks": 2, "decoder_blocks": 2, "dilations": [1, 2]},
}
"""Networks that need other settings than `RECURRENT`, or another size than `SIZE`."""
SIZE = (16, 24)
SIZES: dict[str, tuple[int, int]] = {"lmc_memory": (16, 32)}
PAST = 4


def tiny_settings(name: str) -> dict:
    known = set(MODELS[name].settings.__dataclass_fields__)
    return TINY.get(name, {k: v for k, v in RECURRENT.items() if k in known})


def tiny_model(name: str, channels: int = 1, seed: int = 0) -> SequenceModel:
    """Build it and shake all weights, so that nothing hides behind a zero start."""
    torch.manual_seed(seed)
    model = build_model(name, tiny_settings(name), channels, size_of(name))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def size_of(name: str) -> tuple[int, int]:
    return SIZES.get(name, SIZE)


def frames(name: str, batch: int, length: int, channels: int = 1, seed: int = 1) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(batch, length, channels, *size_of(name), generator=draw)
