"""The wheel alone: built, installed where no checkout is, and every command run by the names in it."""

import email
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.request
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from nowcast.core.version import __version__

ROOT = Path(__file__).resolve().parents[1]
LARGEST_MB = 25.0
"""What a download may take; the weights are most of it."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the files of this checkout as pip builds it, without a network."""
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("wheel")
    command = [
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--wheel-dir",
        str(out),
    ]
    done = subprocess.run(
        [sys.executable, "-m", *command, str(ROOT)], cwd=out, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (found,) = out.glob("*.whl")
    return found


def test_everything_that_is_needed_is_in_it_and_nothing_else(wheel):
    assert wheel.name == f"nowcast-{__version__}-py3-none-any.whl"
    assert wheel.stat().st_size < LARGEST_MB * 1e6
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
        info = {
            Path(name).name: opened.read(name).decode() for name in opened.namelist() if ".dist-info/" in name
        }
    files = [p.relative_to(ROOT) for folder in ("nowcast", "configs") for p in (ROOT / folder).rglob("*")]
    wanted = {p for p in files if (ROOT / p).is_file() and "__pycache__" not in p.parts}
    assert names == {str(Path("nowcast") / p if p.parts[0] == "configs" else p) for p in wanted}
    assert {"nowcast/py.typed", "nowcast/weights/motionrnn.safetensors", "nowcast/__main__.py"} <= names
    assert "nowcast/configs/experiment/base/italy.yaml" in names
    told = email.message_from_string(info["METADATA"])
    assert (told["Version"], told["License-Expression"]) == (__version__, "Apache-2.0")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = [re.sub(r"[ \[].*|[<>=!].*", "", line).lower() for line in project["dependencies"]]
    needed = [
        re.sub(r"[ \[].*|[<>=!].*", "", r).lower() for r in told.get_all("Requires-Dist") if "extra ==" not in r
    ]
    assert sorted(needed) == sorted(core)
    assert info["entry_points.txt"].strip() == "[console_scripts]\nnowcast = nowcast.cli.main:main"
    assert "Apache License" in info["LICENSE"]


@pytest.fixture
def nowcast(wheel, tmp_path):
    """Runs the installed command in an empty folder; of the checkout nothing is in sight."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    command = ["pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", *command], check=True)
    # The libraries are those of the environment that runs the tests, less its own nowcast: a folder that is
    # named in a .pth file is searched, and its .pth files, which name the checkout, are not read.
    (site,) = (home / "lib").glob("python*/site-packages")
    libraries = {str(Path(find_spec(name).origin).parents[1]) for name in ("torch", "zarr", "shtab")}
    (site / "libraries.pth").write_text("\n".join(libraries))
    here = tmp_path / "work"
    here.mkdir()
    known = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "LD_LIBRARY_PATH") if name in os.environ}
    environment = {"PATH": f"{home / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path), **known}

    def run(*arguments, code=0, by="nowcast"):
        done = subprocess.run(
            [str(home / "bin" / by), *arguments],
            cwd=here,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    run.here, run.site, run.command, run.environment = here, site, str(home / "bin" / "nowcast"), environment
    return run


def asks_the_server(nowcast, place, path):
    """What `nowcast serve` answers, in a process that is ended afterwards."""
    with subprocess.Popen(
        [nowcast.command, "serve", place, "--port", "0"],
        cwd=nowcast.here,
        env=nowcast.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            address = re.match(r"http://127\.0\.0\.1:\d+", server.stdout.readline())[0]
            with urllib.request.urlopen(address + path) as answer:
                return answer.status, answer.read().decode()
        finally:
            server.terminate()


FILES = """
from pathlib import Path
from nowcast.demo.run import DemoSettings, write_files
from nowcast.demo.storm import StormSettings
storms = StormSettings(frames=14, size=64, cell_km=1.0, step_minutes=10)
write_files(DemoSettings(storms=storms), Path("radar"), False)
"""


def test_the_installed_package_does_everything_by_name(nowcast):
    assert nowcast("--version").startswith(f"nowcast {__version__} (python 3.")
    found = json.loads(nowcast("-m", "nowcast", "doctor", "--json", by="python"))
    assert found["nowcast"] == {
        "version": __version__,
        "commit": "unknown",
        "folder": str(nowcast.site / "nowcast"),
    }
    assert {"astm", "lmc_memory", "motionrnn"} <= set(found["networks"])
    assert found["wrong"] == []

    assert "italy_motionrnn " in nowcast("configs", "list", "experiment")
    small = ["training.steps=1", "training.batch=1", "data.validation_clips=1", "training.accelerator=cpu"]
    trained = nowcast("train", "moving_digits_convlstm", "--set", *small)
    best = trained.split("best on validation: ")[1].splitlines()[0]
    assert (nowcast.here / best).is_file()

    tested = ["test_sources.0.settings.count=2", "sheets.clips=[]"]
    out = nowcast("bench", "digits_small", "--models", "copy last", "--set", *tested, "--out", "bench")
    assert "copy last" in out
    assert (nowcast.here / "bench" / "index.html").is_file() or "page:" in out

    nowcast("-c", FILES, by="python")
    nowcast("ingest", "radar", "--archive", "storms.zarr", "--workers", "1")
    nowcast(
        "forecast", "--archive", "storms.zarr", "--model", "motionrnn", "--leads", "2", "--out", "nowcast.nc"
    )
    assert (nowcast.here / "nowcast.nc").stat().st_size > 1000
    text = nowcast("at", "45.0", "10.0", "--forecast", "nowcast.nc", "--z-r", "marshall_palmer", "--json", "-")
    assert json.loads(text)
    assert asks_the_server(nowcast, "nowcast.nc", "/health")[0] == 200
    period = json.loads(nowcast("info", "storms.zarr", "--json"))
    span = f"{period['first'].rstrip('Z')}/{period['last'].rstrip('Z')}"
    models = ["--models", "persistence,motionrnn", "--leads", "2", "--workers", "1"]
    nowcast("verify", "--archive", "storms.zarr", *models, "--period", span, "--out", "skill")
    assert "motionrnn,csi," in (nowcast.here / "skill" / "scores.csv").read_text()
    assert "</html>" in (nowcast.here / "skill" / "index.html").read_text()

    shutil.rmtree(nowcast.here / "storms.zarr")
    service = [
        "archive=storms.zarr",
        "output=out",
        "inputs.0.folder=radar",
        "step_minutes=10",
        "settle_seconds=0",
    ]
    assert nowcast("cycle", "--config", "example", "--set", *service).startswith("published: ")
    assert "newest" in nowcast("status", "--config", "example", "--set", *service, code=1)
