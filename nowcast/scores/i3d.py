"""I3D, the network whose view of a video FVD compares: its arithmetic, and a safe way to read its weights.

Dimensions: N videos, T frames, H rows, W columns, D classes.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nowcast.core.errors import FileError, complain
from nowcast.core.files import sha256

if TYPE_CHECKING:
    from torch import Tensor

Weights = dict[str, Any]

SIDE = 224
_EPSILON = 1e-3
_STEM = (("Conv3d_1a_7x7", 3, 64, 7), ("Conv3d_2b_1x1", 64, 64, 1), ("Conv3d_2c_3x3", 64, 192, 3))
_MIXED = (
    ("Mixed_3b", 192, (64, 96, 128, 16, 32, 32)),
    ("Mixed_3c", 256, (128, 128, 192, 32, 96, 64)),
    ("Mixed_4b", 480, (192, 96, 208, 16, 48, 64)),
    ("Mixed_4c", 512, (160, 112, 224, 24, 64, 64)),
    ("Mixed_4d", 512, (128, 128, 256, 24, 64, 64)),
    ("Mixed_4e", 512, (112, 144, 288, 32, 64, 64)),
    ("Mixed_4f", 528, (256, 160, 320, 32, 128, 128)),
    ("Mixed_5b", 832, (256, 160, 320, 32, 128, 128)),
    ("Mixed_5c", 832, (384, 192, 384, 48, 128, 128)),
)
"""Name, channels that come in, channels of 1x1, 3x3 reduced, 3x3, 3x3 (second) reduced, 3x3, after pooling."""
_POOL_BEFORE = {"Mixed_3b": (1, 3, 2), "Mixed_4b": (3, 3, 2), "Mixed_5b": (2, 2, 2)}
"""Window in time and in space, stride in space; the stride in time is that in space, but 1 for window 1."""


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every array; that of ``logits`` has any number of classes: 0 here."""
    units = list(_STEM)
    for name, c, (one, three_in, three, other_in, other, pooled) in _MIXED:
        units += [
            (f"{name}.b0", c, one, 1),
            (f"{name}.b1a", c, three_in, 1),
            (f"{name}.b1b", three_in, three, 3),
            (f"{name}.b2a", c, other_in, 1),
            (f"{name}.b2b", other_in, other, 3),
            (f"{name}.b3b", c, pooled, 1),
        ]
    for name, before, after, k in units:
        yield f"{name}.conv3d.weight", (after, before, k, k, k)
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield f"{name}.bn.{part}", (after,)
    yield "logits.conv3d.weight", (0, 1024, 1, 1, 1)
    yield "logits.conv3d.bias", (0,)


@lru_cache(maxsize=1)
def read(path: Path, expected_sha256: str) -> Weights:
    """Read a state dictionary of tensors under the names of `shapes`, after its SHA-256 was found right.

    Raises:
        FileError: the file is absent, another one, holds more than tensors, or tensors of other shapes.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: no such file of I3D weights; correct the path")
    if (found := sha256(path)) != expected_sha256.lower():
        raise FileError(complain(f"{path}: sha256", found, expected_sha256, "correct the file or the setting"))
    import torch

    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise FileError(
            f"{path}: not a plain state dictionary of tensors ({' '.join(str(error).split())[:120]}); a "
            "TorchScript archive is not read, save its state_dict()"
        ) from error
    weights: Weights = {}
    for name, shape in shapes():
        tensor = held.get(name) if isinstance(held, Mapping) else None
        from_axis = 1 if name.startswith("logits") else 0
        if tensor is None or tuple(tensor.shape)[from_axis:] != shape[from_axis:]:
            has = "nothing" if tensor is None else tuple(tensor.shape)
            raise FileError(complain(f"{path}: {name}", has, f"a tensor {shape}", "give weights of RGB I3D"))
        weights[name] = tensor.float()
    return weights


def logits(videos: Tensor, weights: Weights) -> Tensor:
    """The class scores, averaged over time: videos (N, 3, T, 224, 224) in [-1, 1] -> (N, D).

    The last average takes two steps in time; a video so short (under 9 frames) that one is left takes one.

    Source: Carreira and Zisserman, CVPR 2017, fig. 3.
    """
    from torch.nn import functional as F

    x = _unit(videos, weights, "Conv3d_1a_7x7", stride=2)
    x = _pool(x, (1, 3, 3), (1, 2, 2))
    x = _unit(_unit(x, weights, "Conv3d_2b_1x1"), weights, "Conv3d_2c_3x3")
    for name, _, _ in _MIXED:
        if name in _POOL_BEFORE:
            time, space, stride = _POOL_BEFORE[name]
            x = _pool(x, (time, space, space), (1 if time == 1 else stride, stride, stride))
        x = _mixed(x, weights, name)
    x = F.avg_pool3d(x, (min(2, x.shape[2]), 7, 7), stride=1)
    x = F.conv3d(x, weights["logits.conv3d.weight"], weights["logits.conv3d.bias"])
    return x.mean(dim=(2, 3, 4))


def _mixed(x: Tensor, weights: Weights, name: str) -> Tensor:
    import torch

    pooled = _pool(x, (3, 3, 3), (1, 1, 1))
    return torch.cat(
        [
            _unit(x, weights, f"{name}.b0"),
            _unit(_unit(x, weights, f"{name}.b1a"), weights, f"{name}.b1b"),
            _unit(_unit(x, weights, f"{name}.b2a"), weights, f"{name}.b2b"),
            _unit(pooled, weights, f"{name}.b3b"),
        ],
        dim=1,
    )


def _unit(x: Tensor, weights: Weights, name: str, stride: int = 1) -> Tensor:
    """Convolve, normalize by the stored statistics, cut below 0."""
    from torch.nn import functional as F

    kernel = weights[f"{name}.conv3d.weight"]
    x = F.conv3d(_pad(x, tuple(kernel.shape[2:]), (stride,) * 3), kernel, stride=stride)
    scale, shift, mean, variance = (
        weights[f"{name}.bn.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    return F.batch_norm(x, mean, variance, scale, shift, eps=_EPSILON).relu()


def _pool(x: Tensor, window: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    from torch.nn import functional as F

    return F.max_pool3d(_pad(x, window, stride), window, stride)


def _pad(x: Tensor, window: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Pad by zeros so that ceil(length / stride) windows fit, the odd one behind, as TensorFlow's SAME."""
    from torch.nn import functional as F

    sides: list[int] = []
    for length, k, s in zip(x.shape[:1:-1], window[::-1], stride[::-1], strict=True):
        total = max((-(-length // s) - 1) * s + k - length, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides)
