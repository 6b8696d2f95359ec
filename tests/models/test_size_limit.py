"""Networks that no machine can hold are one line at once; those that can be are built as ever."""

import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.core.settings import build
from nowcast.models.base import FrameSpec
from nowcast.models.catalog import MODELS, build_model
from nowcast.models.choice import ModelChoice
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.size_limit import build_within_memory, build_without_memory
from tests.fakes.tiny_models import size_of, tiny_settings

HUGE = {
    "wide": {"hidden": [10**6, 10**6]},
    "wider": {"hidden": [10**12, 10**12]},
    "widest": {"hidden": [10**30]},
    "many layers": {"hidden": [4] * 100_000},
    "large filter": {"filter_size": 10**5 + 1},
    "largest filter": {"filter_size": 10**9 + 1},
    "patches": {"patch": 10**9},
    "more patches": {"patch": 10**15},
}


@pytest.mark.parametrize("name", ["convlstm", "motionrnn_predrnn", "trajgru", "astm"])
@pytest.mark.parametrize("case", HUGE)
def test_sizes_that_cannot_be_are_refused_in_no_time(name, case):
    known = MODELS[name].settings.__dataclass_fields__
    settings = {**tiny_settings(name), **HUGE[case]}
    began = time.perf_counter()
    for make in (
        lambda: build_model(name, {k: v for k, v in settings.items() if k in known}, 10**9),
        lambda: ModelChoice(name, {k: v for k, v in settings.items() if k in known}).build(10**9),
    ):
        with pytest.raises(SettingsError):
            make()
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("name", MODELS)
def test_shapes_without_memory_are_those_with_it_and_chance_is_left_alone(name):
    entry, spec = MODELS[name], FrameSpec(1, size_of(name), None)
    settings = build(entry.settings, tiny_settings(name))
    torch.manual_seed(3)
    plain = entry.build(settings, spec).state_dict()
    torch.manual_seed(3)
    checked = build_within_memory(lambda: entry.build(settings, spec)).state_dict()
    empty = build_without_memory(lambda: entry.build(settings, spec)).state_dict()
    assert {n: v.shape for n, v in empty.items()} == {n: v.shape for n, v in plain.items()}
    assert all(torch.equal(value, plain[n]) for n, value in checked.items())
    assert {v.device.type for v in empty.values()} <= {"meta", "cpu"}
    assert {v.device.type for v in checked.values()} == {"cpu"}


def test_limits_are_counted_and_end_with_the_building():
    def two():
        return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5, bias=False))

    assert build_without_memory(two, most_tensors=3, most_numbers=36)[0].weight.shape == (4, 3)
    for limits in ({"most_tensors": 2}, {"most_numbers": 35}):
        with pytest.raises(SettingsError, match="a network of more than"):
            build_without_memory(two, **limits)
    assert len(list(two().parameters())) == 3


def test_faults_of_a_network_are_not_taken_for_its_size():
    def broken():
        raise TypeError("unexpected keyword")

    with pytest.raises(TypeError, match="unexpected keyword"):
        build_within_memory(broken)


def test_what_is_around_a_network_is_counted_as_well():
    events = ExceedanceProbabilitySettings(tuple(range(20, 60)))
    huge = ModelChoice("convlstm", {"hidden": [10**5] * 2, "filter_size": 5}, events)
    with pytest.raises(SettingsError, match=r"no memory can hold|more than"):
        huge.build(1, None, Scaling(5, 65))


def test_counting_a_network_loads_no_compiler():
    """Sums on torch's device without memory load one, which takes longer than a forecast's first frame."""
    code = (
        "import sys, pathlib, nowcast\n"
        "from nowcast.models.checkpoint import load_network\n"
        "for path in (pathlib.Path(nowcast.__file__).parent / 'weights').glob('*.safetensors'):\n"
        "    load_network(path)\n"
        "assert not {'torch._dynamo', 'sympy', 'xarray', 'scipy'} & set(sys.modules), 'a compiler is loaded'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
