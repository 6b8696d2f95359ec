"""`nowcast serve` before it serves: mistakes are one line, and so is an extra that is not installed."""

import importlib.util

import pytest

from nowcast.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["absent"], "absent: got nothing there"),
        ([".", "--port", "70000"], "--port: got 70000"),
        ([".", "--rate", "-1"], "--rate: got -1"),
        ([".", "--allow-origin", "x"], "--allow-origin: got 'x'"),
        ([".", "--z-r", "x"], "z_r: got 'x'"),
    ],
)
def test_mistakes_are_one_line(arguments, word, capsys):
    assert main(["serve", *arguments]) == 2
    told = capsys.readouterr().err
    assert word in told
    assert told.count("\n") == 1


def test_an_extra_that_is_missing_is_named(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["serve", "."]) == 2
    assert "pip install 'nowcast[serve]'" in capsys.readouterr().err


def test_an_address_that_is_not_here_is_one_line(capsys):
    assert main(["serve", ".", "--host", "203.0.113.1", "--port", "0"]) == 2
    assert "203.0.113.1:0: got Cannot assign requested address" in capsys.readouterr().err
