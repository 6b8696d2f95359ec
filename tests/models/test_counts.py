"""Counts against the paper's Table 2 (4 -> 4 frames of 128 x 128 x 3, P = 4) and by hand."""

import pytest
import torch
from torch import nn

from nowcast.models.counts import count, count_parameters

TABLE_2 = {"convlstm": (4.41e6, 31.6e9), "predrnn": (6.41e6, 46.0e9)}


@pytest.mark.parametrize("name", list(TABLE_2))
def test_table_2_of_the_motionrnn_paper(name):
    found = count(name, {}, past=4, steps=4, size=(128, 128), channels=3)
    parameters, work = TABLE_2[name]
    assert found.parameters == pytest.approx(parameters, rel=0.01)
    assert found.multiply_accumulates == pytest.approx(work, rel=0.01)


def test_motionrnn_adds_what_the_published_code_adds():
    size = {"past": 4, "steps": 4, "size": (128, 128), "channels": 3}
    plain, moving = count("predrnn", {}, **size), count("motionrnn_predrnn", {}, **size)
    assert (plain.parameters, moving.parameters) == (6_410_240, 7_214_657)
    assert moving.multiply_accumulates - plain.multiply_accumulates == pytest.approx(4.76e9, rel=0.001)


def test_the_paper_variant_stays_under_a_tenth_more_parameters_and_a_twelfth_more_work():
    size = {"past": 4, "steps": 4, "size": (128, 128), "channels": 3}
    plain = count("predrnn", {}, **size)
    moving = count("motionrnn_predrnn", {"motion": {"variant": "paper"}}, **size)
    assert 1.0 < moving.parameters / plain.parameters <= 1.10
    assert 1.0 < moving.multiply_accumulates / plain.multiply_accumulates <= 1.08


def test_only_what_training_moves_is_counted():
    network = nn.Conv2d(2, 3, 5)
    network.bias.requires_grad_(False)
    assert count_parameters(network) == 2 * 3 * 25


def test_counting_leaves_no_trace_in_later_networks():
    count("convlstm", {"hidden": [4], "patch": 2}, 2, 2, (8, 8))
    assert torch.zeros(1).device.type == "cpu"
    assert torch.is_grad_enabled()


def test_batch_norm_is_counted_without_values():
    tiny = {"translator": "gsta", "past": 2, "hidden": 4, "translator_hidden": 8, "layers": 2, "blocks": 2}
    counts = [
        count("simvp", {**tiny, "norm": norm}, past=2, steps=2, size=(8, 8)) for norm in ("group", "batch")
    ]
    assert counts[0] == counts[1]
