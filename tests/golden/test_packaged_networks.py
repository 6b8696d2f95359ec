"""The packaged networks on a made-up storm with areas that are not observed: numbers of their first release.

Those of ``lmc_memory`` were recorded when networks read NaN for "not observed", went from logits to
probabilities and back between their parts, and their parts had other names. In double precision nothing has
changed since (1e-13); in float32 that detour cost up to 1e-5, which is the tolerance.
"""

import json
from pathlib import Path

import pytest
import torch

from nowcast.forecasters.registry import weights_of
from nowcast.models.base import ClipBatch
from nowcast.models.checkpoint import load_network
from nowcast.training.losses import IntensityWeights, make_loss

RECORDED = json.loads(Path(__file__).with_name("packaged_networks.json").read_text())
every_network = pytest.mark.parametrize("name", list(RECORDED))
TOLERANCE = 1e-5


def storm() -> tuple[torch.Tensor, torch.Tensor]:
    """15 frames of three moving cells, (1, 15, 1, 64, 96), and where they are observed.

    What is not observed is wider than the gaps that are filled before the motion is estimated.
    """
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    cells = ((18, 20, 1.0, 2.5, 6.0, 0.95), (40, 60, 0.6, 2.0, 11.0, 0.6), (52, 30, 1.2, 2.2, 3.5, 0.8))
    frames = torch.zeros(1, 15, 1, 64, 96)
    for t in range(15):
        for y, x, down, right, width, top in cells:
            square = (rows - y - down * t) ** 2 + (columns - x - right * t) ** 2
            frames[0, t, 0] += top * torch.exp(-square / (2 * width**2)) * (1 - 0.03 * t)
    observed = torch.ones_like(frames, dtype=torch.bool)
    observed[..., :10, :14] = False
    observed[:, 2, :, 30:44] = False
    return frames.clamp(0, 1) * observed, observed


@every_network
def test_probabilities_and_frames_are_those_recorded(name):
    model, recorded = load_network(weights_of(name)).model, RECORDED[name]
    frames, observed = storm()
    with torch.no_grad():
        found = model(frames[:, :5], 10, observed=observed[:, :5])
    chosen = found[0, [0, 4, 9]]
    at = chosen[:, :, [30, 50], [40, 75]]
    torch.testing.assert_close(at, torch.tensor(recorded["at"]), rtol=0, atol=TOLERANCE)
    mean = chosen.mean(dim=(-2, -1))
    torch.testing.assert_close(mean, torch.tensor(recorded["mean"]), rtol=0, atol=TOLERANCE)
    assert float(model.frames(found).double().mean()) == pytest.approx(recorded["frames"], abs=TOLERANCE)


@every_network
def test_losses_are_those_recorded(name):
    model, meta, _ = load_network(weights_of(name))
    frames, observed = storm()
    clip = ClipBatch(frames[:, :5], frames[:, 5:], observed, frames[:, :0])
    loss = make_loss("log_score", meta.scaling, IntensityWeights(), meta.exceedance_probability)
    with torch.no_grad():
        forecast = model(clip.past, 10, observed=observed[:, :5])
        compared = model.compared(forecast, clip.future, observed[:, 5:])
        validation = float(loss(compared.prediction, compared.target, compared.observed))
        steps = model.optimiser_steps(clip, None, torch.Generator()) if RECORDED[name]["loss"] else ()
        training = [float(loss(step.prediction, step.target, step.observed)) for step in steps]
    assert validation == pytest.approx(RECORDED[name]["validation"], abs=TOLERANCE)
    assert training == pytest.approx(RECORDED[name]["loss"], abs=TOLERANCE)


@every_network
def test_what_was_not_observed_is_not_taken_for_dry_by_the_motion(name):
    """The edge of an area that is not observed stands still; the storm moves by 2 to 2.5 columns a frame."""
    model = load_network(weights_of(name)).model
    frames, observed = storm()
    observed[..., :30] = False
    past, mask = (frames * observed)[:, :5], observed[:, :5]
    moved, held = model.motion(past, 1, mask)[0, 0, 0], model.motion(past, 1)[0, 0, 0]
    assert moved[1, 20, 31] > held[1, 20, 31] + 0.1
