"""Colours as colour-blind eyes see them, and what is wrong with a palette for some eyes."""

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

LEAST_STEP = 2.0
LEAST_APART = 6.0
# Machado, Oliveira and Fernandes 2009 (IEEE TVCG 15), table 1, severity 1.0; on linear RGB.
EYES = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def seen(colours, eyes: str) -> np.ndarray:
    """CIELAB (N, 3) of 8-bit sRGB colours (N, 3) as these eyes see them."""
    encoded = np.asarray(colours) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ EYES[eyes].T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(encoded[None])[0])


def steps_of(palette, eyes: str) -> tuple[np.ndarray, np.ndarray]:
    """From each class to the next: the step in lightness, and how far they lie apart (CIEDE2000)."""
    lab = seen(palette.rgb(), eyes)
    return np.diff(lab[:, 0]), np.asarray(deltaE_ciede2000(lab[:-1], lab[1:]))


def faults(palette, eyes: str) -> set[str]:
    """What is wrong with a palette for these eyes."""
    steps, apart = steps_of(palette, eyes)
    found = set()
    if not (steps < -LEAST_STEP).all():
        found.add("lightness does not fall")
    if not (apart > LEAST_APART).all():
        found.add("neighbours look alike")
    return found
