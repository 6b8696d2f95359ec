"""``nowcast models`` and ``nowcast import-checkpoint`` as a person calls them."""

import torch

from nowcast.cli.main import main
from nowcast.forecasters.catalog import FORECASTERS
from nowcast.models.catalog import MODELS
from nowcast.models.checkpoint import load_network
from tests.fakes.published_weights import published_state


def test_all_networks_are_listed_with_parameters_and_source(capsys):
    assert main(["models"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert set(MODELS) <= set(lines)
    assert "6,410,240" in lines["predrnn"]
    assert "NeurIPS 2017" in lines["predrnn"]
    assert set(FORECASTERS) <= set(lines)
    for name in FORECASTERS:
        assert lines[name].split()[1] == "0"
        assert len(lines[name].split()) > 5


def test_work_of_one_network_is_counted(capsys):
    assert main(["models", "convlstm", "--measure", "--size", "32", "32", "--channels", "1"]) == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[0] == "convlstm"
    assert 0 <= float(row[3]) < 100  # MB above the weights
    assert float(row[2]) == 1.88  # 7 steps x 8 x 8 places x 4,198,400 weights and 4 x 64 x 1,024 at the end


def test_an_unknown_network_is_one_line_and_exit_code_2(capsys):
    assert main(["models", "predrn"]) == 2
    assert capsys.readouterr().err.strip().endswith("did you mean 'predrnn'?")


def test_published_weights_become_a_checkpoint(tmp_path, capsys):
    torch.save({"net_param": published_state()}, tmp_path / "theirs.ckpt")
    call = [
        "import-checkpoint",
        str(tmp_path / "theirs.ckpt"),
        "--model",
        "motionrnn_predrnn",
        "--out",
        str(tmp_path / "ours.ckpt"),
        "--patch",
        "2",
        "--dbz",
        "5",
        "65",
    ]
    assert main(call) == 0
    assert "hidden: [8, 8, 8]" in capsys.readouterr().out
    network, meta, _ = load_network(tmp_path / "ours.ckpt")
    assert (meta.model, meta.past, meta.future, meta.scaling.high_dbz) == ("motionrnn_predrnn", 5, 10, 65.0)
    weights = network.state_dict()["cells.0.gate.weight"]
    assert torch.equal(weights, published_state()["gate_list.0.weight"])


def test_a_checkpoint_that_does_not_fit_leaves_nothing_behind(tmp_path, capsys):
    torch.save({"net_param": published_state()}, tmp_path / "theirs.ckpt")
    call = [
        "import-checkpoint",
        str(tmp_path / "theirs.ckpt"),
        "--model",
        "motionrnn_predrnn",
        "--out",
        str(tmp_path / "ours.ckpt"),
        "--patch",
        "4",
    ]
    assert main(call) == 2
    assert "of another shape" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["theirs.ckpt"]
