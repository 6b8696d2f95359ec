"""Predicted frames beside the true ones: a sheet (rows: models, columns: times) and an animation.

Dimensions: T past frames, S forecast steps, C channels (1 or 3), H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from nowcast.core.files import whole_file
from nowcast.report.films import write_film

Pixels = npt.NDArray[np.uint8]
_GAP = 3
_HEAD = 20
_SIDE = 88
"""A frame is enlarged by the whole factor that brings it nearest to this many pixels."""
_STEP_MS, _LAST_MS = 220, 1400
_INK, _DIM = "#171c24", "#6b7480"


class SheetRow(NamedTuple):
    """The forecast of one model."""

    name: str
    frames: Pixels
    """(S, C, H, W)"""


def draw_sheet(
    path: Path, past: Pixels, future: Pixels | None, rows: Sequence[SheetRow], columns: int = 12
) -> Path:
    """Draw the truth on top and each model below it, as the figures of papers do, into one PNG.

    Args:
        path: the file, whole or not at all.
        past: (T, C, H, W), what all models were given.
        future: (S, C, H, W), what was observed then; None where nobody knows it.
        rows: forecasts of the same steps.
        columns: at most so many times; about a quarter show the past, the last one is the last lead time.
    """
    films = _beside(future, rows)
    given, forecast = _columns(len(past), len(films[0].frames), columns)
    stacks = [(t, {0: past[t]}) for t in given]
    stacks += [(len(past) + t, {number: film.frames[t] for number, film in enumerate(films)}) for t in forecast]
    names = [film.name for film in films]
    zoom, font = _zoom(past), ImageFont.load_default(12)
    high, wide = (side * zoom for side in past.shape[-2:])
    margin = 10 + max(round(font.getlength(name)) for name in names)
    size = (margin + len(stacks) * (wide + _GAP), _HEAD + len(names) * (high + _GAP))
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for column, (time, frames) in enumerate(stacks):
        left = margin + column * (wide + _GAP)
        draw.text((left + 2, 3), f"t = {time + 1}", font=font, fill=_DIM if time < len(past) else _INK)
        for number, frame in frames.items():
            picture.paste(_picture(frame, zoom), (left, _HEAD + number * (high + _GAP)))
    for number, name in enumerate(names):
        draw.text((4, _HEAD + number * (high + _GAP) + high // 2 - 8), name, font=font, fill=_INK)
    with whole_file(path) as part:
        picture.save(part, format="PNG", optimize=True)
    return path


def draw_differences(
    path: Path, future: Pixels, rows: Sequence[SheetRow], columns: int = 12, past: int = 0
) -> Path:
    """Draw forecast less truth of each model: red is too much, blue too little, white is right.

    Args:
        path: the PNG, whole or not at all.
        future: (S, C, H, W), what was observed.
        rows: forecasts of the same steps.
        columns: at most so many lead times, evenly, the last one among them.
        past: frames before the first of them, for the times above the columns.
    """
    few = min(columns, len(future))
    chosen = sorted({round((i + 1) * len(future) / few) - 1 for i in range(few)})
    zoom, font = _zoom(future), ImageFont.load_default(12)
    high, wide = (side * zoom for side in future.shape[-2:])
    margin = 10 + max(round(font.getlength(row.name)) for row in rows)
    size = (margin + len(chosen) * (wide + _GAP), _HEAD + len(rows) * (high + _GAP))
    picture = Image.new("RGB", size, "#c9d3df")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, margin - _GAP, size[1]), fill="white")
    draw.rectangle((0, 0, size[0], _HEAD - _GAP), fill="white")
    for column, time in enumerate(chosen):
        left = margin + column * (wide + _GAP)
        draw.text((left + 2, 3), f"t = {past + time + 1}", font=font, fill=_INK)
        for number, row in enumerate(rows):
            frame = _signed(row.frames[time], future[time])
            picture.paste(_picture(frame, zoom), (left, _HEAD + number * (high + _GAP)))
    for number, row in enumerate(rows):
        draw.text((4, _HEAD + number * (high + _GAP) + high // 2 - 8), row.name, font=font, fill=_INK)
    with whole_file(path) as part:
        picture.save(part, format="PNG", optimize=True)
    return path


def _signed(forecast: Pixels, truth: Pixels) -> Pixels:
    """The mean difference of the channels as red (above) or blue (below) on white, (3, H, W)."""
    apart = (forecast.astype(np.float32) - truth).mean(axis=0)
    fade = (255 - np.abs(apart)).clip(0, 255).astype(np.uint8)
    full = np.full_like(fade, 255)
    return np.stack([np.where(apart < 0, fade, full), fade, np.where(apart > 0, fade, full)])


def draw_animation(path: Path, past: Pixels, future: Pixels | None, rows: Sequence[SheetRow]) -> Path:
    """Draw truth and models side by side as they move, every frame, into one GIF or MP4.

    Args:
        path: the file, whole or not at all; its end says which.
        past: (T, C, H, W), shown by all until the forecast begins.
        future: (S, C, H, W), what was observed then; None where nobody knows it.
        rows: forecasts of the same steps.

    Raises:
        MissingExtraError: an MP4 without the extra ``video``.
    """
    films = [SheetRow(name, np.concatenate([past, frames])) for name, frames in _beside(future, rows)]
    pictures = [_panels(films, time, len(past)) for time in range(len(films[0].frames))]
    return write_film(path, pictures, _STEP_MS, _LAST_MS, 64 if past.shape[1] == 1 else 255)


def _beside(future: Pixels | None, rows: Sequence[SheetRow]) -> list[SheetRow]:
    return list(rows) if future is None else [SheetRow("truth", future), *rows]


def _panels(films: Sequence[SheetRow], time: int, past: int) -> Image.Image:
    """Lay the frames of one time in rows of at most four, each with its name, and the time above them all."""
    zoom, font = _zoom(films[0].frames), ImageFont.load_default(12)
    across = min(len(films), 4)
    high, wide = (side * zoom for side in films[0].frames.shape[-2:])
    high, wide = high + _HEAD, max(wide, *(round(font.getlength(film.name)) for film in films)) + 2 * _GAP
    down = -(-len(films) // across)
    picture = Image.new("RGB", (max(across * wide, 150), _HEAD + down * (high + _GAP)), "white")
    draw = ImageDraw.Draw(picture)
    heading = f"t = {time + 1}, {'given' if time < past else f'forecast {time - past + 1}'}"
    draw.text((_GAP, 3), heading, font=font, fill=_DIM if time < past else _INK)
    for number, film in enumerate(films):
        row, column = divmod(number, across)
        left, top = column * wide + _GAP, _HEAD + row * (high + _GAP)
        draw.text((left, top + 2), film.name, font=font, fill=_INK)
        picture.paste(_picture(film.frames[time], zoom), (left, top + _HEAD))
    return picture


def _columns(past: int, future: int, columns: int) -> tuple[list[int], list[int]]:
    """Choose times to show, from 0 each: the newest of the past, and the future evenly with its end."""
    columns = max(2, min(columns, past + future))
    forecast = min(future, max(columns - past, columns - columns // 4))
    given = min(past, columns - forecast)
    return (
        list(range(past - given, past)),
        sorted({round((i + 1) * future / forecast) - 1 for i in range(forecast)}),
    )


def _zoom(frames: Pixels) -> int:
    return max(1, round(_SIDE / int(max(frames.shape[-2:]))))


def _picture(frame: Pixels, zoom: int) -> Image.Image:
    """A frame (C, H, W) as a picture, each pixel a square."""
    shown: Any = frame[0] if len(frame) == 1 else frame.transpose(1, 2, 0)
    made = Image.fromarray(np.ascontiguousarray(shown)).convert("RGB")
    return made.resize((made.width * zoom, made.height * zoom), Image.Resampling.NEAREST)
