"""The newest nowcast is picked up when it changes, and never half a file."""

import os

import numpy as np
import pytest

from nowcast.core.errors import FileError
from nowcast.products.cf_netcdf import read_forecast
from nowcast.products.open_forecast import OpenForecast
from nowcast.serve.problems import RefusedRequestError
from nowcast.serve.shelf import Shelf
from nowcast.service.publish import point_latest
from tests.fakes.place_forecast import CELL
from tests.fakes.served import GRIDS, write_known, write_service


def rain(served):
    """dBZ of the first lead time at the known cell."""
    return float(served.data.frame("reflectivity", (0,))[CELL])


def test_frames_and_blocks_are_what_is_read_from_the_file(tmp_path):
    members = [{CELL: [float(k)] * 7} for k in range(3)]
    path = write_known(tmp_path / "a.nc", GRIDS["geographic"], members=members)
    known = read_forecast(path)
    held = OpenForecast(path.read_bytes(), "a")
    assert set(held.variables) == {"reflectivity", "exceedance_probability", "reflectivity_members"}
    np.testing.assert_array_equal(held.frame("reflectivity", (3,)), known["reflectivity"].values[3])
    part = held.block("reflectivity_members", ([0, 2], [1, 2, 5]), slice(1, 4), slice(2, 8))
    np.testing.assert_array_equal(part, known["reflectivity_members"].values[[0, 2]][:, [1, 2, 5], 1:4, 2:8])
    assert held.grid.matches(GRIDS["geographic"])
    assert held.reference_time == known["forecast_reference_time"].values
    assert held.labels["threshold"].tolist() == [10.0, 20.0, 30.0]


def content_of(path):
    """The bytes of a file without the zeros that fill it up."""
    return path.read_bytes().rstrip(b"\0")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_half_a_file_is_refused(tmp_path, share):
    image = content_of(write_known(tmp_path / "a.nc"))
    with pytest.raises(FileError, match=r"a\.nc: got an unreadable file"):
        OpenForecast(image[: int(share * len(image))], "a.nc")


def test_latest_follows_the_link(tmp_path):
    folder = write_service(tmp_path)
    shelf = Shelf(folder)
    first = shelf.latest()
    assert first.instance == "20250322T233000Z"
    assert shelf.latest() is first
    write_known(folder / "issued" / "20250323T000000Z" / "nowcast.nc", cells={CELL: [50.0] * 7})
    assert shelf.latest() is first
    point_latest(folder, "issued/20250323T000000Z")
    assert shelf.latest().instance == "20250323T000000Z"
    assert shelf.latest().tag != first.tag
    assert rain(shelf.latest()) > rain(first)


def test_a_file_that_grows_is_not_served_until_it_is_whole(tmp_path):
    path = write_known(tmp_path / "a.nc", cells={CELL: [1.0] * 7})
    other = write_known(tmp_path / "b" / "b.nc", cells={CELL: [50.0] * 7})
    whole = other.read_bytes()
    shelf = Shelf(path)
    first = shelf.latest()
    for share in (0.0, 0.2, 0.7, 0.99):
        path.write_bytes(whole[: int(share * len(content_of(other)))])
        assert shelf.latest() is first
    path.write_bytes(whole)
    assert rain(shelf.latest()) > rain(first)


def test_a_file_that_was_never_whole_is_told_in_one_line(tmp_path):
    path = tmp_path / "a.nc"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    shelf = Shelf(path)
    for _ in range(2):
        with pytest.raises(RefusedRequestError) as told:
            shelf.latest()
        assert (told.value.status, "\n" in told.value.text) == (503, False)


def test_what_is_removed_stays_open_for_those_who_have_it(tmp_path):
    folder = write_service(tmp_path)
    shelf = Shelf(folder, clock=iter(range(100)).__next__)
    served = shelf.get("20250322T230000Z")
    (folder / "issued" / "20250322T230000Z" / "nowcast.nc").unlink()
    assert rain(served) == pytest.approx(23.01, abs=0.006)
    shelf.instances()
    shelf._listed = (float("-inf"), {})
    with pytest.raises(RefusedRequestError) as told:
        shelf.get("20250322T230000Z")
    assert told.value.status == 404


def test_the_file_written_last_is_the_latest_of_a_folder(tmp_path):
    for k, name in enumerate(("b", "a", "c")):
        os.utime(write_known(tmp_path / f"{name}.nc"), (1000 + k, 1000 + k))
    os.utime(tmp_path / "a.nc", (2000, 2000))
    (tmp_path / ".part.nc").write_bytes(b"half")
    shelf = Shelf(tmp_path)
    assert list(shelf.instances()) == ["b", "c", "a"]
    assert shelf.latest().instance == "a"


def test_a_link_to_elsewhere_is_no_nowcast(tmp_path):
    outside = write_known(tmp_path / "outside.nc")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.nc").symlink_to(outside)
    assert Shelf(tmp_path / "in").instances() == {}
    folder = write_service(tmp_path / "service")
    (folder / "latest").unlink()
    (folder / "latest").symlink_to("../../outside.nc")
    assert Shelf(folder).latest().instance == "20250322T233000Z"
