"""Tiny KITTI, Caltech, TaxiBJ, SEVIR, WeatherBench and split folders, as published, with known values."""

import csv
from pathlib import Path

import h5py
import netCDF4
import numpy as np

from tests.fakes.video_files import blob, write_avi
from tests.fakes.videos import write_video

KITTI_RECORDINGS = ("2011_09_26_drive_0001", "2011_09_26_drive_0005", "2011_09_26_drive_0104")
"""One to train, to validate and to test on."""
SEVIR_EVENTS = (
    ("S100001", "2018-06-01 12:00:00"),
    ("R18070112005500", "2018-07-01 12:00:00"),
    ("S200001", "2019-03-01 12:00:00"),
    ("S300001", "2019-07-01 12:00:00"),
)


def write_kitti(root: Path, recordings=KITTI_RECORDINGS, frames=8, size=(16, 20), cameras=("image_03",)):
    """Write the pictures of recordings as KITTI has them, in PredNet's folders of categories."""
    for number, recording in enumerate(recordings):
        drive = f"{recording}_sync"
        for camera in cameras:
            folder = root / "city" / drive / recording[:10] / drive / camera / "data"
            write_video(folder, blob(frames, size, start=number, colour=True), range(frames), "{:010d}.png")
    return root


def write_kitti_stacks(root: Path, parts=("train", "val", "test"), frames=(6, 5), size=(16, 20), grouped=False):
    """Write PredNet's stacks: two recordings a part; the list of sources as a group of texts or one array."""
    root.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(parts):
        pictures = [blob(count, size, 10 * number + n, colour=True) for n, count in enumerate(frames)]
        with h5py.File(root / f"X_{part}.hkl", "w") as file:
            file["data_0"] = np.concatenate(pictures)
        names = [f"city-2011_09_26_drive_{n:04d}_sync" for n, count in enumerate(frames) for _ in range(count)]
        with h5py.File(root / f"sources_{part}.hkl", "w") as file:
            if grouped:
                for place, name in enumerate(names):
                    file[f"data_0/data_{place}"] = name
            else:
                file["data_0"] = [name.encode() for name in names]
    return root


def write_caltech(root: Path, sets=("set00", "set05", "set06"), frames=24, size=(16, 20), pictures=False):
    """Write a film a set."""
    for number, name in enumerate(sets):
        drawn = blob(frames, size, start=number, colour=True)
        if pictures:
            write_video(root / name / "V000", drawn, range(frames), "I{:05d}.jpg")
        else:
            write_avi(root / name / "V000.avi", drawn, fps=30)
    return root


def taxi_counts(slots, size=(32, 32)):
    """Counts (T, 2, H, W): the slot everywhere, of the outflow plus 500, and the row in column 0."""
    counts = np.empty((slots, 2, *size), np.float32)
    counts[:] = np.arange(slots)[:, None, None, None] + np.array([0, 500])[None, :, None, None]
    counts[..., 0] = np.arange(size[0])
    return counts


def write_taxi_counts(root: Path, year=16, days=4, first="2016-04-01", skipped=()):
    """Write a published file; ``skipped`` slots are left out."""
    root.mkdir(parents=True, exist_ok=True)
    kept = [slot for slot in range(48 * days) if slot not in skipped]
    day = np.datetime64(first)
    dates = [f"{str(day + slot // 48).replace('-', '')}{slot % 48 + 1:02d}" for slot in kept]
    with h5py.File(root / f"BJ{year}_M32x32_T30_InOut.h5", "w") as file:
        file["data"] = taxi_counts(48 * days)[kept]
        file["date"] = [date.encode() for date in dates]
    return root


def write_taxi_clips(root: Path, train=12, test=3, length=4, size=(32, 32)):
    """Write OpenSTL's dataset.npz: clip n holds (n + frame) / 100 everywhere, and the row in column 0."""
    root.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for part, count in (("train", train), ("test", test)):
        clips = np.empty((count, 2 * length, 2, *size), np.float32)
        clips[:] = (np.arange(count)[:, None] + np.arange(2 * length))[..., None, None, None] / 100
        clips[..., 0] = np.arange(size[0]) / 100
        arrays[f"X_{part}"], arrays[f"Y_{part}"] = clips[:, :length], clips[:, length:]
    np.savez_compressed(root / "dataset.npz", **arrays)
    return root


def sevir_frames(number, size=(32, 32), frames=49):
    """An event (T, H, W): 3 x frame + event, the row in column 0, a corner that was not observed."""
    found = np.empty((frames, *size), np.uint8)
    found[:] = 3 * np.arange(frames)[:, None, None] + number
    found[..., 0] = np.arange(size[0])
    found[:, -2:, -2:] = 255
    return found


