"""What the system tells of a machine, read from files as Linux writes them."""

import os

import pytest

from nowcast.core import machine

MEMINFO = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n"


def test_the_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 3, 5}, raising=False)
    assert machine.usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert machine.usable_cores() == 7


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu.max": "100000 0"}, None),
        ({}, None),
    ],
)
def test_a_quota_of_a_container(files, quota, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine.core_quota(tmp_path) == quota


def test_memory_is_that_of_the_machine_or_what_a_container_may_take(tmp_path):
    assert machine.memory_gb(tmp_path, tmp_path) is None
    (tmp_path / "meminfo").write_text(MEMINFO)
    assert machine.memory_gb(tmp_path, tmp_path) == pytest.approx((16.384, 8.192))
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.memory_gb(tmp_path, tmp_path) == pytest.approx((16.384, 8.192))
    (tmp_path / "memory.max").write_text("4000000000\n")
    assert machine.memory_gb(tmp_path, tmp_path) == pytest.approx((4.0, 4.0))
    (tmp_path / "memory.current").write_text("1000000000\n")
    assert machine.memory_gb(tmp_path, tmp_path) == pytest.approx((4.0, 3.0))
    (tmp_path / "meminfo").write_text("MemTotal: many kB\n")
    assert machine.memory_gb(tmp_path, tmp_path) is None


def test_the_name_of_the_cpu(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: EPYC 9\nmodel name\t: EPYC 9\n")
    assert machine.cpu_name(tmp_path) == "EPYC 9"
    (tmp_path / "cpuinfo").unlink()
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    monkeypatch.setattr(machine.platform, "machine", lambda: "arm64")
    assert machine.cpu_name(tmp_path) == "arm64"


def test_free_space_where_a_folder_is_or_would_be(tmp_path):
    free, writable = machine.free_gb(tmp_path / "not" / "there" / "yet")
    assert free == pytest.approx(machine.free_gb(tmp_path)[0], rel=0.2)
    assert free > 0
    assert writable
