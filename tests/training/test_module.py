"""One optimiser step a phase: what moves, what must not, and what the next phase sees."""

import pytest
import pytorch_lightning as pl
import torch

from nowcast.models.base import OptimiserStep
from nowcast.training.data_module import ClipDataModule
from nowcast.training.module import TrainingError, TrainingModule
from nowcast.training.run_log import quiet_lightning
from tests.fakes.training_runs import TwoPhase, TwoPhaseSettings, clips, experiment


class Watch(pl.Callback):
    """Notes all weights after every optimiser step."""

    def __init__(self):
        self.weights = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.note(pl_module)

    def on_train_batch_end(self, trainer, pl_module, *rest):
        self.note(pl_module)

    def note(self, module):
        self.weights.append({k: v.detach().clone() for k, v in module.network.named_parameters()})


def fit(*assignments, precision="32-true", network=None, steps=3):
    chosen = experiment("training.ema_decay=null", f"training.steps={steps}", *assignments)
    torch.manual_seed(0)
    network = network or TwoPhase(TwoPhaseSettings(dropout=0.0), 1)
    module, watch = TrainingModule(network, chosen), Watch()
    data = ClipDataModule(clips(), clips(train=False), chosen.training, 2, lambda: module.iteration)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        precision=precision,
        logger=False,
        callbacks=[watch],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
    )
    with quiet_lightning():
        trainer.fit(module, datamodule=data)
    return module, watch.weights


def moved(before, after):
    return {k.split(".")[0] for k in before if not torch.equal(before[k], after[k])}


def test_each_phase_moves_its_own_and_momentum_moves_nothing_else():
    _, weights = fit()
    # per iteration: before the first step, before the second, after both
    for k in range(3):
        start, between, end = weights[3 * k : 3 * k + 3]
        assert moved(start, between) == {"long", "memory", "out"}
        assert moved(between, end) == {"short", "out"}


def test_a_phase_that_trains_none_of_the_parts_takes_no_step():
    _, weights = fit("training.only=[short]", steps=1)
    before, after = weights  # one step, and the end of the batch
    assert moved(before, after) == {"short"}

    class Deaf(TwoPhase):
        def optimiser_steps(self, clip, targets, generator):
            for step in super().optimiser_steps(clip, targets, generator):
                yield step._replace(prediction=step.prediction.detach())

    with pytest.raises(TrainingError, match=r"^training\.only: got \['short'\], expected parts that the loss"):
        fit("training.only=[short]", network=Deaf(TwoPhaseSettings(dropout=0.0), 1))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_later_phase_sees_the_moved_weights(precision):
    module, _ = fit(precision=precision, steps=1)
    before, between, after = module.network.seen_memory
    assert not torch.equal(before, between)
    assert torch.equal(between, after)


def test_a_later_phase_computes_with_the_moved_weights_under_bf16():
    """Autocast may keep a half-precision copy of a weight: the second phase would still use the old one."""

    class Twice(TwoPhase):
        def optimiser_steps(self, clip, targets, generator):
            self.said = []
            for name in ("first", "second"):
                frames = self._run(self.short, clip.past, 1, None)
                self.said.append(frames.detach().clone())
                yield OptimiserStep(name, frames, clip.future[:, :1], clip.observed[:, 2:3])

    module, _ = fit(
        "training.learning_rate.start=1.0",
        "training.learning_rate.warmup=0",
        precision="bf16-mixed",
        network=Twice(TwoPhaseSettings(), 1),
        steps=1,
    )
    assert (module.network.said[0] - module.network.said[1]).abs().max() > 0.1


def test_the_norm_of_gradients_is_clipped():
    norms = []

    original = torch.optim.Adam.step

    def step(self, *args, **kwargs):
        grads = [p.grad for g in self.param_groups for p in g["params"] if p.grad is not None]
        norms.append(torch.stack([g.norm() for g in grads]).norm().item())
        return original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", step)
        fit("training.gradient_clip=0.001")
    assert len(norms) == 6
    assert max(norms) <= 0.001 * (1 + 1e-4)
    assert min(norms) == pytest.approx(0.001, rel=1e-3)


def test_reverse_input_takes_the_batch_both_ways():
    module, weights = fit("training.reverse_input=true", steps=2)
    assert int(module.network.batches_seen) == 4
    assert len(weights) == 2 * (4 + 1)


def test_the_rate_follows_the_schedule():
    module, _ = fit("training.learning_rate={start: 0.1, warmup: 2, schedule: constant}", steps=1)
    assert module.bare_optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


def test_scheduled_sampling_feeds_the_truth_at_eta_one_and_nothing_at_zero():
    given = []

    class Note(TwoPhase):
        def optimiser_steps(self, clip, targets, generator):
            given.append(targets)
            yield from super().optimiser_steps(clip, targets, generator)

    settings = TwoPhaseSettings()
    fit("training.sampling={start: 1.0, decrease: 0}", network=Note(settings, 1), steps=1)
    fit("training.sampling={start: 0.0}", network=Note(settings, 1), steps=1)
    fit("training.sampling={start: 0.0, reverse: {start: 0.0}}", network=Note(settings, 1), steps=1)
    assert given[0].use.all()
    assert given[0].use.shape == (4, 2)
    assert given[0].use_past is None
    assert given[1] is None
    assert not given[2].use.any()
    assert not given[2].use_past.any()


def test_a_loss_that_is_not_finite_ends_the_run():
    network = TwoPhase(TwoPhaseSettings(), 1)
    with torch.no_grad():
        network.memory.fill_(float("nan"))
    with pytest.raises(TrainingError, match="iteration 1"):
        fit(network=network)
