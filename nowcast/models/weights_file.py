"""Weights to forecast with as one small safetensors file: float16 tensors, and the checkpoint's description.

Why besides checkpoints: a sixth of the size (no optimiser, half the digits), and a format that holds numbers
and nothing else. The description is the checkpoint's own, as JSON under ``nowcast`` in the file's header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nowcast.core.errors import CheckpointError
from nowcast.core.files import whole_file
from nowcast.core.plain_values import parse_json

SUFFIX = ".safetensors"
_KEY = "nowcast"
_FOREIGN = "{}: got weights of another program, expected some that nowcast wrote"


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write weights in float16, whole or not at all.

    Args:
        path: the file to make.
        content: what `nowcast.models.checkpoint.pack` gives; whole numbers stay what they are.

    Raises:
        CheckpointError: a weight that float16 cannot hold.
        FileError: the disk is full or the folder cannot be written.
    """
    from safetensors.torch import save

    small: dict[str, Tensor] = {}
    for name, value in content["state_dict"].items():
        small[name] = value.detach().cpu().contiguous()
        if value.is_floating_point():
            small[name] = small[name].half()
            if not bool(torch.isfinite(small[name]).all()):
                raise CheckpointError(
                    f"{path}: tensor '{name}': got {float(value.abs().max()):g}, expected at most 65504, "
                    "which is what float16 holds; train again with gradient clipping"
                )
    image = save(small, {_KEY: json.dumps(content[_KEY], sort_keys=True)})
    with whole_file(path) as temporary:
        temporary.write_bytes(image)


def read(path: Path) -> dict[str, Any]:
    """Read what a checkpoint would hold: ``nowcast`` and ``state_dict``, in float32.

    Raises:
        CheckpointError: absent, damaged, or a safetensors file of another program.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            described = (file.metadata() or {}).get(_KEY)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file of weights; check the path") from error
    except (SafetensorError, OSError) as error:
        line = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{path}: damaged file of weights ({line}); copy it again") from error
    try:
        meta = parse_json(described or "")
    except ValueError as error:
        raise CheckpointError(_FOREIGN.format(path)) from error
    if not isinstance(meta, dict):
        raise CheckpointError(_FOREIGN.format(path))
    return {
        _KEY: meta,
        "state_dict": {n: v.float() if v.is_floating_point() else v for n, v in weights.items()},
    }
