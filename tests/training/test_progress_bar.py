"""The bar of a training, with a clock of its own."""

import math

import pytest

from nowcast.training.progress_bar import TrainingBar, pace


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.25, "4.0 it/s"), (0.999, "1.0 it/s"), (1.0, "1.0 s/it"), (12.34, "12.3 s/it")]
)
def test_the_pace_is_by_the_second_or_for_one(seconds, said):
    assert pace(seconds) == said


class Shown:
    """A bar on a clock that is set by hand, and the last line that it shows."""

    def __init__(self, capsys):
        self.capsys, self.time = capsys, 100.0
        self.bar = TrainingBar("csi20", 0.25, True, clock=lambda: self.time)

    def __call__(self, after, *state):
        self.time += after
        self.bar.iteration(*state)
        self.bar._bar.refresh()
        return self.last()

    def last(self):
        return self.capsys.readouterr().err.split("\r")[-1].strip()


@pytest.fixture
def begin(monkeypatch, capsys):
    """Begins a bar of the test, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")
    begun = []
    yield lambda: begun.append(Shown(capsys)) or begun[-1]
    for one in begun:
        one.bar.close()


def test_only_what_is_known_is_shown(begin):
    told = begin()
    line = told(0.5, 2, 0.5, math.nan, {}, None)
    assert line.startswith("training:  50%|")
    assert line.endswith(", 2 at 2.0 it/s")
    assert told(
        0.5, 3, 0.6, 0.25, {"loss": 0.5, "csi20": math.nan}, {"score": math.nan, "iteration": 2}
    ).endswith(", 3 at 2.0 it/s, training loss 0.2500, validation 0.5000")
    assert told(0.5, 4, 0.7, 0.2, {"loss": 0.4, "csi20": 0.3}, {"score": 0.31, "iteration": 2}).endswith(
        ", 4 at 2.0 it/s, training loss 0.2000, validation 0.4000, best csi20 0.3100 at 2, csi20 0.3000"
    )


def test_the_pace_follows_and_leaves_validations_out(begin):
    told = begin()
    told(0.5, 1, 0.3, 1.0, {}, None)
    assert "2 at 1.8 it/s" in told(1.0, 2, 0.4, 1.0, {}, None)  # 0.5 + 0.1 (1.0 - 0.5) = 0.55 s
    told.bar.validating()
    assert told.last().startswith("validating:  40%|")
    told.time += 60.0
    told.bar.validated({"loss": 0.7}, {"score": 0.6, "iteration": 2})
    line = told.last()
    assert line.startswith("training:  40%|")
    assert line.endswith("2 at 1.8 it/s, training loss 1.0000, validation 0.7000, best csi20 0.6000 at 2")
    assert ", 3 at 1.8 it/s, " in told(0.55, 3, 0.5, 1.0, {}, None)


def test_the_time_left_is_that_of_this_run(begin):
    """A run that is resumed at a quarter does not count the quarter as done in no time."""
    told = begin()
    told(1.0, 1, 0.5, 1.0, {}, None)
    values = told.bar._bar.format_dict
    assert (values["initial"], values["n"], values["total"]) == (25.0, 50.0, 100)


def test_nothing_is_shown_where_nothing_is_asked_for(capsys):
    bar = TrainingBar("loss", 0.0, False)
    bar.iteration(1, 0.5, 1.0, {}, None)
    bar.validating()
    bar.validated({}, None)
    bar.close()
    assert capsys.readouterr() == ("", "")
