"""``nowcast motion``: a picture of the motion, for a baseline too."""

from PIL import Image

from nowcast.cli.main import main
from nowcast.products.odim_h5 import write_composite
from nowcast.workflows.ingest import ingest
from tests.fakes.fields import moving_disc, projected_grid


def test_the_motion_is_drawn(tmp_path, capsys):
    grid = projected_grid()
    storm = moving_disc(grid, frames=5)
    files = [
        write_composite(tmp_path / f"{i}.h5", storm.values[i], storm["time"].values[i], grid) for i in range(5)
    ]
    ingest(files, tmp_path / "a.zarr", workers_count=1, progress=False)
    code = main(
        [
            "motion",
            "--archive",
            str(tmp_path / "a.zarr"),
            "--model",
            "persistence",
            "--out",
            str(tmp_path / "motion.png"),
        ]
    )
    assert code == 0
    assert f"motion: {tmp_path / 'motion.png'}" in capsys.readouterr().out
    with Image.open(tmp_path / "motion.png") as picture:
        assert picture.width > 300
