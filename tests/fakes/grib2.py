"""GRIB2 messages written byte by byte, without any library of GRIB; the truth is the values that are given."""

import io
import struct

import numpy as np
from PIL import Image

COMPOSITE, RATE = (209, 10, 0), (209, 6, 1)
"""Discipline, category and number of MRMS reflectivity (dBZ) and rain rate (mm/h)."""
EARTH = "+proj=longlat +a=6378160 +b=6356775 +type=crs"


def _signed(number, size):
    """Sign and magnitude, as GRIB has it."""
    number = round(number)
    return int((abs(number) | (1 << (8 * size - 1))) if number < 0 else number).to_bytes(size, "big")


def _section(number, content):
    return struct.pack(">IB", len(content) + 5, number) + content


def message(
    values,
    time,
    parameter=COMPOSITE,
    first=(40.0, 250.0),
    cell=(0.02, 0.01),
    scan=0,
    centre=161,
    lead=0,
    template=41,
    bits=16,
    decimal=1,
    binary=0,
    reference=-9990.0,
    bitmap=None,
    increments=True,
    kind=0,
    last=None,
    definition=0,
):
    """One message; ``values`` (H, W) in the order of ``scan`` (0: to the south and east), with MRMS's codes."""
    values = np.asarray(values, np.float64)
    height, width = values.shape
    date = np.datetime64(time, "s").item()
    north, west = (1 if scan & 0x40 else -1), (-1 if scan & 0x80 else 1)
    ends = last or (first[0] + north * cell[0] * (height - 1), first[1] + west * cell[1] * (width - 1))
    micro = [round(v * 1e6) for v in (*first, *ends, cell[1], cell[0])]
    stored = values if bitmap is None else values[bitmap]
    codes = np.rint((stored * 10.0**decimal - reference) / 2.0**binary).astype(f">u{bits // 8}").reshape(-1)
    sections = [
        _section(1, struct.pack(">HHBBBH5BBB", centre, 0, 255, 1, 3, *date.timetuple()[:6], 0, 7)),
        _section(
            3,
            struct.pack(">BIBBH", 0, height * width, 0, 0, kind)
            + struct.pack(
                ">BBIBIBIIIII", 2, 1, 6367470, 1, 6378160 * 10, 1, 6356775 * 10, width, height, 0, 0xFFFFFFFF
            )
            + _signed(micro[0], 4)
            + _signed(micro[1], 4)
            + bytes([48 if increments else 0])
            + _signed(micro[2], 4)
            + _signed(micro[3], 4)
            + struct.pack(">IIB", *micro[4:], scan),
        ),
        _section(
            4,
            struct.pack(">HH5BHBBI", 0, definition, *parameter[1:], 8, 0, 97, 0, 0, 0, lead)
            + struct.pack(">BBIBBI", 102, 0, 500, 255, 255, 0xFFFFFFFF),
        ),
        _section(
            5,
            struct.pack(">IHf", stored.size, template, reference)
            + _signed(binary, 2)
            + _signed(decimal, 2)
            + bytes([bits, 0]),
        ),
        _section(6, b"\xff" if bitmap is None else b"\0" + np.packbits(bitmap.reshape(-1)).tobytes()),
        _section(7, codes.tobytes() if template == 0 else _png(codes.reshape(values.shape))),
    ]
    body = b"".join(sections) + b"7777"
    return struct.pack(">4s2xBBQ", b"GRIB", parameter[0], 2, 16 + len(body)) + body


def _png(codes):
    stream = io.BytesIO()
    Image.fromarray(codes.astype("u1" if codes.itemsize == 1 else "u2")).save(stream, "PNG")
    return stream.getvalue()
