"""Scheduled sampling and the learning rate by hand; draws depend on seed and iteration alone."""

import math

import numpy as np
import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch
from nowcast.training.reverse_sampling import ReverseSampling
from nowcast.training.sampling import (
    TARGETS,
    ScheduledSampling,
    backwards,
    draw_seed,
    draw_use,
    generator,
    make_targets,
)
from nowcast.training.schedule import LearningRate, Plateau


def a_clip():
    frames = torch.arange(5.0).reshape(1, 5, 1, 1, 1)
    seen = torch.tensor([1, 1, 0, 1, 1]).bool().reshape(1, 5, 1, 1, 1)
    return ClipBatch(frames[:, :2], frames[:, 2:], seen, torch.arange(7.0).reshape(1, 7, 1, 1, 1))


def test_eta_falls_as_in_the_papers():
    published = ScheduledSampling()
    assert published.eta(1, 0.0) == pytest.approx(1 - 2e-5)
    assert published.eta(25_000, 0.0) == pytest.approx(0.5)
    assert published.eta(50_000, 0.0) == 0.0
    assert ScheduledSampling(start=0.5, decrease=0.2, stop=10).eta(3, 0.0) == 0.0


def test_eta_over_a_share_of_the_budget():
    half = ScheduledSampling(start=0.8, share=0.5)
    assert [half.eta(7, p) for p in (0.0, 0.25, 0.5, 0.9)] == pytest.approx([0.8, 0.4, 0.0, 0.0])


def test_the_past_is_read_as_in_predrnn_v2():
    paper = ScheduledSampling(reverse=ReverseSampling())
    assert [paper.eta(k, 0.0) for k in (1, 25_000, 37_500, 50_000)] == pytest.approx([0.5, 0.5, 0.25, 0.0])
    read = [paper.past_eta(k, 0.0) for k in (1, 24_999, 25_000, 30_000, 49_999, 50_000)]
    assert read == pytest.approx([0.5, 0.5, 0.5, 1 - 0.5 / math.e, 1 - 0.5 * math.exp(-24_999 / 5000), 1.0])
    assert ScheduledSampling().past_eta(1, 0.0) == 1.0


@pytest.mark.parametrize(("growth", "middle"), [("linear", 0.75), ("sigmoid", 0.75), ("exponential", None)])
def test_the_past_is_read_over_a_share_of_the_budget(growth, middle):
    half = ScheduledSampling(share=0.5, reverse=ReverseSampling(growth=growth))
    read = [half.past_eta(7, p) for p in (0.0, 0.2, 0.375, 0.5, 1.0)]
    assert read == pytest.approx([0.5, 0.5, middle or 1 - 0.5 * math.exp(-2.5), 1.0, 1.0])
    assert [half.eta(7, p) for p in (0.0, 0.25, 0.375, 0.5)] == pytest.approx([0.5, 0.5, 0.25, 0.0])


def test_the_past_is_drawn_after_the_targets_which_stay_as_they_were():
    clip = ClipBatch(
        torch.rand(64, 5, 1, 2, 2), torch.rand(64, 3, 1, 2, 2), torch.ones(64, 8, 1, 2, 2) > 0, None
    )
    plain = make_targets(clip, 0.5, generator(1, 2, 0, TARGETS))
    both = make_targets(clip, 0.5, generator(1, 2, 0, TARGETS), 0.7)
    assert plain.use_past is None
    assert torch.equal(both.use, plain.use)
    assert both.use_past.shape == (64, 4)
    assert both.use_past.float().mean().item() == pytest.approx(0.7, abs=0.12)
    assert not make_targets(clip, 0.0, generator(1, 2, 0, TARGETS), 0.7).use.any()


@pytest.mark.parametrize("wrong", [{"start": 2.0}, {"hold": 9, "stop": 9}, {"alpha": 0.0}])
def test_impossible_reading_of_the_past_is_refused(wrong):
    with pytest.raises(SettingsError, match=r"training\.sampling\.reverse"):
        ReverseSampling(**wrong)


def test_draws_are_bernoulli_and_repeat():
    use = draw_use(0.3, 400, 11, generator(1, 2, 0, TARGETS))
    assert use.shape == (400, 10)
    assert use.float().mean().item() == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 4000))
    assert torch.equal(use, draw_use(0.3, 400, 11, generator(1, 2, 0, TARGETS)))


