"""Every notebook of the documentation runs from top to bottom and shows what is stored in it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
LARGEST = 60_000
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import run_notebooks

    return run_notebooks


def test_these_are_there():
    assert [p.stem for p in NOTEBOOKS] == [
        "compare-models",
        "kth-benchmark",
        "own-radar",
        "python-api",
        "write-a-network",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_what_it_shows_is_stored_small_and_names_no_place_of_a_machine(path, script):
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert outputs, "run: python scripts/run_notebooks.py"
    assert all(output.output_type != "error" and output.get("name") != "stderr" for output in outputs)
    assert path.stat().st_size < LARGEST
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(tmp|home|root|work)/", text)
    assert any(len(line) > 10 for line in script.shown(notebook))


def close(shown: str, stored: str) -> bool:
    """The same words, and numbers within a tenth or 0.05; lines that tell a speed are left out."""
    one, two = ("\n".join(x for x in text.splitlines() if "frames/s" not in x) for text in (shown, stored))
    if _NUMBER.sub("#", one).split() != _NUMBER.sub("#", two).split():
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(two), strict=True)
    return all(abs(float(a) - float(b)) <= 0.05 + 0.1 * abs(float(b)) for a, b in pairs)


def test_what_is_close():
    assert close("CSI 0.41\n12 frames in 3 s (4 frames/s)", "CSI  0.43\n12 frames in 9 s (1 frames/s)")
    assert not close("CSI 0.41", "CSI 0.61")
    assert not close("CSI 0.41", "MAE 0.41")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the notebook client's own libraries
@pytest.mark.filterwarnings("ignore:IPython parent:UserWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_it_runs(path, tmp_path, script, monkeypatch):
    import nbformat

    for name in ("PYTHONPATH", "IPYTHONDIR"):
        monkeypatch.setenv(name, "")  # put back after what the script sets
    stored = script.shown(nbformat.read(path, as_version=4))
    shown = script.shown(script.execute(path, tmp_path))
    if path.name != "python-api.ipynb":  # its Datasets carry the time at which they were made
        assert [pair for pair in zip(shown, stored, strict=True) if not close(*pair)] == []
        return
    assert "13 new frames" in "".join(shown)
    lines = [line.split() for line in "\n".join(shown).splitlines() if "CSI at 20 dBZ" in line]
    scores = {line[0]: float(line[-1]) for line in lines}
    assert set(scores) == {"persistence", "extrapolation", "motionrnn"}
    assert all(0.4 < score < 1 for score in scores.values()), scores
    assert (tmp_path / "skill" / "index.html").stat().st_size > 10_000
