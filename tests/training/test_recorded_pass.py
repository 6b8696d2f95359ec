"""A recorded pass leaves the loss and the gradients that the network's own pass would leave."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch
from nowcast.models.catalog import build_model
from nowcast.models.exceedance.cascade import CascadeSettings
from nowcast.models.exceedance.unet import ContextUNetSettings
from nowcast.models.exceedance.wrapper import INCREMENTS, ExceedanceProbabilityModel
from nowcast.models.lagrangian.wrapper import LagrangianModel
from nowcast.training.losses import log_score
from nowcast.training.module import TrainingModule
from nowcast.training.recorded_pass import RecordedPass
from tests.fakes.training_runs import TwoPhase, TwoPhaseSettings, experiment

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


def network():
    torch.manual_seed(0)
    inner = build_model(
        "motionrnn_predrnn", {"hidden": [8, 8], "filter_size": 3}, channels=3, increments=INCREMENTS
    )
    context = ContextUNetSettings(widths=(8, 8))
    cascade = CascadeSettings(scales=(1.0, 2.0), lead_times=2, hidden=8, context_unet=context)
    return LagrangianModel(ExceedanceProbabilityModel(inner, (0.2, 0.4, 0.6), cascade))


def clip(seed, batch=2):
    torch.manual_seed(seed)
    observed = torch.rand(batch, 5, 1, 32, 32) > 0.1
    frames = torch.rand(batch, 5, 1, 32, 32) * observed
    return ClipBatch(frames[:, :3], frames[:, 3:], observed, frames[:, :0], torch.tensor([0.0, 0.3])[:batch])


SCORE = log_score([1.0, 2.0, 3.0])


def loss_of(step):
    return SCORE(step.prediction, step.target, step.observed)


def own_pass(model, batch):
    model.zero_grad(set_to_none=True)
    (step,) = model.optimiser_steps(batch, None, torch.Generator())
    loss = loss_of(step)
    loss.backward()
    return loss.detach(), [p.grad for p in model.parameters()]


class Tape:
    """A recorder for a CPU: each play does the job again and writes over what the recording left."""

    def __init__(self, model):
        self.parameters = list(model.parameters())
        self.warm_ups = 0

    def __call__(self, job, warm_ups):
        self.warm_ups = warm_ups
        job()
        kept = [p.grad for p in self.parameters]

        def play():
            job()
            for parameter, gradient in zip(self.parameters, kept, strict=True):
                if gradient is not None:
                    gradient.copy_(parameter.grad)

        return play


def test_each_batch_leaves_its_own_gradients():
    model = network()
    recorded = RecordedPass(model, loss_of, Tape(model))
    for seed in (1, 2, 3):
        recorded(clip(seed))
        found = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
        _, expected = own_pass(model, clip(seed))
        for one, other in zip(found, expected, strict=True):
            assert (one is None) == (other is None)
            assert one is None or torch.equal(one, other)


def test_weights_that_moved_are_seen_and_warm_ups_move_no_buffer():
    model = network()
    model.register_buffer("seen", torch.zeros(1))
    loss = RecordedPass(model, lambda step: (model.seen.add_(1.0), loss_of(step))[1], tape := Tape(model))
    loss(clip(1))
    assert tape.warm_ups >= 2
    assert model.seen.item() == 1.0  # of the play: the recording's own was put back
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    loss(clip(1))
    found = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    expected = [g for g in own_pass(model, clip(1))[1] if g is not None]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_batch_of_another_shape_is_refused():
    model = network()
    recorded = RecordedPass(model, loss_of, Tape(model))
    recorded(clip(1))
    with pytest.raises(SettingsError, match=r"training.cuda_graph: got a batch of \(1, 3, 1, 32, 32\)"):
        recorded(clip(1, batch=1))


def test_networks_of_several_steps_and_stochastic_ones_are_refused():
    two = TwoPhase(TwoPhaseSettings(dropout=0.0), 1)
    with pytest.raises(SettingsError, match="several optimiser steps"):
        RecordedPass(two, lambda step: step.prediction.square().mean(), Tape(two))(clip(1))
    model = network()
    model.stochastic = True
    with pytest.raises(SettingsError, match="noise is drawn on the CPU"):
        RecordedPass(model, loss_of, Tape(model))(clip(1))


def test_settings_that_draw_are_refused():
    with pytest.raises(SettingsError, match=r"training\.cuda_graph: got true with several devices"):
        experiment("training.cuda_graph=true", "training.sampling.start=0.5")
    assert TrainingModule(network(), experiment("training.sampling.start=0")).recorded is None


def test_several_devices_are_refused_but_for_processes_of_a_cpu():
    shared = ("training.cuda_graph=true", "training.sampling.start=0", "training.devices=2")
    for accelerator in ("auto", "gpu"):
        with pytest.raises(SettingsError, match=r"training\.cuda_graph: .* training\.accelerator=cpu"):
            experiment(*shared, f"training.accelerator={accelerator}")
    assert experiment(*shared, "training.accelerator=cpu").training.devices == 2


@needs_gpu
@pytest.mark.parametrize("half", [False, True])
def test_a_gpu_plays_what_it_would_launch(half):
    model = network().cuda()
    recorded = RecordedPass(model, loss_of)
    for seed in (1, 2, 3):
        batch = ClipBatch(*(part.cuda() for part in clip(seed)))
        with torch.autocast("cuda", torch.bfloat16, enabled=half):
            loss = recorded(batch).clone()
            found = [p.grad.clone() for p in model.parameters() if p.grad is not None]
            expected_loss, expected = own_pass(model, batch)
        assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-2 if half else 1e-4)
        largest = max(g.abs().max() for g in expected if g is not None)
        for one, other in zip(found, [g for g in expected if g is not None], strict=True):
            assert (one - other).abs().max() < (0.05 if half else 1e-3) * largest
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.001)
