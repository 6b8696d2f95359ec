"""Every default of the command line is what its help says."""

import argparse
import importlib
import re
from pathlib import Path

import pytest

from nowcast.cli.main import COMMANDS
from nowcast.evaluation.comparison import HORIZON_DBZ, PREFERRED, Against
from nowcast.ingestion.regridding.settings import ResampleSettings
from nowcast.scores.catalog import DEFAULT_SCORES

SAID = re.compile(r"\((?:default:? )?([^()]*)\)|'(\w+)' \(default\)")
ASIDE = ("see ", "such as ", "for trials", ".")
"""How brackets begin that say something else than a default."""
IN_WORDS = {("forecast", "--at"): "latest", ("motion", "--at"): "latest", ("at", "--at"): "latest"}
"""Defaults that the help says otherwise than by their value."""
ELSEWHERE = {
    ("demo", "--minutes"): "1.5",
    ("demo", "--frames"): "420 to train on, otherwise 120",
    ("verify", "--scores"): ", ".join(DEFAULT_SCORES),
    ("verify", "--horizon"): f"{HORIZON_DBZ:g} {Against().horizon_csi:g}",
    ("verify", "--reference"): f"{PREFERRED}, or else the first",
    ("verify", "--step"): "the longest step that a model was made for",
    ("bench", "--models"): "all",
    ("bench", "--out"): "runs/bench/NAME of the configuration",
    ("bench", "--runs"): "runs in --out",
    ("fetch-weights", "--out"): "the cache folder, NOWCAST_CACHE or ~/.cache/nowcast",
    ("ingest", "--resample"): "default",
    ("inspect-memory", "--crop"): "at most 256 a side",
}
"""What the help says in brackets of options whose value is found later; those of `demo` are held below."""


def test_the_default_of_regridding_is_the_one_that_the_help_names():
    assert "nearest (default)" in next(a.help for a in options("ingest") if "--resample" in a.option_strings)
    assert ResampleSettings().method == "nearest"


def options(name):
    parser = argparse.ArgumentParser()
    importlib.import_module(f"nowcast.cli.{name.replace('-', '_')}").add_arguments(parser)
    return [action for action in parser._actions if action.option_strings and action.dest != "help"]


EVERY = [(name, action) for name in COMMANDS for action in options(name)]


def words(default):
    values = default if isinstance(default, (list, tuple)) else [default]
    return " ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)


def said(action):
    """What stands in brackets in a help, and what stands before "(default)"."""
    text = " ".join(action.help.split())
    found = [one or other for one, other in SAID.findall(text)]
    return [text.split(":")[0] if "auto" in text else text for text in found if not text.startswith(ASIDE)]


@pytest.mark.parametrize(("name", "action"), EVERY, ids=[f"{n} {a.option_strings[0]}" for n, a in EVERY])
def test_a_default_is_what_the_help_says(name, action):
    key = name, action.option_strings[0]
    if key in IN_WORDS:
        assert action.default == IN_WORDS[key]
        assert "the default is the newest frame" in action.help
    elif key in ELSEWHERE:
        assert not action.default
        assert ELSEWHERE[key] in said(action)
    elif action.default is None or action.default is False or action.default == [] or action.required:
        assert not said(action), "a default that is said, and not checked: add it to ELSEWHERE"
    else:
        assert words(action.default) in said(action)
        assert action.type is None or isinstance(action.default, (list, tuple, action.type))
        assert isinstance(action.default, Path) or not action.choices or action.default in action.choices


@pytest.mark.parametrize(
    ("asked", "minutes", "frames"),
    [
        ([], None, 120),
        (["--train"], 1.5, 420),
        (["--minutes", "0.5"], 0.5, 420),
        (["--train", "--frames", "300"], 1.5, 300),
        (["--frames", "50"], None, 50),
    ],
)
def test_the_demo_takes_the_times_that_its_help_says(asked, minutes, frames, monkeypatch, tmp_path):
    import nowcast.demo.run as work
    from nowcast.cli.main import main

    taken = []
    monkeypatch.setattr(work, "run_demo", lambda out, settings, **_: taken.append(settings) or out)
    assert main(["demo", "--out", str(tmp_path), *asked]) == 0
    assert [(s.minutes, s.storms.frames, s.storms.seed) for s in taken] == [(minutes, frames, 7)]
