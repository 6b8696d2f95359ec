"""Ingest on a dask cluster: the archive of one process; a file that ends its worker is that file's problem."""

import pytest

from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.engine import open_engine
from nowcast.workflows.ingest import ingest
from tests.fakes import cf
from tests.fakes.deadly_reader import DeadlyReader


@pytest.mark.slow
def test_ingest_on_a_cluster_makes_the_archive_of_one_process(tmp_path, monkeypatch, capsys):
    (tmp_path / "in").mkdir()
    for day in range(1, 6):
        start = f"2025-03-0{day}"
        cf.write_italian(tmp_path / "in" / f"{start}.nc", cf.frames(4, seed=day), cf.times(start, 4))
    (tmp_path / "in" / "2025-03-06.nc").write_bytes(b"CDF\x01 and nothing more")
    alone = ingest([tmp_path / "in"], tmp_path / "alone.zarr", 1, progress=False)
    monkeypatch.chdir(tmp_path)
    with open_engine(2) as engine:
        address = engine._client.scheduler.address
        assert main(["ingest", "in", "--archive", "together.zarr", "--scheduler", address]) == 2
        deadly = ingest(
            ["in"],
            tmp_path / "deadly.zarr",
            progress=False,
            reader=DeadlyReader("2025-03-03"),
            file_seconds=60.0,
            engine=engine,
        )
    said = capsys.readouterr()
    assert "20 new frames" in said.out
    assert [str(p) for p in alone.problems] == [
        line.strip() for line in said.err.splitlines() if line.startswith("  ")
    ]
    one, other = Archive.open(tmp_path / "alone.zarr"), Archive.open(tmp_path / "together.zarr")
    assert one.fingerprint == other.fingerprint
    assert all((one.packed(t) == other.packed(t)).all() for t in one.times)
    assert deadly.frames == 16
    told = [str(p) for p in deadly.problems if "crashed its process" in str(p)]
    assert len(told) == 1
    assert "2025-03-03.nc: opening it crashed its process or did not end within 60 s" in told[0]
