"""The Python of the how-to on clusters, run as it stands, with its local cluster."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "cluster.md"


@pytest.mark.slow
def test_the_local_cluster_of_the_how_to_runs(tmp_path, monkeypatch, capsys):
    from nowcast.demo.run import DemoSettings, write_files
    from nowcast.demo.storm import StormSettings
    from nowcast.workflows.ingest import ingest

    files = write_files(DemoSettings(storms=StormSettings(frames=18, size=32)), tmp_path / "radar", False)
    ingest(files, tmp_path / "italy.zarr", 1, progress=False)
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.M | re.S)
    for code in [block for block in blocks if "Cluster(" not in block]:
        exec(compile(code, PAGE.name, "exec"), {})
    said = capsys.readouterr().out
    assert re.match(r"june.zarr: 3 forecasts, 3 of them made in", said), said
    assert len(re.findall(r"\d+\.", said.partition("were there")[2])) == 3
