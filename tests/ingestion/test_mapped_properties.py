"""Random encodings through a mapping: no pixel of one kind of absence is taken for another, or for a value."""

import numpy as np
import pytest

from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.settings import build
from nowcast.ingestion.mapped.settings import Mapping
from nowcast.ingestion.mapped.values import value_decoder

TYPES = ("u1", "i1", "u2", "i2", "i4", "f4", "f8")


def encoding(rng):
    """A mapping, stored numbers, what each is (-1 not observed, 0 no echo, 1 a value), and as numbers."""
    dtype = np.dtype(str(rng.choice(TYPES)))
    whole = dtype.kind != "f"
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if whole else (-32768, 32767)
    low, high = max(low, -2000), min(high, 2000)
    marks = rng.choice(np.arange(low, high + 1), 6, replace=False).astype(float)
    if not whole:
        marks += rng.choice([0.0, 0.1, -0.9])
    gone, dry = marks[:2], marks[2:4]
    edge = sorted(marks[4:].tolist())
    ranged = str(rng.choice(["not_observed", "no_echo"]))
    scale = float(rng.choice([0.5, 0.4, 0.01]))
    offset = float(rng.choice([-32.0, 10.0, -8.25])) - min(0.0, low * scale)
    scale, offset = scale / max(1.0, (high - low) * scale / 60.0), min(offset, 30.0)
    settings = {
        "name": "a",
        "unit": "dBZ",
        "scale": scale,
        "offset": max(offset, -20.0 - low * scale),
        "not_observed": {"values": gone.tolist()},
        "no_echo": {"values": dry.tolist()},
    }
    settings[ranged]["ranges"] = [edge]
    raw = np.concatenate([marks, rng.integers(low, high + 1, 30).astype(float)]).astype(dtype)
    number = raw.astype(np.float64)
    stored_gone, stored_dry = (v.astype(dtype).astype(np.float64) for v in (gone, dry))
    kind = np.ones(raw.shape, int)
    bounds = np.array(edge).astype(dtype).astype(np.float64)
    kind[(number >= bounds[0]) & (number <= bounds[1])] = -1 if ranged == "not_observed" else 0
    kind[np.isin(number, stored_dry)] = 0
    kind[np.isin(number, stored_gone)] = -1
    return settings, raw.reshape(4, 9), kind.reshape(4, 9), number.reshape(4, 9)


@pytest.mark.parametrize("count", [200, pytest.param(20_000, marks=pytest.mark.slow)])
def test_no_pixel_is_misread(count, tmp_path):
    rng = np.random.default_rng(count)
    misread = 0
    for _ in range(count):
        settings, raw, kind, number = encoding(rng)
        mapping = build(Mapping, settings)
        dbz = value_decoder(tmp_path, mapping, raw.dtype)(raw)
        expected = np.where(
            kind < 0, np.nan, np.where(kind == 0, NO_ECHO_DBZ, number * mapping.scale + mapping.offset)
        )
        misread += int((~np.isclose(dbz, np.maximum(expected, NO_ECHO_DBZ), atol=1e-3, equal_nan=True)).sum())
    assert misread == 0
