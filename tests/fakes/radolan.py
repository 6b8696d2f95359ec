"""Composites in the binary format of DWD RADOLAN; the truth is the words or bytes that are given."""

import bz2
import gzip
import io
import tarfile

import numpy as np

SPHERE = "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +R=6370040 +units=m"
WEST, SOUTH = -523462.2, -4658644.7
"""Lower left corner of the 900 x 900 cells, as DWD states it."""
NODATA_WORD, CLUTTER_WORD, SECONDARY_WORD = 0x29C4, 0x8000, 0x1000
STATIONS = "MS 69<boo,ros,emd,hnr,umd,pro,ess,fld,drs,neu,nhb,oft,eis,tur,isn,fbg,mem>"


def frame(
    raw,
    time,
    product="RX",
    minutes=5,
    precision=" E+00",
    version=3,
    lead=None,
    size=None,
    unit="",
    end="\x03",
    tail=STATIONS,
):
    """Header and data of one frame; ``raw`` has the northernmost row first, the file has it last."""
    raw = np.asarray(raw)
    data = np.ascontiguousarray(raw[::-1]).astype("u1" if product in ("RX", "EX", "WX") else "<u2").tobytes()
    time = np.datetime64(time, "m").item()
    wide = 10 if version >= 5 else 7
    grid = f"GP{raw.shape[0]:4d}x{raw.shape[1]:4d}"
    behind = (
        f"VS{version:2d}SW   2.13.1PR{precision}INT{minutes:4d}{unit}{grid}"
        f"{'' if lead is None else f'VV {lead:03d}MF 00000008QN 016'}{tail}{end}"
    )
    head = f"{product}{time:%d%H%M}10000{time:%m%y}BY"
    size = len(head) + wide + len(behind) + len(data) if size is None else size
    return (head + f"{size:{wide}d}" + behind).encode("latin-1") + data


def write(path, *frames):
    """Frames as the ending of the name asks: gz, bz2, tar, tar.bz2, tar.gz or plain."""
    name = path.name
    if ".tar" in name:
        with tarfile.open(path, "w:" + name.partition(".tar")[2].strip(".")) as tape:
            for number, data in enumerate(frames):
                packed = gzip.compress(data, 1, mtime=0) if number % 2 else data
                member = tarfile.TarInfo(f"frame{number:03d}")
                member.size = len(packed)
                tape.addfile(member, io.BytesIO(packed))
        return path
    (data,) = frames
    packed = {"gz": lambda d: gzip.compress(d, 1, mtime=0), "bz2": bz2.compress}.get(name.rsplit(".", 1)[-1])
    path.write_bytes(packed(data) if packed else data)
    return path
