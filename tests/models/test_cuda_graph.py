"""Recorded forecasts equal the network's own; what cannot be recorded goes through the network itself."""

import copy

import pytest
import torch

from nowcast.models.catalog import build_model
from nowcast.models.cpu.fast import fast
from nowcast.models.cuda_graph import Graphed, recorded
from nowcast.models.lagrangian.gaps import fill_everywhere, fill_gaps
from nowcast.models.lagrangian.wrapper import LagrangianModel
from tests.fakes.gpu import recordings_that_break

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
SMALL = {"hidden": [8, 8], "filter_size": 3}


def network():
    torch.manual_seed(0)
    return LagrangianModel(build_model("motionrnn_predrnn", SMALL)).eval()


def past_and_mask(seed=1):
    torch.manual_seed(seed)
    observed = torch.ones(1, 5, 1, 32, 32, dtype=torch.bool)
    observed[..., 10, 12:14] = False
    return torch.rand(1, 5, 1, 32, 32) * observed, observed


def test_on_a_cpu_it_is_the_network():
    model, (past, observed) = network(), past_and_mask()
    graphed = Graphed(model)
    with torch.no_grad():
        assert torch.equal(graphed(past, 3, None, observed), model(past, 3, None, observed))
    graphed(past, 3, None, observed).sum().backward()
    assert all(p.grad is not None for p in model.network.parameters())
    assert (graphed.past_min, graphed.multiple_of) == (model.past_min, model.multiple_of)


def test_gaps_are_filled_alike_with_and_without_looking_at_the_mask():
    torch.manual_seed(0)
    frames, observed = torch.rand(1, 2, 40, 56) * 50, torch.rand(1, 2, 40, 56) > 0.04
    observed[..., 50:] = False
    for expected, found in zip(
        fill_gaps(frames, observed), fill_everywhere(frames * observed, observed), strict=True
    ):
        assert torch.allclose(expected[..., :50], found[..., :50])
        assert torch.equal(fill_gaps(frames, observed)[1], fill_everywhere(frames, observed)[1])


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
@pytest.mark.parametrize("warm_ups", [0, 1])
def test_memory_that_ends_while_recording_is_told_as_that(error, warm_ups, monkeypatch):
    recordings_that_break(monkeypatch)

    def job():
        raise error

    with pytest.raises(torch.OutOfMemoryError) as caught:
        recorded(job, warm_ups)
    assert str(caught.value) == str(error)


def test_another_failure_of_a_recording_stays_what_it_is(monkeypatch):
    recordings_that_break(monkeypatch)
    with pytest.raises(RuntimeError, match="previous error during capture") as caught:
        recorded(lambda: torch.zeros(2).view(3), 0)
    assert not isinstance(caught.value, torch.OutOfMemoryError)


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_recording_plays_what_the_network_forecasts(dtype):
    model = fast(network().cuda(), dtype)
    graphed = Graphed(model)
    with torch.no_grad():
        for seed in (1, 2):
            past, observed = (t.cuda() for t in past_and_mask(seed))
            found, expected = graphed(past, 3, None, observed), model(past, 3, None, observed)
            assert (found - expected).abs().max() < 1e-5
        assert len(copy.deepcopy(graphed)._recordings) == 0
