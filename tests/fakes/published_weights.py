"""Weights by the golden files' rule: from name and shape alone."""

import json
import re
import zlib

import numpy as np
import torch


def made_weights(state: str) -> dict[str, torch.Tensor]:
    """Make every tensor that ``state`` (JSON: name -> shape) lists."""
    return {name: one_weight(name, shape) for name, shape in json.loads(state).items()}


def one_weight(name: str, shape: list[int]) -> torch.Tensor:
    draw = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    z = draw.standard_normal(shape)
    if re.search(r"conv_[xhmo]\.1\.weight$", name):
        value = 1 + 0.05 * z
    elif re.search(r"conv_[xhmo]\.1\.bias$", name) or len(shape) <= 1:
        value = 0.05 * z
    else:
        value = z / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(value, np.float32))


def published_state(layers=3, wide=8, side=3, channels=1, patch=2, norm=None):
    """Names and shapes as the published MotionRNN-PredRNN writes them."""
    depth, q = patch * patch * channels, wide // 4
    shapes = {"conv_first_v.weight": [wide, depth, 1, 1], "conv_last.weight": [depth, wide, 1, 1]}
    for n in range(layers):
        inside = depth if n == 0 else wide
        for gate, many, into in (("x", 7, inside), ("h", 4, wide), ("m", 3, wide), ("o", 1, 2 * wide)):
            shapes[f"cell_list.{n}.conv_{gate}.0.weight"] = [many * wide, into, side, side]
            if norm:
                shapes[f"cell_list.{n}.conv_{gate}.1.weight"] = [many * wide, *norm]
                shapes[f"cell_list.{n}.conv_{gate}.1.bias"] = [many * wide, *norm]
        shapes[f"cell_list.{n}.conv_last.weight"] = [wide, 2 * wide, 1, 1]
    for n in range(layers - 1):
        shapes |= {
            f"enc_list.{n}.weight": [q, wide, side, side],
            f"enc_list.{n}.bias": [q],
            f"dec_list.{n}.weight": [q, wide, 4, 4],
            f"dec_list.{n}.bias": [wide],
            f"gate_list.{n}.weight": [wide, 2 * wide, side, side],
            f"gate_list.{n}.bias": [wide],
            f"motion_list.{n}.warp.conv.weight": [q, q, 3, 3],
            f"motion_list.{n}.warp.warp_gate.weight": [9, q, 3, 3],
            f"motion_list.{n}.warp.warp_gate.bias": [9],
        }
        for gate in ("update", "reset", "output"):
            shapes[f"motion_list.{n}.{gate}.weight"] = [18, q + 18, 3, 3]
            shapes[f"motion_list.{n}.{gate}.bias"] = [18]
    return {name: one_weight(name, shape) for name, shape in shapes.items()}
