"""Every notebook of the documentation runs from top to bottom in an empty folder."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))


def test_there_is_one():
    assert [p.name for p in NOTEBOOKS] == ["python-api.ipynb"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the notebook client's own libraries
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_it_runs(path, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "clear the outputs before checking it in"
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert "13 new frames" in shown
    lines = [line.split() for line in shown.splitlines() if "CSI at 20 dBZ" in line]
    scores = {line[0]: float(line[-1]) for line in lines}
    assert set(scores) == {"persistence", "extrapolation", "motionrnn"}
    assert all(0.4 < score < 1 for score in scores.values()), scores
    assert (tmp_path / "skill" / "index.html").stat().st_size > 10_000