def test_every_number_of_a_draw_counts():
    seeds = {draw_seed(*key) for key in [(1, 2, 0, 0), (2, 2, 0, 0), (1, 3, 0, 0), (1, 2, 1, 0), (1, 2, 0, 1)]}
    assert len(seeds) == 5


def test_teacher_is_none_when_running_free_and_feeds_all_that_is_there_at_one():
    clip = a_clip()
    assert make_targets(clip, 0.0, generator(0, 0, 0, 0)) is None
    targets = make_targets(clip, 1.0, generator(0, 0, 0, 0))
    assert targets.frames is clip.future
    assert targets.use.tolist() == [[False, True]]  # nothing was seen of the first frame: it is not fed


def test_backwards_turns_frames_and_what_was_seen():
    clip = backwards(a_clip())
    assert clip.past.flatten().tolist() == [4, 3]
    assert clip.future.flatten().tolist() == [2, 1, 0]
    assert clip.observed.flatten().tolist() == [True, True, False, True, True]
    assert clip.context.flatten().tolist() == [6, 5, 4, 3, 2, 1, 0]


def test_learning_rate_by_hand():
    warm = LearningRate(start=1.0, warmup=4)
    assert [warm.at(k, 0.5) for k in (1, 2, 4, 9)] == [0.25, 0.5, 1.0, 1.0]
    wave = LearningRate(start=2.0, schedule="cosine", floor_share=0.1)
    assert [wave.at(9, p) for p in (0.0, 0.5, 1.0)] == pytest.approx([2.0, 1.1, 0.2])
    steps = LearningRate(start=1.0, schedule="exponential", factor=0.9, factor_every=10, factor_after=100)
    assert [steps.at(k, 0.0) for k in (100, 109, 110, 125)] == pytest.approx([1, 1, 0.9, 0.81])
    cycle = LearningRate(start=2.0, schedule="one_cycle", initial_share=0.1, rise_share=0.2, floor_share=0.5)
    assert [cycle.at(9, p) for p in (0.0, 0.1, 0.2, 0.6, 1.0)] == pytest.approx([0.2, 1.1, 2.0, 1.5, 1.0])
    assert LearningRate(start=2.0, schedule="one_cycle", rise_share=1.0).at(1, 1.0) == 2.0
    flat = LearningRate(start=2.0, schedule="plateau", factor=0.5, floor_share=0.2)
    assert [flat.at(9, 0.5, lowered) for lowered in (0, 1, 2, 3)] == [2.0, 1.0, 0.5, 0.4]


def rates_of_torch(scheduler_of, steps, take=lambda scheduler, number: scheduler.step()):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler, found = scheduler_of(optimizer), []
    for number in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        take(scheduler, number)
    return found


def test_one_cycle_is_that_of_torch():
    steps = 2_000
    torch_cycle = rates_of_torch(
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps), steps
    )
    mine = LearningRate(start=0.1, schedule="one_cycle", floor_share=1 / 25e4)
    rates = [mine.at(k + 1, k / steps) for k in range(steps)]
    assert rates == pytest.approx(torch_cycle, abs=5e-4)  # torch is at its end one step before the last


@pytest.mark.parametrize(("monitor", "mode"), [("loss", "min"), ("csi20", "max")])
def test_a_plateau_is_where_torch_sees_it(monitor, mode):
    scores = np.random.default_rng(3).integers(0, 20, 60).tolist()
    given = rates_of_torch(
        lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode, factor=0.5, patience=3, threshold=0
        ),
        60,
        lambda scheduler, number: scheduler.step(scores[number]),
    )
    mine, plateau, found = LearningRate(start=0.1, schedule="plateau", factor=0.5), Plateau(), []
    for score in scores:
        found.append(mine.at(1, 0.0, plateau.times))
        plateau.validated(score, monitor, 3)
    assert len({*found}) > 5
    assert found == pytest.approx(given)


@pytest.mark.parametrize("wrong", [{"start": 2.0}, {"decrease": -1.0}, {"share": 0.0}])
def test_impossible_sampling_is_refused(wrong):
    with pytest.raises(SettingsError, match=r"training\.sampling"):
        ScheduledSampling(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": 0.0},
        {"warmup": -1},
        {"patience": -1},
        {"factor": 1.5},
        {"factor": 0.0},
        {"floor_share": 2.0},
        {"initial_share": -0.1},
        {"rise_share": 0.0},
    ],
)
def test_impossible_rates_are_refused(wrong):
    with pytest.raises(SettingsError, match=r"training\.learning_rate"):
        LearningRate(**wrong)
