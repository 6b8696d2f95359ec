"""Which device a forecast is computed on, on machines with and without a GPU that are made up."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models import device
from nowcast.models.device import choose_device, device_name, gpus, whole_mantissa, why_no_gpu


@pytest.fixture
def machine(monkeypatch):
    def make(cuda, available):
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: available)

    return make


def test_the_cpu_is_there_without_a_question(monkeypatch):
    monkeypatch.setattr(device, "why_no_gpu", None)
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("cuda", "why"), [(None, "torch is built for the CPU alone"), ("13.0", "torch sees no GPU")]
)
def test_without_a_gpu_cuda_is_refused_and_auto_falls_back_and_says_so(machine, caplog, cuda, why):
    machine(cuda, False)
    assert why_no_gpu() == why
    assert gpus() == []
    with pytest.raises(
        SettingsError, match=rf"^--device: got cuda where {why}, expected a GPU .* or give auto"
    ):
        choose_device("cuda", "--device")
    assert not caplog.records
    assert choose_device("auto", "--device") == "cpu"
    assert [r.getMessage() for r in caplog.records] == [f"--device: auto: {why}, computing on the CPU"]
    assert device_name("cpu") == "CPU"


def test_with_one_both_take_it_and_say_nothing(machine, caplog):
    machine("13.0", True)
    assert choose_device("cuda") == choose_device("auto") == "cuda"
    assert not caplog.records


def test_convolutions_keep_their_mantissa_within_alone():
    before = torch.backends.cudnn.allow_tf32
    with whole_mantissa():
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before
