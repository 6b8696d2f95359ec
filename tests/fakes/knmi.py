"""Tiny composites in the HDF5 layout of KNMI; the truth is the codes that are given."""

import h5py
import numpy as np

PROJECTION = "+proj=stere +lat_0=90 +lon_0=0.0 +lat_ts=60.0 +a=6378.137 +b=6356.752 +x_0=0 +y_0=0"
OUTSIDE = {"u1": 255, "u2": 65535}


def write_knmi(
    path,
    raw,
    start="26-AUG-2010;01:35:00.000",
    end="26-AUG-2010;01:40:00.000",
    rain=False,
    formula=None,
    projection=PROJECTION,
    missing=None,
    outside=None,
    unit="KM,KM",
    corners=None,
    cell=(1.0, 1.0),
    origin=(3650.0, 0.0),
):
    """Bytes of reflectivity, or, as ``rain``, hundredths of a millimetre in two bytes."""
    codes = np.asarray(raw, "u2" if rain else "u1")
    edge = OUTSIDE[codes.dtype.str[1:]]
    if rain:
        codes[np.asarray(raw) == OUTSIDE["u1"]] = edge
    outside = edge if outside is None else outside
    with h5py.File(path, "w") as file:
        file.create_group("overview").attrs.update(
            {
                "product_datetime_start": np.array([start.encode()]),
                "product_datetime_end": end.encode(),
                "product_group_name": b"RAD_NL25_TEST",
            }
        )
        where = file.create_group("geographic")
        where.attrs.update(
            {
                "geo_number_rows": np.array([codes.shape[0]], np.int32),
                "geo_number_columns": np.array([codes.shape[1]], np.int32),
                "geo_pixel_size_x": np.float32([cell[1]]),
                "geo_pixel_size_y": np.float32([-cell[0]]),
                "geo_column_offset": np.float32([origin[1]]),
                "geo_row_offset": np.float32([origin[0]]),
                "geo_dim_pixel": unit.encode(),
            }
        )
        if corners is not None:
            where.attrs["geo_product_corners"] = np.float32(corners)
        where.create_group("map_projection").attrs["projection_proj4_params"] = projection.encode()
        image = file.create_group("image1")
        image.attrs["image_geo_parameter"] = (
            b"ACCUMULATED_PRECIPITATION_[MM]" if rain else b"REFLECTIVITY_[DBZ]"
        )
        image["image_data"] = codes
        image.create_group("calibration").attrs.update(
            {
                "calibration_formulas": (
                    formula or ("GEO=0.01*PV+0.0" if rain else "GEO = 0.500000 * PV + -32.000000")
                ).encode(),
                "calibration_missing_data": np.int32(missing if missing is not None else edge if rain else 0),
                "calibration_out_of_image": np.int32(outside),
            }
        )
    return path
