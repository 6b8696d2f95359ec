"""Not observed, no echo and values, encoded at random in every format: no pixel is of another kind."""

import shutil

import numpy as np
import pytest

from nowcast.ingestion.readers.catalog import READERS
from tests.fakes.absence import ENCODINGS, misread


def test_every_reader_is_tried():
    assert set(ENCODINGS) == set(READERS)


@pytest.mark.parametrize("name", ENCODINGS)
def test_no_pixel_is_misread_however_absence_is_encoded(name, times, tmp_path):
    rng = np.random.default_rng(20250301)
    for number in range(4 if times == 1 else 100):
        folder = tmp_path / str(number)
        folder.mkdir()
        path, dbz = ENCODINGS[name](folder, rng)
        found = READERS[name].open(path).values[0]
        assert misread(found, dbz) == 0, number
        shutil.rmtree(folder)


def test_a_pixel_of_another_kind_is_noticed(tmp_path):
    path, dbz = ENCODINGS["geotiff"](tmp_path, np.random.default_rng(1))
    found = READERS["geotiff"].open(path).values[0]
    for wrong, right in ((np.nan, -32.0), (-32.0, np.nan)):
        place = np.argwhere(np.isnan(dbz) if np.isnan(right) else dbz == right)[0]
        changed = found.copy()
        changed[tuple(place)] = wrong
        assert misread(changed, dbz) == 1
