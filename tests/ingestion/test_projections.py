"""Projections that a file states: known keys and values alone, nothing that makes PROJ open a file."""

import pyproj
import pytest

from nowcast.core.errors import GridError
from nowcast.ingestion.readers.projections import crs_of_proj, safe_proj, safe_wkt
from tests.fakes import odim


@pytest.mark.parametrize(
    "text",
    [
        odim.OPERA,
        odim.SWEDEN,
        odim.BELGIUM,
        "+proj=utm +zone=32 +datum=WGS84",
        "+proj=longlat +R=6371229",
        "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=14 +x_0=0 +y_0=0 +a=6378137 +b=6356752.3142 +units=m",
        "+proj=tmerc +lat_0=0 +lon_0=9 +k=0.9996 +ellps=bessel "
        "+towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7",
    ],
)
def test_what_producers_write_is_understood(text):
    assert crs_of_proj(text) == pyproj.CRS.from_string(text)


def test_the_null_grid_of_web_mercator_is_left_out():
    text = "+proj=merc +a=6378137 +b=6378137 +nadgrids=@null +units=m"
    assert safe_proj(text) == "+proj=merc +a=6378137 +b=6378137 +units=m"


@pytest.mark.parametrize(
    "extra",
    [
        "+nadgrids=/dev/zero",
        "nadgrids=conus",
        "+geoidgrids=egm96_15.gtx",
        "+grids=/etc/passwd",
        "+init=epsg:3035",
        "+towgs84=/etc/passwd",
        "+towgs84=1,2",
        "+xy_grids=a.tif",
        "+proj=pipeline",
        "+step",
        "+ellps=/tmp/x",
        "+lat_0=nan",
        "+lon_0=1e",
        "+datum=NAD27",
        "+catalog=x",
        "+file=/tmp/a",
        "+units=/tmp/a",
        "+pm=/tmp/a",
    ],
)
def test_what_names_a_file_or_is_unknown_is_refused(extra):
    with pytest.raises(GridError, match="expected keys and values that describe a projection"):
        crs_of_proj(f"+proj=laea +lat_0=55 {extra}")


@pytest.mark.parametrize("text", ["/etc/passwd", "+proj=laea +lat_0=" + "1" * 5000, "", '{"type": "x"}'])
def test_no_projection_at_all_is_one_error(text):
    with pytest.raises(GridError, match="projection: got"):
        crs_of_proj(text)


def test_wkt_that_names_a_grid_file_is_refused():
    plain = pyproj.CRS.from_epsg(3857).to_wkt("WKT1_GDAL")
    assert "EXTENSION" in plain
    assert safe_wkt(plain) == plain
    for bad in (
        plain.replace("@null", "/dev/zero"),
        'BOUNDCRS[PARAMETERFILE["f", "/dev/zero"]]',
        'VERT_DATUM["x", 2005, EXTENSION["PROJ4_GRIDS", "g2012a_conus.gtx"]]',
        "x" * 200_000,
    ):
        with pytest.raises(GridError):
            safe_wkt(bad)
