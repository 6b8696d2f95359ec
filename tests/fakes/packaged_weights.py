"""A folder of weights as the package has one: tiny networks, registered by their digests."""

import json

import torch

from nowcast.core.files import sha256
from nowcast.core.scaling import Scaling
from nowcast.models import weights_file
from nowcast.models.checkpoint import CheckpointMeta, pack
from nowcast.models.choice import ModelChoice
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings

CHOSEN = ModelChoice(
    "convlstm", {"hidden": [4], "filter_size": 3, "patch": 4}, ExceedanceProbabilitySettings((20.0, 40.0))
)


def write_network(place, name, seed=0, step_minutes=10.0, system=None):
    """Write a tiny network of 3 frames in, 2 out; give what the registry says of it."""
    torch.manual_seed(seed)
    network = CHOSEN.build(1, None, Scaling())
    meta = CheckpointMeta(
        "convlstm",
        CHOSEN.settings,
        1,
        None,
        3,
        2,
        60.0 * step_minutes,
        Scaling(),
        (1.0, 1.0),
        exceedance_probability=CHOSEN.exceedance_probability,
    )
    path = place / f"{name}.safetensors"
    weights_file.write(path, pack(network.state_dict(), meta))
    return {"sha256": sha256(path), "system": system or name, "step_minutes": float(step_minutes)}


def write_registry(place, entries):
    """Register networks and means, by name."""
    (place / "registry.json").write_text(json.dumps(entries))
