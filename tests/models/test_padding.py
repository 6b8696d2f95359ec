"""Any frame size by padding and cropping."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch, ScheduledTargets, SequenceModel
from nowcast.models.catalog import build_model
from nowcast.models.padding import AnySize, check_size


class Recorder(SequenceModel):
    """Repeats the last frame and remembers what it was given."""

    multiple_of = (4, 6)

    def forward(self, past, steps, targets=None, observed=None):
        check_size(self.multiple_of, *past.shape[-2:])
        self.given, self.targets, self.observed = past, targets, observed
        return past[:, -1:].expand(-1, steps, -1, -1, -1)


def test_frames_are_padded_below_and_to_the_right_and_cropped_back():
    inner = Recorder()
    past = torch.rand(2, 3, 1, 5, 7)
    truth = torch.rand(2, 4, 1, 5, 7)
    observed = torch.rand(2, 3, 1, 5, 7) < 0.5
    targets = ScheduledTargets(truth, torch.ones(2, 3, dtype=torch.bool))
    out = AnySize(inner)(past, 4, targets, observed)
    assert torch.equal(out, past[:, -1:].expand(-1, 4, -1, -1, -1))
    assert inner.given.shape == (2, 3, 1, 8, 12)
    assert inner.targets.frames.shape == (2, 4, 1, 8, 12)
    for padded, frames in ((inner.given, past), (inner.observed, observed)):
        assert torch.equal(padded[..., 7, 11], frames[..., 4, 6])
        assert torch.equal(padded[..., :5, :7], frames)


def test_a_size_that_fits_goes_through_as_it_is():
    inner, past = Recorder(), torch.rand(1, 2, 1, 8, 12)
    AnySize(inner)(past, 1)
    assert inner.given is past


def test_optimiser_steps_are_cropped_and_what_is_padded_counts_as_not_observed():
    frames = torch.rand(2, 5, 1, 5, 7)
    seen = torch.ones(2, 5, 1, 5, 7, dtype=torch.bool)
    clip = ClipBatch(frames[:, :2], frames[:, 2:], seen, frames[:, :0])
    (step,) = AnySize(Recorder()).optimiser_steps(clip, None, torch.Generator())
    assert torch.equal(step.target, frames[:, 2:])
    assert step.prediction.shape == step.observed.shape == (2, 3, 1, 5, 7)


@pytest.mark.parametrize(
    ("height", "width", "says"),
    [
        (60, 64, "got 60 x 64.*56 or 64 rows and 64 columns would do"),
        (64, 68, "64 rows and 64 or 72 columns"),
        (3, 8, "8 rows and 8 columns"),
        (0, 8, "8 rows"),
    ],
)
def test_the_message_names_the_sizes_that_would_do(height, width, says):
    with pytest.raises(SettingsError, match=says):
        check_size((8, 8), height, width)


def test_motion_of_a_padded_frame():
    model = build_model("motionrnn_predrnn", {"hidden": [8, 8], "filter_size": 3, "patch": 2})
    past = torch.rand(1, 2, 1, 13, 18)
    assert AnySize(model).motion(past, 3).shape == (1, 3, 1, 2, 4, 5)
    with pytest.raises(SettingsError, match="MotionGRU"):
        AnySize(Recorder()).motion(past, 3)
