"""Forecast one video with a checkpoint of videos, and write the forecast as its place is called.

Dimensions: T past frames, S forecast steps, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from nowcast.core.errors import CheckpointError, SettingsError, complain, printable
from nowcast.core.files import check_place, whole_folder
from nowcast.core.settings import build
from nowcast.core.stages import Stages
from nowcast.data.catalog import SOURCES
from nowcast.data.frame_transform import FrameTransform
from nowcast.data.one_video import read_stretch
from nowcast.data.source import from_bytes
from nowcast.data.windows import ClipWindow
from nowcast.models.checkpoint import CheckpointMeta, LoadedNetwork, load_network
from nowcast.models.device import Device, Found, choose_device, device_name
from nowcast.models.on_device import fast_on, forecast_on
from nowcast.models.padding import AnySize, check_tied_size
from nowcast.products.predictions import PredictedClips, PredictionStore, check_prediction_place, write_npz

FORMATS: Mapping[str, str] = {
    ".gif": "animation",
    ".mp4": "film",
    ".png": "sheet",
    ".npz": "arrays",
    ".zarr": "arrays",
}
"""End of the name -> what is written."""
_SHEET_COLUMNS = 12
_CHANNELS = (1, 3)


class VideoForecast(NamedTuple):
    """A forecast of one video."""

    name: str
    """Of the video."""
    model: str
    clip: PredictedClips
    """One clip; its truth is there where the video goes on so far."""
    attributes: dict[str, Any]
    """Where it comes from."""


def check_format(out: Path) -> None:
    """Refuse a place that cannot be written, or whose name says nothing, before the work.

    Raises:
        SettingsError: no such format.
        MissingExtraError: its library is not installed.
        FileError: the place cannot be written, or something else lies there.
    """
    suffix = out.suffix.lower()
    if suffix not in FORMATS:
        names = list(FORMATS)
        ends = f"a name ending in {', '.join(names[:-1])} or {names[-1]}"
        raise SettingsError(complain("--out", str(out), ends, "change it"))
    if suffix == ".mp4":
        from nowcast.report.films import load_av

        load_av()
    if suffix == ".zarr":
        check_prediction_place(out)
    else:
        check_place(out)


def load_video_network(path: Path) -> LoadedNetwork:
    """Load a checkpoint that forecasts videos.

    Raises:
        CheckpointError: it cannot be read, or was trained on radar or on other channels than those of videos.
    """
    loaded = load_network(path)
    if loaded.meta.scaling is not None:
        remedy = f"forecast radar with 'nowcast forecast --archive ARCHIVE --model {path}'"
        raise CheckpointError(
            complain(str(path), "a network of radar", "one that was trained on videos", remedy)
        )
    if loaded.meta.channels not in _CHANNELS:
        raise CheckpointError(
            complain(
                str(path),
                f"a network of {loaded.meta.channels} channels",
                "gray (1) or colour (3)",
                "score it with 'nowcast bench'",
            )
        )
    return loaded


def transform_of(loaded: LoadedNetwork, path: Path) -> FrameTransform:
    """What a checkpoint's training did to the frames of its first source, the step of its window included.

    Raises:
        CheckpointError: its description names a source that this version does not know, or is none.
        SettingsError: that source's settings are not those of this version.
    """
    data = loaded.meta.experiment.get("data") or {}
    found = _transform(loaded.meta, _source(data, path), path)
    tied = getattr(loaded.model, "size", None)
    if found.size is None and tied is not None:
        found = replace(found, size=tuple(tied))
    every = build(ClipWindow, data["window"], f"{path}: window").every if "window" in data else 1
    return replace(found, step=found.step * every)


def _source(data: Any, path: Path) -> Mapping[str, Any] | None:
    """The first source of a training, as its description says; None where it names none."""
    sources = data.get("sources") or [None] if isinstance(data, Mapping) else data
    choice = sources[0] if isinstance(sources, (list, tuple)) else sources
    if choice is None:
        return None
    kind = choice.get("kind") if isinstance(choice, Mapping) else choice
    if not isinstance(kind, str) or kind not in SOURCES:
        expected = f"one of {', '.join(SOURCES)}"
        remedy = "forecast with the version that trained it"
        raise CheckpointError(complain(f"{path}: source", printable(repr(kind))[:80], expected, remedy))
    found: Mapping[str, Any] = choice
    return found


def _transform(meta: CheckpointMeta, choice: Mapping[str, Any] | None, path: Path) -> FrameTransform:
    colour: Any = "gray" if meta.channels == 1 else "rgb"
    if choice is None:
        return FrameTransform(colour, meta.size)
    settings: Any = build(SOURCES[choice["kind"]].settings, choice.get("settings") or {}, f"{path}: source")
    told: FrameTransform | None = getattr(settings, "transform", None)
    if told is not None:
        return replace(told, colour=colour)
    side = getattr(settings, "size", None)  # of digits: one number for both
    return FrameTransform(colour, (side, side) if isinstance(side, int) else meta.size)


def predict_video(
    video: Path,
    checkpoint: Path,
    loaded: LoadedNetwork,
    *,
    past: int | None = None,
    steps: int | None = None,
    start: int = 0,
    seed: int | None = None,
    size: tuple[int, int] | None = None,
    device: Device = "cpu",
    progress: bool = False,
) -> VideoForecast:
    """Forecast the frames that follow some of a video.

    Args:
        video: see `nowcast.data.one_video.read_stretch`.
        checkpoint: where the network was loaded from.
        loaded: a network of videos.
        past: how many frames it is given; None is as in training.
        steps: how many it forecasts; None is as in training.
        start: number of the first frame it is given; below 0 counted from the end.
        seed: of the future, for a stochastic network; None is that of its settings.
        size: rows and columns instead of those of training.
        device: where the network forecasts: ``cpu``, ``cuda`` (the first GPU) or ``auto`` (that, or the CPU).
        progress: say on stderr what it is at, if it takes long.

    Raises:
        SettingsError: numbers that cannot be, a seed for a network of one future, a size that the network
            does not take, or a device that is not there.
        FileError: the video cannot be read, or has too few frames.
    """
    past, steps = past or loaded.meta.past, steps or loaded.meta.future
    fewest = loaded.model.past_min
    if past < fewest:
        raise SettingsError(complain("--past", past, f"{fewest} or more for this network", "give more"))
    if seed is not None and not loaded.model.stochastic:
        expected = f"none: {loaded.meta.model} has one future"
        raise SettingsError(complain("--seed", seed, expected, "leave it out"))
    found_device = choose_device(device)
    transform = transform_of(loaded, checkpoint)
    if size is not None:
        transform = replace(transform, size=size)
    with Stages("predict", 2, progress) as stage:
        stage("read the video")
        stretch = read_stretch(video, transform, start, past + steps)
        if len(stretch.frames) < past:
            got = f"{len(stretch.frames)} frames from {stretch.first} on"
            remedy = "start earlier or give fewer with --past"
            raise SettingsError(complain(str(video), got, f"{past} or more without a gap", remedy))
        check_tied_size(loaded.model, stretch.frames.shape[-2:], "give --size {rows} {columns}")
        frames = from_bytes(stretch.frames)
        stage("forecast")
        prediction = _forecast(loaded, frames[:past], steps, seed, found_device)
    truth = frames[past:] if len(frames) == past + steps else None
    attributes = {
        "video": video.name,
        "first_frame": stretch.first,
        "frame_step": transform.step,
        "model": loaded.meta.model,
        "checkpoint": loaded.sha256[:12],
        "checkpoint_commit": loaded.meta.provenance.get("commit", "unknown"),
        "computed_on": f"{device_name(found_device)} in float32",
    }
    if seed is not None:
        attributes["seed"] = seed
    clip = PredictedClips(frames[None, :past], prediction[None], None if truth is None else truth[None])
    return VideoForecast(video.name, loaded.meta.model, clip, attributes)


def _forecast(loaded: LoadedNetwork, past: Any, steps: int, seed: int | None, device: Found) -> Any:
    """Forecast (S, C, H, W) in [0, 1] from (T, C, H, W).

    Raises:
        CheckpointError: the forecast is not finite.
        SettingsError: the GPU's memory does not do.
    """
    network = AnySize(fast_on(device, loaded.model, torch.float32))
    try:
        made = forecast_on(device, network, torch.from_numpy(past)[None], steps, seed=seed)
    except torch.OutOfMemoryError as error:
        what = "GPU memory for {} x {}".format(*past.shape[-2:])
        remedy = "give a smaller --size or --device cpu, or end what else runs on the GPU"
        raise SettingsError(complain(what, "out of memory", "some for the forecast", remedy)) from error
    found = loaded.model.frames(made[None])[0]
    if not bool(torch.isfinite(found).all()):
        raise CheckpointError(
            complain("forecast", "values that are not finite", "numbers", "train again with a lower rate")
        )
    return found.clamp(0, 1).numpy()


def write_video_forecast(out: Path, forecast: VideoForecast) -> None:
    """Write a forecast as the end of the name says, whole or not at all.

    Raises:
        SettingsError, MissingExtraError, FileError: as `check_format`.
    """
    check_format(out)
    suffix = out.suffix.lower()
    if suffix == ".npz":
        write_npz(out, forecast.clip, forecast.attributes)
    elif suffix == ".zarr":
        with whole_folder(out) as folder:
            PredictionStore(folder, [0], forecast.attributes | {"clip_names": [forecast.name]}).add(
                forecast.clip
            )
    else:
        _draw(out, forecast)


def _draw(out: Path, forecast: VideoForecast) -> None:
    from nowcast.report.sheets import SheetRow, draw_animation, draw_sheet

    clip = forecast.clip
    past, prediction = _pixels(clip.past[0]), _pixels(clip.prediction[0])
    truth = None if clip.truth is None else _pixels(clip.truth[0])
    rows = [SheetRow(forecast.model, prediction)]
    if out.suffix.lower() == ".png":
        draw_sheet(out, past, truth, rows, _SHEET_COLUMNS)
    else:
        draw_animation(out, past, truth, rows)


def _pixels(frames: Any) -> Any:
    return np.rint(frames * 255).astype(np.uint8)
