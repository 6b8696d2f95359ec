"""`nowcast show`, and the page that `nowcast forecast` leaves."""

import json
import re
import webbrowser

import numpy as np
import pytest

from nowcast.cli.main import main
from nowcast.products.cf_netcdf import write_forecast
from nowcast.workflows.ingest import ingest
from nowcast.workflows.show import observed_around, trained_minutes
from tests.fakes.shown_forecast import LEADS, full_forecast, observed_frames


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Five frames every ten minutes, from 09:40 to 10:20."""
    from nowcast.products.odim_h5 import OdimPacking, write_composite
    from tests.fakes.fields import projected_grid

    folder = tmp_path_factory.mktemp("show")
    frames = observed_frames(count=5)
    files = [
        write_composite(
            folder / f"{i}.h5", frame, time, projected_grid(31, 45), packing=OdimPacking(gain=0.01, bits=16)
        )
        for i, (frame, time) in enumerate(zip(frames.values, frames["time"].values, strict=True))
    ]
    ingest(files, folder / "a.zarr", workers_count=1, progress=False)
    return folder / "a.zarr"


def leads_of(page):
    text = re.search(r'id="forecast">(.*?)</script>', page.read_text(), flags=re.S)[1]
    data = json.loads(text)
    return [moment["lead"] for moment in data["moments"]], [layer["key"] for layer in data["layers"]]


def test_a_file_gets_its_page_beside_it(tmp_path, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    write_forecast(tmp_path / "f.nc", full_forecast())
    assert main(["show", str(tmp_path / "f.nc"), "--open", "--title", "Mine"]) == 0
    page = tmp_path / "f.html"
    assert capsys.readouterr().out == f"page: {page}\n"
    assert opened == [page.as_uri()]
    leads, keys = leads_of(page)
    assert leads == [10, 20, 30, 40]
    assert "reflectivity_members" in keys
    assert "<h1>Mine</h1>" in page.read_text()


def test_with_the_archive_it_shows_what_was_observed_before_and_since(tmp_path, archive):
    write_forecast(tmp_path / "f.nc", full_forecast())
    out = tmp_path / "p.html"
    assert main(["show", str(tmp_path / "f.nc"), "--archive", str(archive), "--out", str(out)]) == 0
    leads, keys = leads_of(out)
    assert leads == [-20, -10, 0, 10, 20, 30, 40]
    assert "observed" in keys


def test_an_archive_on_another_grid_is_refused(archive):
    from nowcast.workflows.open_archive import open_archive
    from tests.fakes.fields import projected_grid

    with pytest.raises(Exception, match="another grid than the forecast's: shape") as caught:
        observed_around(open_archive(archive), full_forecast(projected_grid(20, 20))["reflectivity"])
    assert type(caught.value).__name__ == "GridError"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["no.nc"], "no.nc: got no file"),
        (["f.nc", "--out", "."], "cannot be written"),
        (["f.nc", "--z-r", "mine"], "z_r: got 'mine'"),
    ],
)
def test_mistakes_are_one_line(more, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_forecast(tmp_path / "f.nc", full_forecast())
    assert main(["show", *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["f.nc"]


def test_a_forecast_leaves_a_page_unless_it_is_told_not_to(tmp_path, archive, capsys):
    command = ["forecast", "--archive", str(archive), "--model", "persistence", "--leads", "2", "--at"]
    command += ["2025-03-22T10:00", "--out", str(tmp_path / "a.nc")]
    assert main([*command, "--no-page"]) == 0
    assert not (tmp_path / "a.html").exists()
    assert main(command) == 0
    assert f"  to look at it: {tmp_path / 'a.html'}\n" in capsys.readouterr().out
    leads, keys = leads_of(tmp_path / "a.html")
    assert leads == [-20, -10, 0, 10, 20]
    assert keys == ["reflectivity", "rain_rate", "observed"]
    assert main([*command, "--page", str(tmp_path / "b" / "c.html")]) == 0
    assert leads_of(tmp_path / "b" / "c.html")[0] == leads


def test_how_far_a_network_was_trained_comes_from_the_forecast():
    forecast = full_forecast()
    assert trained_minutes(forecast) is None
    assert trained_minutes(forecast.assign_attrs(trained_lead_minutes="100")) == 100.0
    assert trained_minutes(forecast.assign_attrs(trained_lead_minutes="much")) is None
    older = json.dumps({"data": {"window": {"future": 10}}})
    assert trained_minutes(forecast.assign_attrs(experiment=older)) == 100.0
    assert trained_minutes(forecast.assign_attrs(experiment="{")) is None
    assert np.timedelta64(10, "m") == LEADS[0]
