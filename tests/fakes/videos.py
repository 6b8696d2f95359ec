"""Folders of frame pictures and IDX files with known pixels."""

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image


def write_video(folder: Path, pictures, numbers=None, name="frame_{:05d}.png"):
    """Write uint8 pictures (T, H, W[, 3]) as frame_00001.png and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(pictures):
        number = index + 1 if numbers is None else numbers[index]
        Image.fromarray(picture).save(folder / name.format(number))
    return folder


def counting_pictures(count, size=(6, 8), first=0):
    """Gray pictures (T, H, W) that hold their number everywhere, and their row number in column 0."""
    pictures = np.repeat(np.arange(first, first + count, dtype=np.uint8), size[0] * size[1])
    pictures = pictures.reshape(count, *size).copy()
    pictures[:, :, 0] = np.arange(size[0])
    return pictures


def write_idx(folder: Path, pictures, name="train-images-idx3-ubyte.gz"):
    """Write pictures (N, 28, 28) as MNIST does."""
    content = struct.pack(">4I", 0x803, *pictures.shape) + pictures.astype(np.uint8).tobytes()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder
