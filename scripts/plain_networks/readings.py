"""The plain reading of a network of the catalog, with the same weights.

Dimensions: T past frames, S forecast steps, Z latents.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nowcast.models.base import SequenceModel

from .cdna import PlainCDNA
from .crevnet import PlainCrevNet
from .dfn import PlainDFN
from .frnn import PlainFRNN
from .mcnet import PlainMCNet
from .phydnet import PlainPhyDNet
from .savp_vae import PlainSAVP
from .simvp import PlainSimVP
from .stmfanet import PlainSTMFANet
from .vpn import PlainVPN
from .weights import take_weights

Settings = dict[str, Any]
Forecast = Callable[[Tensor, int], Tensor]
READINGS: dict[str, Callable[..., nn.Module]] = {
    "cdna": PlainCDNA,
    "dfn": PlainDFN,
    "vpn": PlainVPN,
    "mcnet": PlainMCNet,
    "frnn": PlainFRNN,
    "savp_vae": PlainSAVP,
    "crevnet": PlainCrevNet,
    "stmfanet": PlainSTMFANet,
    "phydnet": PlainPhyDNet,
    "simvp": PlainSimVP,
    "tau": partial(PlainSimVP, "tau"),
}
"""By the network's name in the catalog."""
IGNORED = {
    "cdna": {"kernel", "every_kernel", "border"},
    "dfn": {"border"},
    "vpn": {"decoder"},
    "mcnet": {"residual", "gradient_difference"},
    "frnn": {"layers_per_scale"},
    "savp_vae": {"scales", "divergence_weight", "divergence_from", "divergence_full", "seed"},
    "crevnet": {"norm"},
    "stmfanet": {"norm", "gradient_difference"},
    "phydnet": {"moments"},
    "simvp": {"norm"},
    "tau": {"norm", "divergence"},
}
"""Settings that a plain reading has at their published value, or that only training reads."""
_SIZED = ("cdna", "savp_vae")


def read_plainly(name: str, settings: Settings, network: SequenceModel, size: tuple[int, int]) -> Forecast:
    """The plain reading of ``network`` for frames of one channel; SAVP's draws what the seed 0 gives.

    Args:
        name: the network's name in the catalog.
        settings: what it was built with.
        network: whose weights to take.
        size: rows and columns of the frames.
    """
    chosen = {key: _tuples(value) for key, value in settings.items() if key not in IGNORED[name]}
    if name in _SIZED:
        chosen["size"] = size
    if chosen.get("motion") == "dna":
        chosen["masks"] = 1
    plain = READINGS[name](**chosen).to(next(network.parameters()).dtype).eval()
    take_weights(name, network, plain)
    if name == "savp_vae":
        return partial(_with_noise, plain, int(chosen.get("latent", 32)))
    return plain


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _with_noise(plain: nn.Module, latent: int, past: Tensor, steps: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(latent, generator=generator) for _ in range(past.shape[1] - 1 + steps)]
    found: Tensor = plain(past, steps, torch.stack(noise).to(past.dtype))
    return found
