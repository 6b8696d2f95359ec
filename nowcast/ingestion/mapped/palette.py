"""Colours of a picture to dBZ: each colour must be one that the mapping names, or near one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, SettingsError, complain
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.mapped.settings import Mapping, PictureSettings
from nowcast.ingestion.mapped.values import value_decoder
from nowcast.ingestion.readers.lazy import Frame

_COLOUR = re.compile(r"#[0-9a-f]{6}")
_TRANSPARENT = 1 << 24
_MOST_COLOURS = 4096
_MOST_NAMED = 4


@dataclass(frozen=True, eq=False)
class Palette:
    """Colours (24 bits, or `_TRANSPARENT`), what each is in dBZ, and which only hide what lies under them."""

    colours: npt.NDArray[np.int64]
    dbz: Frame
    ignored: npt.NDArray[np.bool_]
    tolerance: int

    def decode(self, path: Path, pixels: npt.NDArray[np.uint8]) -> tuple[Frame, npt.NDArray[np.bool_]]:
        """Return dBZ of RGBA pixels (H, W, 4), and where a colour stands that is ignored.

        Raises:
            FileError: colours that are not in the palette, with their number of pixels.
        """
        wide = pixels.astype(np.int64)
        packed = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
        packed[pixels[..., 3] == 0] = _TRANSPARENT
        found, place, count = np.unique(packed, return_inverse=True, return_counts=True)
        entry = self._nearest(found)
        unknown = np.flatnonzero(entry < 0)
        if len(unknown):
            raise _unknown(path, found[unknown], count[unknown])
        entry = entry[place.reshape(packed.shape)]
        return self.dbz[entry], self.ignored[entry]

    def _nearest(self, found: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
        """Return for each colour the entry of the palette that is within the tolerance and nearest, else -1."""
        best = np.full(len(found), -1, np.intp)
        distance = np.full(len(found), self.tolerance + 1, np.int64)
        for number, colour in enumerate(self.colours):
            apart = np.where(found == colour, 0, self.tolerance + 1)
            if colour != _TRANSPARENT and self.tolerance:
                channels = [np.abs((found >> shift & 255) - (colour >> shift & 255)) for shift in (16, 8, 0)]
                apart = np.where(found == _TRANSPARENT, apart, np.max(channels, axis=0))
            nearer = apart < distance
            best[nearer], distance[nearer] = number, apart[nearer]
        return best


def palette_of(path: Path, mapping: Mapping) -> Palette:
    """Return the palette that a mapping names; its values become dBZ as the mapping's unit says.

    Raises:
        SettingsError: a colour that is none, or is named twice.
    """
    settings = mapping.picture
    assert settings is not None
    check_colours(settings)
    decode = value_decoder(path, mapping, np.dtype(np.float64))
    values = decode(np.array([list(settings.classes.values())], np.float64))[0]
    rest = [
        (c, dbz, hidden)
        for colours, dbz, hidden in (
            (settings.no_echo, NO_ECHO_DBZ, False),
            (settings.not_observed, np.nan, False),
            (settings.ignored, np.nan, True),
        )
        for c in colours
    ]
    colours = [*settings.classes, *(c for c, _, _ in rest)]
    return Palette(
        np.array([_number(c) for c in colours], np.int64),
        np.concatenate([values, np.array([dbz for _, dbz, _ in rest], np.float32)]).astype(np.float32),
        np.array([False] * len(values) + [hidden for _, _, hidden in rest], np.bool_),
        settings.tolerance,
    )


def check_colours(settings: PictureSettings) -> None:
    """Refuse colours that are none, named twice, or a tolerance beyond a channel.

    Raises:
        SettingsError: with the colour.
    """
    if not 0 <= settings.tolerance <= 255:
        raise SettingsError(complain("picture.tolerance", settings.tolerance, "0 to 255", "give another"))
    colours = [*settings.classes, *settings.no_echo, *settings.not_observed, *settings.ignored]
    if not settings.classes or len(colours) > _MOST_COLOURS:
        raise SettingsError(
            complain(
                "picture.classes",
                len(colours),
                f"1 to {_MOST_COLOURS} colours",
                "name the colours of the legend",
            )
        )
    numbers = [_number(c) for c in colours]
    twice = next((c for i, c in enumerate(colours) if numbers[i] in numbers[:i]), None)
    if twice is not None:
        raise SettingsError(complain("picture", f"'{twice}' twice", "each colour once", "choose what it means"))


def _number(colour: str) -> int:
    text = colour.strip().lower()
    if text == "transparent":
        return _TRANSPARENT
    if not _COLOUR.fullmatch(text):
        raise SettingsError(
            complain(
                "picture",
                f"the colour '{colour[:40]}'",
                "'#rrggbb' or transparent",
                "write it in hexadecimal digits, in quotes",
            )
        )
    return int(text[1:], 16)


def _unknown(path: Path, colours: npt.NDArray[np.int64], counts: npt.NDArray[np.intp]) -> FileError:
    order = np.argsort(-counts, kind="stable")[:_MOST_NAMED]
    named = ", ".join(
        f"{'transparent' if c == _TRANSPARENT else f'#{c:06x}'} ({n} pixels)"
        for c, n in zip(colours[order].tolist(), counts[order].tolist(), strict=True)
    )
    more = f" and {len(colours) - len(order)} more colours" if len(colours) > len(order) else ""
    return FileError(
        f"{path}: got the colours {named}{more}, expected those of the mapping alone; add them to "
        "picture.classes, no_echo, not_observed or ignored, or set picture.tolerance"
    )
