"""The floors of the house hold: nothing imports upwards or across, start-up stays light."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_import_contracts_hold():
    command = "from importlinter.cli import lint_imports_command as run; run()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_no_file_is_named_for_nothing():
    banned = {"utils", "helpers", "common", "misc", "impl"}
    names = [p for p in (ROOT / "nowcast").rglob("*.py") if p.stem.strip("_") in banned]
    assert names == []


def test_every_file_says_what_it_is():
    silent = [
        str(p.relative_to(ROOT))
        for p in (ROOT / "nowcast").rglob("*.py")
        if not p.read_text(encoding="utf-8").lstrip().startswith(('"""', 'r"""'))
    ]
    assert silent == []


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from nowcast.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch','xarray','pandas','numpy','matplotlib','dask','zarr'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ingest" in done.stdout


def test_the_drawing_of_the_house_is_up_to_date():
    """Where this fails, run ``python scripts/draw_architecture.py`` and look at what has changed."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "draw_architecture.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"docs/explanation/architecture.svg is out of date {done.stderr}"
