"""Sums of the equations in plain numpy, to hold networks against: nothing here knows torch's layers.

Dimensions: C channels, L frames, h rows, w columns, O channels out, k taps.
"""

import itertools

import numpy as np
import torch


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def conv(x, weight, bias=None):
    """Correlate (C, h, w) or (C, L, h, w) with (O, C, taps ...), zeros outside, size kept: tap by tap."""
    taps = weight.shape[2:]
    padded = np.pad(x, [(0, 0), *[(k // 2, k // 2) for k in taps]])
    out = np.zeros((weight.shape[0], *x.shape[1:]))
    for place in itertools.product(*(range(n) for n in x.shape[1:])):
        for tap in itertools.product(*(range(k) for k in taps)):
            at = tuple(p + t for p, t in zip(place, tap, strict=True))
            out[(slice(None), *place)] += weight[(slice(None), slice(None), *tap)] @ padded[(slice(None), *at)]
    return out if bias is None else out + bias.reshape(-1, *[1] * len(taps))


def normalised(x, gain, bias, eps=1e-5):
    """Mean 0 and variance 1 over everything, then gain and bias (broadcast against ``x``)."""
    return (x - x.mean()) / np.sqrt(x.var() + eps) * gain + bias


def bilinear(image, row, column):
    """Read (C, h, w) at a place between cells, zero outside."""
    found = np.zeros(image.shape[0])
    for m, n in itertools.product(range(image.shape[1]), range(image.shape[2])):
        found += image[:, m, n] * max(0, 1 - abs(row - m)) * max(0, 1 - abs(column - n))
    return found


def shaken(module, seed=0, size=0.4):
    """Give every weight a value of its own, in double precision; give the weights as arrays."""
    draw = torch.Generator().manual_seed(seed)
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    return {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}


def batch_of(array):
    return torch.from_numpy(np.asarray(array, dtype=np.float64))[None]


def close(tensor, array, tolerance=1e-12):
    np.testing.assert_allclose(tensor.detach().numpy()[0], array, rtol=0, atol=tolerance)
