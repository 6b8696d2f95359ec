"""Surveys of files of arrays: SEVIR, TaxiBJ, global fields, Moving MNIST's file, IDX files."""

from __future__ import annotations

from pathlib import Path

from nowcast.core.errors import FileError, NowcastError
from nowcast.core.times import to_text
from nowcast.data import sevir, taxibj
from nowcast.data.digit_images import MnistPart, load_digits
from nowcast.data.moving_mnist_file import NAME, MovingMnistFile, MovingMnistFileSettings
from nowcast.data.netcdf_fields import Channel, contents_of, parts_of
from nowcast.data.raw_videos import RawVideo
from nowcast.data.survey import Group, Survey, shortly
from nowcast.data.weather_bench import WeatherFields, netcdf_files, step_of

_WIDEST = 1e30
_TAXI_YEARS = ("13", "14", "15", "16")


def survey_sevir(root: Path) -> Survey | None:
    """SEVIR, by year, as its catalog says."""
    if not (root / sevir.CATALOG).is_file():
        return None
    videos, absent = sevir.find_events(root)
    settings = sevir.SevirSettings(root)
    starts = {video.name: video.stack.start for video in videos if video.stack is not None}
    parts = {name: settings.part_of(start) for name, start in starts.items()}
    kinds = {"S": "storm", "R": "random"}
    events = Group("event", {name: kinds.get(name.rsplit("_", 1)[1][0], "other") for name in starts})
    missing = (f"{len(absent)} files of the catalog: {shortly(absent)}",) if absent else ()
    return Survey("sevir", "SEVIR, vertically integrated liquid", tuple(videos), parts, (events,), missing)


def survey_taxibj(root: Path) -> Survey | None:
    """TaxiBJ, as clips or by year."""
    videos = tuple(taxibj.find_stacks(root, _WIDEST))
    if not videos:
        return None
    if videos[0].name.startswith("clips/"):
        parts = {video.name: video.name.split("/")[1] for video in videos}
        missing = tuple(f"X_{part}" for part in ("train", "test") if part not in parts.values())
        return Survey("taxibj", f"TaxiBJ in {taxibj.CLIPS}", videos, parts, missing=missing)
    years = Group("year", {video.name: video.path.name[2:4] for video in videos}, _TAXI_YEARS)
    return Survey("taxibj", "TaxiBJ, counts by year", videos, groups=(years,))


def survey_weather_bench(root: Path) -> Survey | None:
    """Global fields, a video a variable."""
    paths = netcdf_files(root)
    if not paths:
        return None
    contents = contents_of(paths)
    if not contents.variables and not contents.faults:
        return None
    videos, notes, faults = [], [], list(contents.faults)
    for variable in contents.variables:
        try:
            parts = parts_of(contents.whole, variable)
            times = [time for part in parts for time in part.times]
            step = step_of(root, parts)
        except FileError as error:
            faults.append(str(error))
            continue
        span = f"{to_text(times[0])} to {to_text(times[-1])}"
        gaps = int((times[-1] - times[0]).astype("timedelta64[s]").astype(int)) // step + 1 - len(times)
        notes.append(f"{variable}: {len(times)} times every {step / 3600:g} h, {span}, {gaps} missing between")
        start = int(times[0].astype("datetime64[ns]").astype(int))
        stack = WeatherFields(
            tuple(part.path for part in parts), (Channel(variable, -_WIDEST, _WIDEST),), 1, start, step
        )
        videos.append(RawVideo(variable.replace("/", "_"), root, stack=stack))
    return Survey(
        "weather_bench",
        "fields in netCDF, parted by periods",
        tuple(videos),
        faults=tuple(faults),
        notes=tuple(notes),
    )


def survey_moving_mnist_file(root: Path) -> Survey | None:
    """The fixed test file of Moving MNIST."""
    path = root / NAME if root.is_dir() else root
    if not path.is_file() or path.suffix != ".npy":
        return None
    try:
        file = MovingMnistFile(MovingMnistFileSettings(path))
    except NowcastError as error:
        return Survey("moving_mnist_file", "Moving MNIST's test file", faults=(str(error),))
    _, rows, columns = file.frame_shape
    note = f"{path.name}: {len(file.times)} frames of {rows} x {columns}"
    return Survey("moving_mnist_file", "Moving MNIST's test file", notes=(note,))


def survey_moving_digits(root: Path) -> Survey | None:
    """Digits or clothes in IDX files, to be moved."""
    if not root.is_dir() or not any("-images" in path.name and "ubyte" in path.name for path in root.iterdir()):
        return None
    notes: list[str] = []
    missing: list[str] = []
    faults: list[str] = []
    parts: tuple[MnistPart, ...] = ("train", "test")
    for part in parts:
        try:
            notes.append(f"{part}: {len(load_digits(root, part))} pictures of 28 x 28")
        except FileError as error:
            (missing if "got no" in str(error) else faults).append(str(error))
    return Survey(
        "moving_digits",
        "digits or clothes in IDX files, to be moved",
        missing=tuple(missing),
        faults=tuple(faults),
        notes=tuple(notes),
    )
