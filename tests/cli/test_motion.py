"""``nowcast motion``: a picture of the motion, for a baseline too."""

from PIL import Image

from nowcast.cli.main import main
from nowcast.products.odim_h5 import write_composite
from nowcast.report.palettes import palette_of
from nowcast.workflows.ingest import ingest
from tests.fakes.fields import moving_disc, projected_grid


def test_the_motion_is_drawn(tmp_path, capsys):
    grid = projected_grid()
    storm = moving_disc(grid, frames=5)
    files = [
        write_composite(tmp_path / f"{i}.h5", storm.values[i], storm["time"].values[i], grid) for i in range(5)
    ]
    ingest(files, tmp_path / "a.zarr", workers_count=1, progress=False)
    asked = ["motion", "--archive", str(tmp_path / "a.zarr"), "--model", "persistence"]
    asked += ["--out", str(tmp_path / "motion.png")]
    assert main(asked) == 0
    assert f"motion: {tmp_path / 'motion.png'}" in capsys.readouterr().out
    shown = {}
    for name in ("safe", "radar"):
        assert main([*asked, "--palette", name]) == 0
        with Image.open(tmp_path / "motion.png") as picture:
            assert picture.width > 300
            shown[name] = {colour for _, colour in picture.convert("RGB").getcolors(2**20)}
    of_rain = {name: set(map(tuple, palette_of(name=name).rgb().tolist())) for name in shown}
    for name, other in (("safe", "radar"), ("radar", "safe")):
        assert len(shown[name] & of_rain[name]) >= 5  # a disc of 10 to 45 dBZ, under arrows
        assert not shown[name] & (of_rain[other] - of_rain[name])
    assert main([*asked, "--palette", "jet"]) == 2
    assert "palette: got 'jet', expected one of safe, radar" in capsys.readouterr().err
