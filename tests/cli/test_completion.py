"""`nowcast --print-completion`: scripts that a shell takes and that know commands, options and names."""

import importlib.util
import shutil
import subprocess

import pytest

from nowcast.cli.main import COMMANDS, main
from nowcast.cli.parser import SHELLS
from nowcast.core.packaged_configs import config_names


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The script of each shell, as a file."""
    pytest.importorskip("shtab")
    from nowcast.cli.completion import completion
    from nowcast.cli.parser import build_parser

    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        (folder / shell).write_text(completion(build_parser(COMMANDS, COMMANDS), shell))
    return folder


ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_shtab_nowcast
printf '%s\\n' "${COMPREPLY[@]}"
"""


def asked(scripts, cwd, *words):
    """What bash offers for the last of the words."""
    done = subprocess.run(
        ["bash", "-c", ASK, "ask", str(scripts / "bash"), *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_bash_completes_commands_options_names_and_files(scripts, tmp_path):
    (tmp_path / "italy_own.yaml").touch()
    experiments = [name for name in config_names("experiment") if name.startswith("italy_")]
    assert asked(scripts, tmp_path, "nowcast", "mo") == ["motion", "models"]
    assert asked(scripts, tmp_path, "nowcast", "train", "italy_") == [*experiments, "italy_own.yaml"]
    assert asked(scripts, tmp_path, "nowcast", "train", "--r") == ["--resume"]
    assert asked(scripts, tmp_path, "nowcast", "configs", "show", "exa") == ["example"]
    assert asked(scripts, tmp_path, "nowcast", "archive", "cr") == ["crop"]
    assert asked(scripts, tmp_path, "nowcast", "forecast", "--model", "lmc") == ["lmc_memory"]
    assert asked(scripts, tmp_path, "nowcast", "forecast", "--archive", "ita") == ["italy_own.yaml"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_their_script(shell, scripts):
    text = (scripts / shell).read_text()
    assert all(name in text for name in COMMANDS)
    assert all(name in text for name in config_names("bench"))
    if shutil.which(shell) is not None:
        done = subprocess.run([shell, "-n", str(scripts / shell)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_command_prints_it_and_refuses_other_shells(scripts, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--print-completion", "bash"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == (scripts / "bash").read_text().strip()
    with pytest.raises(SystemExit) as stop:
        main(["--print-completion", "cmd"])
    assert stop.value.code == 2
    assert "choose from" in capsys.readouterr().err


def test_without_its_library_one_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stop:
        main(["--print-completion", "bash"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == "nowcast: completion needs the library 'shtab': pip install shtab\n"
