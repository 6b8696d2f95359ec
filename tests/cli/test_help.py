"""The help of every command: what it is for, examples that parse, pages and commands that exist."""

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nowcast.cli.help_page import HelpPage, HelpText, add_help_page, parts_of
from nowcast.cli.main import COMMANDS, main
from nowcast.cli.parser import build_parser, page_of
from nowcast.core.packaged_configs import kinds_of
from nowcast.forecasters.catalog import FORECASTERS
from nowcast.forecasters.registry import packaged_names

ROOT = Path(__file__).resolve().parents[2]
PARSER = build_parser(COMMANDS, COMMANDS)
EXAMPLES = [(name, command) for name in COMMANDS for command, _ in page_of(name).examples]
NAMED = {"train": "experiment", "bench": "bench"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page(name):
    page = page_of(name)
    assert len(page.text) >= 80
    assert page.text.endswith(".")
    assert page.examples
    assert all(len(what) >= 3 and what[-1] not in ".,;" for _, what in page.examples)
    assert all(ROOT.joinpath(place).is_file() for place in page.see if place.startswith("docs/"))
    assert all(place.split()[1] in COMMANDS for place in page.see if not place.startswith("docs/"))
    described = parts_of(parts_of(PARSER)[name])
    shown = {command.split()[2] for command, _ in page.examples if described}
    assert shown == set(described), "a part without an example"


@pytest.mark.parametrize(("name", "command"), EXAMPLES, ids=[command for _, command in EXAMPLES])
def test_every_example_parses(name, command):
    words = shlex.split(command)
    assert words[:2] == ["nowcast", name]
    args = PARSER.parse_args(words[1:])
    assert args.command == name
    config = getattr(args, "config", None)
    if name in NAMED and "own" not in str(config):
        assert kinds_of(str(config)) == [NAMED[name]]
    if name in ("forecast", "hindcast", "motion"):
        assert args.model in {*FORECASTERS, *packaged_names()}


def test_the_help_shows_them(capsys):
    with pytest.raises(SystemExit):
        main(["hindcast", "--help"])
    text = capsys.readouterr().out
    assert "Examples:\n  # two days, every frame\n  nowcast hindcast --archive italy.zarr" in text
    assert "Ctrl-C: what is done stays in the store; the same command goes on" in text
    assert "See also: nowcast verify, docs/howto/cluster.md" in text
    with pytest.raises(SystemExit):
        main(["archive", "thin", "--help"])
    text = capsys.readouterr().out
    assert "nowcast archive thin italy.zarr --every 10min" in text
    assert "crop" not in text


def test_the_help_of_the_whole_names_every_command_and_its_example_parses(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(re.search(rf"^    {name}\b", text, flags=re.M) for name in COMMANDS)
    for line in re.findall(r"^  nowcast +([a-z].*)$", text, flags=re.M):
        assert PARSER.parse_args(shlex.split(line)).command in COMMANDS
    for shell in re.findall(r"--print-completion (\w+) ", text):
        assert shell in ("bash", "zsh", "fish")


def test_paragraphs_are_wrapped_and_examples_are_not(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    parser = argparse.ArgumentParser()
    long = "nowcast " + "word " * 20 + "end"
    add_help_page(parser, HelpPage("Word " * 30 + "end.\n\nNext.", ((long, "what"),), again="go on"))
    lines = parser.format_help().splitlines()
    assert f"  {long}" in lines
    assert all(len(line) < 60 for line in lines if "nowcast" not in line)
    assert "Next." in lines
    assert parser.formatter_class is HelpText
    assert "Exit codes: 0 done, 1 a fault of nowcast itself, 2 a mistake" in " ".join(lines)


def test_ctrl_c_says_how_to_go_on(monkeypatch, capsys):
    from nowcast.cli import hindcast, info

    def stopped(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(hindcast, "run", stopped)
    line = "hindcast --archive a.zarr --model m --period 2025-03-21/2025-03-22 --out b.zarr"
    assert main(line.split()) == 130
    said = "nowcast hindcast: interrupted; what is done stays in the store; the same command goes on\n"
    assert capsys.readouterr().err == said
    monkeypatch.setattr(info, "run", stopped)
    assert main(["info", "a.zarr"]) == 130
    assert capsys.readouterr().err == "nowcast info: interrupted\n"


def test_the_version_says_what_it_runs_on(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert re.fullmatch(
        r"nowcast [\w.+]+ \((commit [0-9a-f]+, )?python 3\.\d+\.\d+, torch [^,]+, numpy [^,]+, .*\)\n",
        capsys.readouterr().out,
    )


@pytest.mark.slow
def test_it_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "nowcast", "configs", "list", "service"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("service (nowcast cycle --config NAME)\n  example ")
    asked = subprocess.run(
        [sys.executable, "-m", "nowcast", "forcast"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 2
    assert "nowcast: error: argument COMMAND: invalid choice" in asked.stderr
