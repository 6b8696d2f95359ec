"""Tiny ODIM_H5 composites as three producers write them; the truth is the raw codes that are given.

Flavours differ where real files differ: OPERA (float64 rain rate, ``what`` at the data set, four exact
corners), Sweden (bytes, ``what`` at the data, corners one cell too far apart and a projdef that two
generations of PROJ read differently), Belgium (float32 accumulation, NaN for nodata, split ``where``).
"""

import h5py
import numpy as np
import pyproj

OPERA_NODATA, OPERA_UNDETECT = -9999000.0, -8888000.0
OPERA = "+proj=laea +lat_0=55.0 +lon_0=10.0 +x_0=1950000.0 +y_0=-2100000.0 +units=m +ellps=WGS84"
SWEDEN = (
    "+proj=merc +lat_ts=0 +lon_0=0 +k=1.0 +x_0=1335833 +y_0=-11000715 +a=6378137.0 "
    "+b=6378137.0 +no_defs +datum=WGS84"
)
SWEDEN_OLD_PROJ = "+proj=merc +lat_ts=0 +lon_0=0 +k=1.0 +x_0=1335833 +y_0=-11000715 +ellps=WGS84"
BELGIUM = (
    "+proj=lcc +lat_1=49.83333333333334 +lat_2=51.16666666666666 +lat_0=50.797815 "
    "+lon_0=4.359215833333333 +x_0=649328 +y_0=665262 +ellps=GRS80 +units=m +no_defs"
)


def write_opera(path, raw, time="2018-08-24T18:00", quantity="RATE", cell=(2000.0, 2000.0), **what):
    stated = {"gain": 1.0, "offset": 0.0, "nodata": OPERA_NODATA, "undetect": OPERA_UNDETECT, **what}
    with h5py.File(path, "w") as file:
        _root(file, time, "ORG:247")
        where = file.create_group("where").attrs
        _corners(where, OPERA, (1000000.0, -2000000.0), raw.shape, cell, ("LL", "UL", "UR", "LR"))
        where.update(
            {
                "projdef": np.bytes_(OPERA),
                "xscale": cell[1],
                "yscale": cell[0],
                "xsize": np.uint64(raw.shape[1]),
                "ysize": np.uint64(raw.shape[0]),
            }
        )
        for number, name in ((1, "QIND"), (2, quantity)):
            group = file.create_group(f"dataset{number}/data1")
            group["data"] = np.asarray(raw, np.float64) * (1.0 if name != "QIND" else 0.0)
            _what(group.parent, quantity=name, **stated, **_period(time, 5))
            if what:
                _what(group, quantity=name, **stated)
    return path


def write_sweden(
    path,
    raw,
    time="2009-05-01T12:00",
    gain=0.4,
    offset=-30.0,
    nodata=255.0,
    undetect=0.0,
    quantity="DBZH",
    shape=None,
):
    with h5py.File(path, "w") as file:
        _root(file, time, "eua_gmaps")
        height, width = raw.shape
        where = file.create_group("where").attrs
        west, north, cell = 3111.5, 9438.4 - 3111.5, 6223.0
        project = pyproj.Proj(SWEDEN_OLD_PROJ)
        for name, column, row in (
            ("LL", -0.5, height + 0.5),
            ("UL", -0.5, -0.5),
            ("UR", width + 0.5, -0.5),
            ("LR", width + 0.5, height + 0.5),
        ):
            lon, lat = project(west + column * cell, north - row * cell, inverse=True)
            where.update({f"{name}_lon": lon, f"{name}_lat": lat})
        where.update(
            {
                "projdef": np.bytes_(SWEDEN),
                "xscale": cell,
                "yscale": cell,
                "xsize": (shape or raw.shape)[1],
                "ysize": (shape or raw.shape)[0],
            }
        )
        data = file.create_group("dataset1/data1")
        data.create_dataset("data", data=raw, compression="gzip")
        _what(data, quantity=quantity, gain=gain, offset=offset, nodata=nodata, undetect=undetect)
        _what(data.parent, product="PCAPPI", **_period(time, 0))
    return path


def write_belgium(path, raw, time="2019-06-06T00:00", xscale=True, minutes=60):
    with h5py.File(path, "w") as file:
        _root(file, time, "NOD:behel,NOD:bejab")
        corners = file.create_group("where").attrs
        _corners(corners, BELGIUM, (300000.0, 1000000.0), raw.shape, (1000.0, 1000.0), ("LL", "UR"))
        corners["projdef"] = BELGIUM
        data = file.create_group("dataset1/data1")
        data["data"] = np.asarray(raw, np.float32)
        _what(data, quantity="ACRR")
        _what(data.parent, product="QPE2_MFB", **_period(time, minutes))
        size = data.parent.create_group("where").attrs
        size.update({"xsize": raw.shape[1], "ysize": raw.shape[0]})
        if xscale:
            size.update({"xscale": 1000.0, "yscale": 1000.0})
    return path


def _root(file, time, source):
    file.attrs["Conventions"] = np.bytes_("ODIM_H5/V2_2")
    date, clock = _split(time)
    _what(file, object="COMP", version="H5rad 2.2", source=source, date=date, time=clock)


def _split(time):
    text = str(np.datetime64(time, "s"))
    return text[:10].replace("-", ""), text[11:].replace(":", "")


def _period(time, minutes):
    start = _split(np.datetime64(time, "s") - np.timedelta64(minutes, "m"))
    end = _split(time)
    return {"startdate": start[0], "starttime": start[1], "enddate": end[0], "endtime": end[1]}


def _what(group, **values):
    attrs = group.require_group("what").attrs
    for name, value in values.items():
        attrs[name] = np.bytes_(value) if isinstance(value, str) else value


def _corners(attrs, projdef, upper_left, shape, cell, names):
    project = pyproj.Proj(projdef)
    west, north = upper_left
    east, south = west + shape[1] * cell[1], north - shape[0] * cell[0]
    places = {"LL": (west, south), "UL": (west, north), "UR": (east, north), "LR": (east, south)}
    for name in names:
        lon, lat = project(*places[name], inverse=True)
        attrs.update({f"{name}_lon": lon, f"{name}_lat": lat})
