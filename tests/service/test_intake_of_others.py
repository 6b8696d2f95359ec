"""A service takes polar volumes and files of any naming as `nowcast ingest` does."""

import numpy as np
import pytest

from nowcast.archive.reader import Archive
from nowcast.core.settings import build
from nowcast.service.intake import _ingest
from nowcast.service.settings import ServiceSettings
from tests.fakes import polar

NOW = np.datetime64("2025-03-01T12:30", "ns")


def settings(tmp_path, **more):
    return build(
        ServiceSettings,
        {
            "name": "s",
            "archive": str(tmp_path / "a.zarr"),
            "output": str(tmp_path / "o"),
            "inputs": [{"folder": str(tmp_path)}],
            "step_minutes": 5,
            **more,
        },
    )


@pytest.mark.slow
def test_volumes_are_gridded_and_files_mapped_as_the_settings_say(tmp_path):
    files = [
        polar.write_odim(tmp_path / f"v{k}.h5", {0.5: polar.sweep(20.0)}, f"2025-03-01T12:0{5 * k}:00")
        for k in range(2)
    ]
    assert "is a polar volume" in next(iter(_ingest(settings(tmp_path), files, NOW).values()))
    chosen = settings(tmp_path, polar={"method": "maximum", "cell_km": 4, "radius_km": 40})
    assert _ingest(chosen, files, NOW) == {}
    assert len(Archive.open(tmp_path / "a.zarr").times) == 2
    stack = tmp_path / "m.yaml"
    stack.write_text(
        "{name: m, unit: dBZ, time: {start: 2025-03-01T12:00}, "
        "grid: {crs: 'EPSG:32633', unit: km, west: 0, east: 4, south: 0, north: 3}}"
    )
    np.save(tmp_path / "x.npy", np.full((3, 4), 20.0))
    mapped = settings(tmp_path, mapping=str(stack), archive=str(tmp_path / "b.zarr"))
    assert _ingest(mapped, [tmp_path / "x.npy"], NOW) == {}
    assert Archive.open(tmp_path / "b.zarr").grid.shape == (3, 4)
