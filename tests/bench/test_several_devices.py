"""A training on several devices is a process of its own: what ends it is told, signals are handed on."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nowcast.bench import several_devices
from nowcast.bench.run import BenchmarkRun
from nowcast.core.errors import FileError
from nowcast.training.module import TrainingError
from tests.fakes.benchmarks import tiny


def in_this_process(command):
    return several_devices.main(Path(command[-1]))


def test_what_ends_a_training_on_two_devices_is_told(tmp_path, monkeypatch):
    ended = [TrainingError("loss: got nan"), FileError("last.ckpt: the disk is full")]

    def train(experiment, *_clips, resume, grid_km, progress):
        assert (experiment.training.devices, experiment.name, resume) == (2, "convlstm_seed0", None)
        raise ended[0]

    monkeypatch.setattr(several_devices, "_wait_for", in_this_process)
    monkeypatch.setattr(several_devices, "end_with_parent", lambda _: None)
    monkeypatch.setattr(several_devices, "train", train)
    chosen = tiny("seeds=[0]", "training.devices=2", rows=[tiny_row()])
    assert BenchmarkRun(chosen, tmp_path)().missing == (
        "ConvLSTM, seed 0: its training failed (loss: got nan)",
    )
    del ended[0]
    with pytest.raises(Exception, match=r"^last\.ckpt: the disk is full$"):
        BenchmarkRun(chosen, tmp_path)()


def test_a_first_device_that_dies_without_a_word_is_told_with_its_exit_code(tmp_path, monkeypatch):
    monkeypatch.setattr(several_devices, "_wait_for", lambda _: -9)
    chosen = tiny("seeds=[0]", "training.devices=2", rows=[tiny_row()])
    (text,) = BenchmarkRun(chosen, tmp_path)().missing
    assert text.endswith("(the process of its first device ended with exit code -9)")


def listening(folder, number):
    """Python of a child that says when it is ready, and writes a letter for each signal."""
    return (
        "import signal, sys, time\nfrom pathlib import Path\n"
        f"def end(*_): Path({str(folder / 'saved')!r}).open('a').write('x'); time.sleep(.1); sys.exit(1)\n"
        f"signal.signal({int(number)}, end); Path({str(folder / 'ready')!r}).touch(); time.sleep(20)\n"
    )


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_reaches_the_training_once_and_is_waited_for(tmp_path, number, ends):
    child = listening(tmp_path, number)

    def when_ready():
        while not (tmp_path / "ready").exists():
            pass
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=when_ready)
    thread.start()
    with pytest.raises(ends):
        several_devices._wait_for([sys.executable, "-S", "-c", child])
    thread.join()
    assert (tmp_path / "saved").read_text() == "x"


def test_a_signal_that_comes_while_the_training_starts_reaches_it_too(tmp_path, monkeypatch):
    class Started(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            while not (tmp_path / "ready").exists():
                pass
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Started)
    with pytest.raises(SystemExit):
        several_devices._wait_for([sys.executable, "-S", "-c", listening(tmp_path, signal.SIGTERM)])
    assert (tmp_path / "saved").read_text() == "x"


def tiny_row():
    return {"name": "ConvLSTM", "model": {"name": "convlstm", "settings": {"hidden": [4], "patch": 8}}}
