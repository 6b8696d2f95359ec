"""The frame of the command line: help, unknown commands, mistakes as one line with exit code 2."""

import atexit
import gc
import importlib
import os
import sys

import pytest
import torch

from nowcast.cli.main import COMMANDS, main
from nowcast.core.errors import NowcastError


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_two_functions_and_help(name, capsys):
    module = importlib.import_module(f"nowcast.cli.{name.replace('-', '_')}")
    assert callable(module.add_arguments)
    assert callable(module.run)
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert COMMANDS[name] in " ".join(capsys.readouterr().out.split())


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("nowcast ")


def test_threads_wait_without_spinning_unless_the_user_says_otherwise(monkeypatch, capsys):
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert main(["models"]) == 0
    assert os.environ["OMP_WAIT_POLICY"] == "active"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    assert main(["models"]) == 0
    assert os.environ["OMP_WAIT_POLICY"] == "passive"
    capsys.readouterr()


def test_the_end_of_a_process_looks_for_no_garbage_and_its_work_seldom(monkeypatch, capsys):
    ends = []
    monkeypatch.setattr(atexit, "register", ends.append)
    before = gc.get_threshold()
    assert main(["models"]) == 0
    assert (ends, gc.get_threshold()) == ([], before)  # of another program
    monkeypatch.setattr(sys, "argv", ["nowcast", "models"])
    try:
        assert main() == 0
        assert ends == [gc.freeze]
        assert gc.isenabled()
        assert gc.get_threshold()[0] == 10_000
    finally:
        gc.set_threshold(*before)
    capsys.readouterr()


def test_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["forcast"])
    assert stop.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_a_mistake_is_one_line_and_exit_code_2(capsys, tmp_path):
    assert main(["info", str(tmp_path / "nowhere.zarr")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "nowhere.zarr" in err


def test_a_disk_that_fills_up_anywhere_is_one_line(capsys, monkeypatch):
    import errno

    from nowcast.cli import info

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device", "a.nc")

    monkeypatch.setattr(info, "run", full)
    assert main(["info", "a.zarr"]) == 2
    err = capsys.readouterr().err
    assert err == "nowcast info: a.nc: the disk is full (No space left on device); make room and run again\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(13, "Permission denied", "a\x1b.zarr"),
            r"a\x1b.zarr: the system refuses (Permission denied)",
        ),
        (FileNotFoundError(2, "No such file or directory"), "the system refuses (No such file or directory)"),
        (OSError("broken"), "the system refuses (broken)"),
    ],
)
def test_other_errors_of_the_system_are_one_line(error, said, monkeypatch, capsys):
    from nowcast.cli import info

    def broken(_):
        raise error

    monkeypatch.setattr(info, "run", broken)
    assert main(["info", "a.zarr"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"nowcast info: {said}; check that it is there, its permissions")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            TypeError("unhashable\ntype"),
            1,
            "a fault of nowcast itself (TypeError: unhashable type); please report it, with what "
            "NOWCAST_TRACEBACK=1 prints",
        ),
        (
            MemoryError("Unable to allocate 3 TiB"),
            2,
            "this machine has not enough memory for it (MemoryError: Unable to allocate 3 TiB); ask for less",
        ),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\n2.00 GiB"),
            2,
            "this machine has not enough memory for it (OutOfMemoryError: CUDA out of memory. Tried to "
            "allocate 2.00 GiB); ask for less",
        ),
        (NowcastError("x" * 10_000 + "; end"), 2, "x" * 3800 + " ... " + "x" * 195 + "; end"),
    ],
)
def test_the_last_resort_is_one_line_and_tells_how_to_see_more(error, code, said, monkeypatch, capsys):
    from nowcast.cli import info

    def broken(_):
        raise error

    monkeypatch.setattr(info, "run", broken)
    monkeypatch.delenv("NOWCAST_TRACEBACK", raising=False)
    assert main(["info", "a.zarr"]) == code
    assert capsys.readouterr().err == f"nowcast info: {said}\n"
    if code == 1:
        monkeypatch.setenv("NOWCAST_TRACEBACK", "1")
        with pytest.raises(TypeError, match="unhashable"):
            main(["info", "a.zarr"])
