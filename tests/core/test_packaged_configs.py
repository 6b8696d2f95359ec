"""Configurations by name: paths first, then names of the kind, near names in the message."""

from pathlib import Path

import pytest

from nowcast.core import packaged_configs
from nowcast.core.errors import FileError, SettingsError
from nowcast.core.packaged_configs import (
    KINDS,
    config_names,
    config_path,
    configs_folder,
    find_named,
    kinds_of,
    told,
)
from nowcast.core.settings import read_layered

ROOT = Path(__file__).resolve().parents[2]


def test_a_checkout_has_its_own_folder_and_every_file_of_it_is_named_once():
    assert configs_folder() == ROOT / "configs"
    files = sorted(p.relative_to(ROOT / "configs") for p in (ROOT / "configs").rglob("*") if p.is_file())
    named = {Path(kind) / f"{name}.yaml" for kind in KINDS for name in config_names(kind)}
    others = [p for p in files if p not in named]
    assert Path("experiment/base/italy.yaml") in others
    bases = (Path("experiment/base"), Path("bench/base"))
    assert all(p.parent in bases for p in others), "a file that no command takes by name"
    assert all(kinds_of(name) == [kind] for kind in KINDS for name in config_names(kind))


def test_a_package_without_its_configurations_says_so(monkeypatch, tmp_path):
    (tmp_path / "nowcast" / "core").mkdir(parents=True)
    monkeypatch.setattr(packaged_configs, "__file__", str(tmp_path / "nowcast" / "core" / "x.py"))
    with pytest.raises(FileError, match=r"configs: got no such folder.*install it again"):
        configs_folder()
    (tmp_path / "nowcast" / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    assert configs_folder() == tmp_path / "nowcast" / "configs"


def test_a_file_that_is_there_comes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config_path("italy_lmc", "experiment") == configs_folder() / "experiment" / "italy_lmc.yaml"
    Path("digits_small").mkdir()
    assert config_path("digits_small", "bench") == configs_folder() / "bench" / "digits_small.yaml"
    Path("italy_lmc").write_text("name: own")
    assert config_path("italy_lmc", "experiment") == Path("italy_lmc")
    for absent in ("own.yaml", "own.yml", "folder/own", "folder/own.yaml"):
        assert config_path(absent, "experiment") == Path(absent)


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ("italy_motionrn", "experiment", "did you mean italy_motionrnn or "),
        ("astm_small", "experiment", "that is for 'nowcast bench astm_small'"),
        ("exampel", "service", "did you mean example?"),
        ("#", "ingest", "got '#', expected a YAML file or a packaged name; see 'nowcast configs list'"),
        ("configs/experiment/italy_lmc.yaml", "experiment", "'italy_lmc' is packaged"),
        ("italy_lmc.yaml", "experiment", "'italy_lmc' is packaged"),
    ],
)
def test_an_unknown_name_is_one_line_that_helps(given, kind, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as error:
        config_path(given, kind)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_is_found_whatever_its_kind():
    folder = configs_folder()
    assert find_named("picture") == find_named("ingest/picture.yaml") == folder / "ingest" / "picture.yaml"
    assert find_named("experiment/base/italy") == folder / "experiment" / "base" / "italy.yaml"
    for absent in ("pictur", "ingest/pictur", "../pyproject", "experiment/../../x"):
        with pytest.raises(SettingsError, match="expected a packaged name"):
            find_named(absent)


def test_a_name_of_two_kinds_has_to_be_told_apart(monkeypatch):
    monkeypatch.setattr(packaged_configs, "config_names", lambda kind: ("twin",) * (kind in ("bench", "model")))
    with pytest.raises(SettingsError, match="say bench/twin or model/twin"):
        find_named("twin")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# First words,\n# on two lines: good. More.\nname: x\n", "First words, on two lines: good"),
        ("# Words.\ntitle: 'A title: quoted'\n", "A title: quoted"),
        ("name: x\n# not the head\n", ""),
    ],
)
def test_what_is_told_of_a_configuration(text, line, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert told(path) == line


def test_every_packaged_configuration_is_told_in_a_line():
    lines = [told(configs_folder() / kind / f"{name}.yaml") for kind in KINDS for name in config_names(kind)]
    assert all(20 <= len(line) < 200 or " -> " in line for line in lines)


def test_a_file_of_ones_own_stands_on_a_packaged_one(tmp_path):
    own = tmp_path / "italy_motionrnn.yaml"
    own.write_text("base: italy_motionrnn\ntraining: {minutes: 3}\n")
    packaged = read_layered(config_path("italy_motionrnn", "experiment"))
    found = read_layered(own)
    assert found["training"] == {**packaged["training"], "minutes": 3}
    assert found["model"] == packaged["model"]
    (tmp_path / "italy_lmc").write_text("name: mine\n")
    (tmp_path / "other.yaml").write_text("base: italy_lmc\n")
    assert read_layered(tmp_path / "other.yaml") == {"name": "mine"}
    (tmp_path / "none.yaml").write_text("base: italy_nothing\n")
    with pytest.raises(SettingsError, match="italy_nothing: no such configuration"):
        read_layered(tmp_path / "none.yaml")
