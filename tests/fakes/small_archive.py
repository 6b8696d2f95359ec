"""A real archive of a few small frames, by the whole way: ODIM_H5 files, ingest, Zarr."""

import numpy as np

from nowcast.products.odim_h5 import write_composite
from nowcast.workflows.ingest import ingest
from tests.fakes.fields import moving_disc, projected_grid


def write_archive(folder, frames=12, missing=()):
    """Ingest a moving disc, all but the frames named in ``missing``; gives the archive and its field."""
    grid = projected_grid(24, 32)
    field = moving_disc(grid, frames, velocity=(0.5, 1.0))
    field[:, :, :3] = np.nan
    for index, frame in enumerate(field):
        if index not in missing:
            moment = frame["time"].values
            write_composite(folder / "files" / f"{index:03d}.h5", frame.values, moment, grid)
    step = np.timedelta64(10, "m")
    report = ingest([folder / "files"], folder / "disc.zarr", workers_count=1, progress=False, step=step)
    assert not report.problems
    return folder / "disc.zarr", field
