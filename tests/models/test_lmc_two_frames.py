"""Half precision on clips of few frames: the gradients of the motion encoder are finite and right."""

import pytest
import torch

from nowcast.models.lmc.motion import MotionEncoder


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
def test_gradients_in_half_precision_are_those_of_full_precision(frames):
    """With two frames left, oneDNN's own bfloat16 gradient is what the memory held before."""
    torch.manual_seed(0)
    encoder = MotionEncoder(1, 32)
    clip = torch.randn(2, frames, 1, 32, 32)
    found = []
    for half in (False, True):
        encoder.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            out = encoder(clip)
        (out.float() - 1.0).square().mean().backward()
        found.append([p.grad.clone() for p in encoder.parameters()])
    for exact, close in zip(*found, strict=True):
        assert torch.isfinite(close).all()
        assert (close - exact).norm() <= 0.3 * exact.norm() + 1e-4


def test_two_frames_give_the_same_with_and_without_the_extra_frame():
    torch.manual_seed(0)
    encoder = MotionEncoder(1, 32)
    clip = torch.randn(1, 2, 1, 32, 32)
    exact = encoder(clip)
    with torch.autocast("cpu", torch.bfloat16):
        close = encoder(clip)
    assert torch.allclose(exact, close.float(), atol=0.02)
