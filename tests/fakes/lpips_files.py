"""Weights of LPIPS as they are published and as we keep them, with random numbers in them."""

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np

CHANNELS = (3, 64, 192, 384, 256, 256)
SIDES = (11, 5, 3, 3, 3)


def random_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays under our names; the linear layers are not negative, as the trained ones."""
    rng = np.random.default_rng(seed)
    found = {}
    for i, side in enumerate(SIDES):
        shape = (CHANNELS[i + 1], CHANNELS[i], side, side)
        found[f"conv.{i}.weight"] = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
        found[f"conv.{i}.bias"] = rng.normal(0, 0.1, shape[0]).astype(np.float32)
        found[f"linear.{i}"] = rng.random(shape[0]).astype(np.float32) / 4
    return found


class _Pickler(pickle._Pickler):
    """Writes protocol 3 with the names that the published file has."""

    def save_global(self, obj, name=None):
        if getattr(obj, "__name__", "") == "_reconstruct":
            self.write(b"cnumpy.core.multiarray\n_reconstruct\n")
            self.memoize(obj)
        else:
            super().save_global(obj, name)


def pickled(tree) -> bytes:
    out = io.BytesIO()
    _Pickler(out, protocol=3).dump(tree)
    return out.getvalue()


def published_tree(arrays) -> dict:
    """The nested dict of the published file: flax names, axes (kh, kw, in, out)."""
    turned = {k: np.ascontiguousarray(v.transpose(2, 3, 1, 0)) for k, v in arrays.items() if v.ndim == 4}
    tree = {
        "AlexNet_0": {
            f"Conv_{i}": {"kernel": turned[f"conv.{i}.weight"], "bias": arrays[f"conv.{i}.bias"]}
            for i in range(5)
        }
    }
    for i in range(5):
        tree[f"NetLinLayer_{i}"] = {"Conv_0": {"kernel": arrays[f"linear.{i}"].reshape(1, 1, -1, 1)}}
    return tree


def write_package(path: Path, content: bytes, member: str) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return path
