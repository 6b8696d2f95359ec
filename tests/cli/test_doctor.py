"""`nowcast doctor`: what it finds, what it calls wrong and slow, and what it says of it."""

import copy
import json

import pytest
from packaging.requirements import Requirement

from nowcast.cli import doctor as command
from nowcast.cli.main import main
from nowcast.forecasters.registry import registry
from nowcast.models import device
from nowcast.models.cpu import capability
from nowcast.workflows import doctor

GOOD = {
    "nowcast": {"version": "1.2.3", "commit": "unknown", "folder": "/opt/nowcast"},
    "python": "3.12.1",
    "system": "Linux 6, x86_64",
    "libraries": {"torch": {"version": "2.13.0", "fault": ""}, "numpy": {"version": "2.4", "fault": ""}},
    "extras": {"grib": {"eccodes": "2.40"}, "pysteps": {"pysteps": "1.21", "opencv": ""}, "video": {"av": ""}},
    "cpu": {
        "name": "EPYC",
        "cores": 8,
        "usable_cores": 4,
        "quota_cores": None,
        "instructions": "AVX512",
        "native_bfloat16": True,
        "threads": 4,
    },
    "gpu": {
        "devices": [{"name": "H100", "memory_gb": 80.0}],
        "torch_built_for": "CUDA 12.8",
        "driver": True,
        "native_bfloat16": True,
    },
    "memory_gb": [64.0, 60.0],
    "environment": {},
    "disks": {"this folder": {"path": "/data", "free_gb": 500.0, "writable": True}},
    "networks": {"motionrnn": ""},
    "configurations": {"bench": 3},
    "slow": [],
    "wrong": [],
}


def changed(**groups):
    """The good machine with some values replaced, group by group."""
    found = copy.deepcopy(GOOD)
    for name, values in groups.items():
        found[name] = {**found[name], **values} if isinstance(values, dict) else values
    return found


NO_GPU = {"devices": [], "driver": False, "torch_built_for": "the CPU alone"}


def test_a_good_machine_has_nothing_wrong_and_nothing_slow():
    assert doctor.wrong(GOOD) == doctor.slow(GOOD) == []


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"gpu": NO_GPU}, ["no GPU: recipes of papers"]),
        ({"gpu": {**NO_GPU, "driver": True}}, ["install torch's CUDA build"]),
        ({"gpu": NO_GPU, "cpu": {"native_bfloat16": False}}, ["no GPU", "no native bfloat16"]),
        ({"cpu": {"native_bfloat16": False}}, []),
        ({"cpu": {"instructions": "DEFAULT"}}, ["no vector instructions"]),
        ({"cpu": {"threads": 1}}, ["torch computes with 1 of 4 cores"]),
        ({"cpu": {"threads": 8}}, ["8 threads on 4 cores: set OMP_NUM_THREADS=4"]),
        ({"cpu": {"quota_cores": 1.5}}, ["4 threads on 1.5 cores: set OMP_NUM_THREADS=1"]),
        ({"cpu": {"quota_cores": 0.5, "threads": 1}}, ["1 threads on 0.5 cores: set OMP_NUM_THREADS=1"]),
        ({"environment": {"OMP_WAIT_POLICY": "ACTIVE"}}, ["OMP_WAIT_POLICY=active"]),
        ({"memory_gb": [8.0, 1.5]}, ["1.5 GB of memory are free: take fewer --workers"]),
        ({"memory_gb": None}, []),
        ({"disks": {"cache": {"path": "/c", "free_gb": 0.3, "writable": True}}}, ["0.3 GB are free in /c"]),
    ],
)
def test_what_will_be_slow_is_said_with_what_helps(groups, said):
    lines = doctor.slow(changed(**groups))
    assert len(lines) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (
            {"libraries": {"numpy": {"version": "1.0", "fault": "expected >=2.1"}}},
            "numpy 1.0: expected >=2.1; pip install --upgrade nowcast",
        ),
        (
            {"networks": {"motionrnn": "motionrnn.safetensors: got no file"}},
            "motionrnn.safetensors: got no file",
        ),
        ({"configurations": {"bench": 0}}, "the packaged configurations are not there"),
        ({"disks": {"cache": {"path": "/c", "free_gb": 9.0, "writable": False}}}, "/c: cannot be written"),
    ],
)
def test_what_has_to_be_mended(groups, said, monkeypatch, capsys):
    found = changed(**groups)
    (line,) = doctor.wrong(found)
    assert line.startswith(said)
    monkeypatch.setattr(doctor, "examine", lambda: found | {"wrong": [line]})
    assert main(["doctor"]) == 1
    assert f"to mend             {line}".split() == capsys.readouterr().out.splitlines()[-1].split()


@pytest.mark.parametrize(
    ("needed", "fault"),
    [
        ("numpy>=2", ""),
        *(
            (name, "")
            for name in ("netcdf4", "netCDF4", "Pillow", "pyyaml", "cf-units", "scikit-image", "Jinja2")
        ),
        ("numpy<1", "expected <1"),
        ("nothing-like-it>=3", "missing, expected >=3"),
        ("types-PyYAML", "cannot be imported (No module named 'types_PyYAML')"),
    ],
)
def test_the_state_of_a_library(needed, fault):
    assert doctor._library(Requirement(needed))["fault"] == fault


def test_the_report_for_people():
    lines = command.as_text(GOOD).splitlines()
    told = dict(line.split("  ", 1) for line in lines)
    assert told["nowcast"].strip() == "1.2.3, in /opt/nowcast"
    assert told["extras"].strip() == "grib: eccodes 2.40"
    assert [line.split(None, 2)[2] for line in lines if line.startswith("not here")] == [
        "pysteps (opencv): pip install 'nowcast[pysteps]'",
        "video (av): pip install 'nowcast[video]'",
    ]
    assert told["cpu"].strip() == "EPYC, 4 of 8 cores, AVX512, native bfloat16, torch takes 4 threads"
    said = "H100 with 80 GB, native bfloat16; torch is built for CUDA 12.8; forecasts compute on it with"
    assert told["gpu"].strip() == f"{said} --device cuda"
    assert told["disk (this folder)"].strip() == "500 GB free, /data"
    assert (told["slow"].strip(), told["to mend"].strip()) == ("nothing", "nothing")


def test_this_machine_is_examined(capsys, monkeypatch):
    monkeypatch.setattr(device, "gpus", lambda: [("Made up", 12.34)])
    code = main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == (1 if found["wrong"] else 0)
    assert found["libraries"]["torch"]["version"]
    assert found["networks"] == dict.fromkeys(registry(), "")
    assert found["configurations"]["service"] == 1
    assert found["gpu"]["devices"] == [{"name": "Made up", "memory_gb": 12.3}]
    assert found["cpu"]["native_bfloat16"] is capability.native_bfloat16()
    assert "dev" not in found["extras"]
    assert "pysteps" in found["extras"]["pysteps"]
