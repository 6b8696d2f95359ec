"""`nowcast configs`, and every command that takes a configuration by its packaged name."""

import json

import pytest

from nowcast.bench.benchmark import read_benchmark
from nowcast.cli.main import main
from nowcast.core.packaged_configs import config_names, config_path, configs_folder
from nowcast.ingestion.mapped.settings import read_mapping
from nowcast.models.configuration import read_configuration
from nowcast.service.settings import read_settings
from nowcast.training.experiment import read_experiment

READ = {
    "experiment": read_experiment,
    "bench": read_benchmark,
    "model": read_configuration,
    "ingest": read_mapping,
    "service": read_settings,
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_list_has_every_kind_with_what_it_is(capsys):
    assert main(["configs", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "service (nowcast cycle --config NAME)" in lines
    assert "  example  A nowcast every time a new radar file has come in" in lines
    assert main(["configs", "list", "ingest", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["ingest"]
    assert list(found["ingest"]) == list(config_names("ingest"))
    assert found["ingest"]["numpy"].startswith("A stack of bytes (row, column, time)")


def test_show_prints_the_file_and_with_whole_what_it_stands_on(capsys):
    assert main(["configs", "show", "italy_motionrnn"]) == 0
    assert capsys.readouterr().out == (configs_folder() / "experiment" / "italy_motionrnn.yaml").read_text()
    assert main(["configs", "show", "italy_motionrnn", "--whole"]) == 0
    out = capsys.readouterr().out
    assert "base:" not in out
    assert "path: italy_centre_south.zarr" in out
    assert "Their places: --set data.sources.0.settings.path" in out


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in READ for name in config_names(kind)])
def test_a_copy_means_the_same_and_needs_no_other_file(kind, name, tmp_path, capsys):
    assert main(["configs", "copy", name, "copied.yaml"]) == 0
    assert "copied.yaml: copied from" in capsys.readouterr().out
    original = configs_folder() / kind / f"{name}.yaml"
    if "\nbase: " not in original.read_text():
        assert (tmp_path / "copied.yaml").read_bytes() == original.read_bytes()
    elif kind == "experiment":
        assert read_experiment("copied.yaml", ["name=x"]) == read_experiment(name, ["name=x"])
    else:
        assert READ[kind]("copied.yaml") == READ[kind](name)
    assert [p.name for p in tmp_path.iterdir()] == ["copied.yaml"]


def test_copy_takes_a_folder_makes_one_and_spares_what_is_there(capsys, tmp_path):
    assert main(["configs", "copy", "example"]) == 0
    original = (configs_folder() / "service" / "example.yaml").read_bytes()
    assert (tmp_path / "example.yaml").read_bytes() == original
    assert "use it with: nowcast cycle --config example.yaml" in capsys.readouterr().out
    assert main(["configs", "copy", "italy_lmc", "new/folder"]) == 0
    assert (tmp_path / "new" / "folder" / "italy_lmc.yaml").is_file()
    (tmp_path / "example.yaml").write_text("mine")
    capsys.readouterr()
    assert main(["configs", "copy", "example", "."]) == 2
    error = capsys.readouterr().err
    assert error == (
        "nowcast configs: example.yaml: got a file that is there, expected a new one; name another or "
        "--overwrite\n"
    )
    assert (tmp_path / "example.yaml").read_text() == "mine"
    assert main(["configs", "copy", "example", "--overwrite"]) == 0
    assert (tmp_path / "example.yaml").read_bytes() == original
    assert main(["configs", "copy", "example", "example.yaml/x"]) == 2
    assert capsys.readouterr().err.startswith("nowcast configs: example.yaml/x")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["configs", "show", "digits_smal"], "did you mean digits_small"),
        (["configs", "copy", "digits_smal"], "did you mean digits_small"),
        (["train", "italy_motionrn"], "did you mean italy_motionrnn or"),
        (["bench", "digits_smal"], "did you mean digits_small"),
        (["bench", "italy_lmc"], "that is for 'nowcast train italy_lmc'"),
        (["ingest", "radar", "--archive", "a.zarr", "--mapping", "netcfd"], "did you mean netcdf?"),
        (["cycle", "--config", "exampl"], "did you mean example?"),
        (["watch", "--config", "exampl"], "did you mean example?"),
        (["status", "--config", "exampl"], "did you mean example?"),
    ],
)
def test_an_unknown_name_is_one_line_with_near_ones_and_exit_code_2(command, said, capsys, tmp_path):
    assert main(command) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["train", "italy_motionrnn"], "italy_north.zarr"),  # its data is not here, so its settings were read
        (["train", "italy_motionrnn", "--set", "training.step=1"], "training.step: unknown setting"),
        (["bench", "digits_small", "--models", "none"], "'none'"),
        (["ingest", "radar", "--archive", "a.zarr", "--mapping", "netcdf"], "radar"),
        (["status", "--config", "example"], "service/out/ledger.sqlite"),
        (["cycle", "--config", "example", "--set", "model=none"], "none"),
    ],
)
def test_every_command_takes_a_packaged_name(command, said, capsys):
    assert main(command) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "packaged name" not in error


def test_models_takes_a_row_of_a_paper_by_name(capsys):
    assert main(["models", "predrnn_shanghai"]) == 0
    by_name = capsys.readouterr().out
    assert main(["models", str(config_path("predrnn_shanghai", "model"))]) == 0
    assert capsys.readouterr().out == by_name
    assert "5->10 64x64x1" in by_name
