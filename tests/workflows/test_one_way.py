"""There is one way from frames to a forecast: nobody but the workflow calls a forecaster."""

import ast
import subprocess
import sys
from pathlib import Path

import nowcast

ROOT = Path(__file__).resolve().parents[2] / "nowcast"
THE_WAY = {"workflows/forecast.py"}
MADE_OF_OTHERS = {"forecasters/average.py"}
"""A forecaster that asks its parts; to everybody else it is one forecaster."""


def callers(sources):
    """Files with a call of a method named ``forecast``, by name and line."""
    return {
        f"{name}:{node.lineno}"
        for name, text in sources.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "forecast"
    }


def test_a_second_caller_would_be_found():
    sources = {"a.py": "x = 1\nmodel.forecast(observed, leads)", "b.py": "forecast(archive, model)"}
    assert callers(sources) == {"a.py:2"}


def test_nobody_but_the_workflow_calls_a_forecaster():
    sources = {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8") for p in ROOT.rglob("*.py")}
    found = callers(sources)
    assert {place.split(":")[0] for place in found} == THE_WAY | MADE_OF_OTHERS, found
    assert len(found) == 2


def test_no_forecaster_has_a_second_method_for_probabilities():
    from nowcast.forecasters.base import Forecaster

    public = {name for name in vars(Forecaster) if not name.startswith("_")}
    assert public == {"name", "needs", "describe", "forecast"}
    for path in (ROOT / "forecasters").glob("*.py"):
        assert "def probabilities(" not in path.read_text(encoding="utf-8"), path.name


def test_the_api_is_whole_documented_and_light():
    for name in nowcast.__all__:
        found = getattr(nowcast, name)
        if name != "__version__":
            assert callable(found), name
            assert "Example:" in found.__doc__, name
            assert f"nowcast.{name}(" in found.__doc__, name
    assert set(nowcast.__all__) <= set(dir(nowcast))
    code = (
        "import sys, time; began = time.perf_counter(); import nowcast\n"
        "heavy = {'numpy', 'xarray', 'torch', 'dask', 'zarr', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert len([m for m in sys.modules if m.startswith('nowcast')]) <= 3\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