def write_sevir(root: Path, events=SEVIR_EVENTS, size=(32, 32), catalogued=None, frames=49):
    """Write events, those of a year in a file, and the catalog; ``catalogued`` adds rows of absent files."""
    rows = []
    for year in sorted({time[:4] for _, time in events}):
        chosen = [(number, name, time) for number, (name, time) in enumerate(events) if time[:4] == year]
        path = root / "vil" / year / f"SEVIR_VIL_STORMEVENTS_{year}_0101_1231.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            stacked = [np.moveaxis(sevir_frames(number, size, frames), 0, -1) for number, _, _ in chosen]
            file.create_dataset("vil", data=np.stack(stacked), chunks=(1, *size, frames), compression="gzip")
            file["id"] = [name.encode() for _, name, _ in chosen]
        for index, (_, name, time) in enumerate(chosen):
            rows.append([name, f"vil/{year}/{path.name}", index, "vil", time])
    rows += catalogued or []
    rows.append([events[0][0], "ir069/2018/absent.h5", 0, "ir069", events[0][1]])
    offsets = ":".join(str(minute) for minute in range(-120, -120 + 5 * frames, 5))
    with (root / "CATALOG.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["id", "file_name", "file_index", "img_type", "time_utc", "minute_offsets", "pct_missing"]
        )
        writer.writerows([*row, offsets, 0] for row in rows)
    return root


def weather_values(count, first=0, size=(32, 64)):
    """Temperatures (T, lat, lon) in K, south first: 250 K plus time, latitude's number and longitude's / 10."""
    latitudes, longitudes = np.arange(size[0])[:, None], np.arange(size[1])
    return 250 + (first + np.arange(count))[:, None, None] * 0.1 + latitudes + longitudes / 10


def write_weather(root: Path, variables=("t2m",), years=(2015, 2016), count=30, levels=None, size=(32, 64)):
    """Write hourly fields, a file a variable and year, latitudes from the south as WeatherBench has them."""
    for variable in variables:
        folder = root / variable
        folder.mkdir(parents=True, exist_ok=True)
        for number, year in enumerate(years):
            with netCDF4.Dataset(folder / f"{variable}_{year}_5.625deg.nc", "w") as file:
                for axis, length in (("time", count), ("lat", size[0]), ("lon", size[1])):
                    file.createDimension(axis, length)
                    file.createVariable(axis, "f8", (axis,))
                file["lat"][:] = -87.1875 + 174.375 / (size[0] - 1) * np.arange(size[0])
                file["lon"][:] = 360 / size[1] * np.arange(size[1])
                file["time"].units = f"hours since {year}-01-01"
                file["time"][:] = np.arange(count)
                axes = ["time", "lat", "lon"]
                values = weather_values(count, number * count, size)
                if levels:
                    file.createDimension("level", len(levels))
                    file.createVariable("level", "i4", ("level",))[:] = levels
                    axes.insert(1, "level")
                    values = np.stack([values + 1000 * place for place in range(len(levels))], axis=1)
                file.createVariable(variable, "f4", axes)[:] = values
    return root


def write_split_folders(root: Path, parts=("train", "valid", "test"), frames=12, size=(16, 20), suffix="jpg"):
    """Write folders as LMC-Memory has them: ``train/video_00001/frame_00001.jpg``."""
    for number, part in enumerate(parts):
        for video in (1, 2):
            drawn = blob(frames, size, start=10 * number + video)
            write_video(root / part / f"video_{video:05d}", drawn, name=f"frame_{{:05d}}.{suffix}")
    return root


def parted(kind, root: Path):
    """Write a tiny data set; give the settings of its kind."""
    small = {"path": str(root), "size": [16, 16]}
    return {
        "kitti": lambda: {**small, "path": str(write_kitti(root))},
        "kitti_stacks": lambda: {**small, "path": str(write_kitti_stacks(root))},
        "caltech": lambda: {**small, "path": str(write_caltech(root))},
        "taxibj": lambda: {"path": str(write_taxi_clips(root, size=(16, 16)))},
        "taxibj_counts": lambda: {"path": str(write_taxi_counts(root)), "test_days": 1, "validation_days": 1},
        "sevir": lambda: {**small, "path": str(write_sevir(root, frames=12))},
        "weather_bench": lambda: {"path": str(write_weather(root, size=(16, 32)))},
        "video_files": lambda: {**small, "path": str(write_split_folders(root))},
    }[kind]()
