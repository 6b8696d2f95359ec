"""Every file of configs/model is read and built; the comparison's rows weigh what the paper says."""

from pathlib import Path

import pytest

from nowcast.core.errors import SettingsError
from nowcast.models.configuration import read_configuration

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "model"
FILES = sorted(FOLDER.glob("*.yaml"))
MOTIONRNN_ROWS = {
    f"{backbone}_{data}"
    for backbone in (
        "convlstm",
        "trajgru",
        "conv_tt_lstm",
        "predrnn",
        "mim",
        "e3d_lstm",
        "motionrnn_convlstm",
        "motionrnn_predrnn",
        "motionrnn_mim",
        "motionrnn_e3d",
    )
    for data in ("human36m", "shanghai", "v_mnist")
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_configuration_builds(path):
    row = read_configuration(path)
    assert row.parameters() > 100_000
    assert row.source.strip()
    assert row.title.strip()


def test_every_row_of_the_motionrnn_tables_is_there():
    assert {path.stem for path in FILES} >= MOTIONRNN_ROWS


@pytest.mark.parametrize(
    ("name", "millions"),
    [("convlstm", 4.41), ("predrnn", 6.41), ("mim", 9.79), ("e3d_lstm", 20.4), ("motionrnn_convlstm", 5.21)],
)
def test_parameters_of_table_2(name, millions):
    row = read_configuration(FOLDER / f"{name}_human36m.yaml")
    assert row.parameters() / 1e6 == pytest.approx(millions, rel=0.01)


def test_an_unknown_key_names_the_file(tmp_path):
    text = (FOLDER / "predrnn_shanghai.yaml").read_text().replace("channels:", "chanels:")
    (tmp_path / "row.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"row\.yaml.*chanels"):
        read_configuration(tmp_path / "row.yaml")
