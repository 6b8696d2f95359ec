"""The option --device of every command that forecasts, on machines that are made up."""

import argparse
from contextlib import nullcontext
from dataclasses import replace

import pytest

from nowcast.archive.reader import Archive
from nowcast.cli.device_argument import add_device_argument, device_of
from nowcast.cli.main import main
from nowcast.cli.workers import add_worker_arguments, engine_asked_for, engine_of
from nowcast.core import engine
from nowcast.core.errors import SettingsError
from nowcast.core.times import parse_period
from nowcast.forecasters import neural
from nowcast.forecasters.average import Average, Part
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.neural import Neural
from nowcast.models import device
from nowcast.service.settings import ServiceSettings, check_model
from nowcast.workflows import engine_choice
from nowcast.workflows.calibrate import calibrate
from nowcast.workflows.engine_choice import engine_for
from nowcast.workflows.hindcast import hindcast
from nowcast.workflows.verify import verify
from tests.fakes.forecasters import Probable
from tests.fakes.networks import Repeat, loaded
from tests.fakes.small_archive import write_archive

FROM, PERIOD = ("--archive", "{0}/a.zarr"), ("--period", "2025-03-22/2025-03-22")
COMMANDS = {
    "forecast": [*FROM, "--model", "motionrnn", "--out", "{0}/a.nc"],
    "hindcast": [*FROM, *PERIOD, "--model", "motionrnn", "--out", "{0}/h.zarr"],
    "verify": [*FROM, *PERIOD, "--models", "motionrnn", "--out", "{0}/skill"],
    "calibrate": [*FROM, *PERIOD, "--models", "motionrnn", "--out", "{0}/a.json"],
}


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(device, "why_no_gpu", lambda: "torch sees no GPU")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_gpu_that_is_not_there_is_refused_in_one_line_before_the_work(command, no_gpu, tmp_path, capsys):
    given = [part.format(tmp_path) for part in COMMANDS[command]]
    assert main([command, *given, "--device", "cuda"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"nowcast {command}: --device: got cuda where torch sees no GPU, expected a GPU" in err
    assert list(tmp_path.iterdir()) == []


def parsed(add, *given):
    parser = argparse.ArgumentParser()
    add_device_argument(parser)
    if add is not None:
        add(parser)
    return parser.parse_args(given)


def test_the_machine_is_asked_where_something_else_than_the_cpu_is_wanted(monkeypatch, no_gpu, caplog):
    assert device_of(parsed(None, "--device", "auto")) == "cpu"
    assert [r.getMessage() for r in caplog.records] == [
        "--device: auto: torch sees no GPU, computing on the CPU"
    ]
    monkeypatch.setattr(device, "choose_device", None)
    assert device_of(parsed(None)) == "cpu"


def test_an_engine_is_opened_where_it_is_asked_for_and_else_the_workflow_chooses(monkeypatch):
    monkeypatch.setattr(engine, "open_engine", lambda *asked: nullcontext(asked))
    for given, opened in (
        ((), None),
        (("--workers", "4"), (4, None, False)),
        (("--dashboard",), (None, None, True)),
        (("--scheduler", "tcp://a:1"), (None, "tcp://a:1", False)),
    ):
        with engine_asked_for(parsed(add_worker_arguments, *given)) as asked:
            assert asked == opened
    with engine_of(parsed(add_worker_arguments)) as asked:
        assert asked == (None, None, False)


def test_work_that_a_gpu_does_is_not_spread_of_itself(monkeypatch):
    network = Neural(loaded(Repeat()))
    mean = Average((Part(Probable()), Part(network)))
    for where, chosen in (("cpu", engine.Spreading), ("cuda", engine.InProcess)):
        monkeypatch.setattr(network, "settings", replace(network.settings, device=where))
        for forecasters in ([network], [Probable(), mean]):
            with engine_for(forecasters) as found:
                assert type(found) is chosen
    given = engine.InProcess()
    with engine_for([Probable()], given) as found:
        assert found is given


def test_every_workflow_chooses_its_engine_by_its_forecasters(monkeypatch, tmp_path):
    archive, network, opened = Archive.open(write_archive(tmp_path, 12)[0]), Neural(loaded(Repeat())), []

    def open_engine(workers):
        opened.append(workers)
        return nullcontext(engine.InProcess())

    monkeypatch.setattr(engine_choice, "open_engine", open_engine)
    monkeypatch.setattr(neural, "device_name", str)
    day = parse_period(PERIOD[1])
    for where in ("cpu", "cuda"):
        monkeypatch.setattr(network, "settings", replace(network.settings, device=where))
        hindcast(archive, network, PERIOD[1], tmp_path / f"{where}.zarr", stride=9, lead_times=2)
        verify(archive, [network], PERIOD[1], lead_times=2)
        calibrate([archive], [network], [day], thresholds=[20.0], lead_times=2)
    assert opened == [None] * 3 + [1] * 3


def service(**settings):
    return ServiceSettings("a", "a.zarr", "out", ({"folder": "in"},), model="motionrnn", **settings)


def test_a_service_on_a_gpu_is_refused_at_the_start_where_there_is_none(no_gpu, caplog):
    with pytest.raises(SettingsError, match=r"^device: got cuda where torch sees no GPU"):
        check_model(service(device="cuda"))
    with pytest.raises(SettingsError, match=r"^device: got cuda where torch sees no GPU"):
        check_model(service(model_settings={"device": "cuda"}))
    check_model(service(device="auto", memory_gb=4.0))
    assert "device: auto: torch sees no GPU, computing on the CPU" in caplog.text


def test_a_network_of_the_package_is_not_at_fault_for_the_machine(no_gpu):
    with pytest.raises(SettingsError, match=r"^motionrnn: device: got cuda where torch sees no GPU"):
        build_forecaster("motionrnn", {"device": "cuda"})


def test_the_addresses_of_a_process_on_a_gpu_have_no_limit(monkeypatch):
    monkeypatch.setattr(device, "why_no_gpu", lambda: "")
    check_model(service(device="cuda"))
    with pytest.raises(SettingsError, match=r"^memory_gb: got 4 beside a GPU, expected null"):
        check_model(service(device="cuda", memory_gb=4.0))
