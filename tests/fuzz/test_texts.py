"""Any change of a text that people write (settings, benchmarks, thresholds) is one line or is meant."""

import json
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import strategies as st

from nowcast.bench.benchmark import read_benchmark
from nowcast.core.errors import NowcastError
from nowcast.core.plain_values import parse_yaml
from nowcast.core.settings import plain
from nowcast.forecasters.calibration_file import ModelCalibration, read_calibration, write_calibration
from nowcast.forecasters.decision_thresholds import DecisionThresholds
from nowcast.models.configuration import read_configuration
from nowcast.postprocessing.dressing import SHARES, DressingTable
from nowcast.postprocessing.reliability import BINS, ReliabilityTable
from nowcast.training.experiment import read_experiment
from tests.fakes.benchmarks import TINY
from tests.fakes.endings import SECONDS, TRIED, ended
from tests.fakes.mutations import WORDS, damaged_bytes, damaged_json, hunt

CONFIGS = Path(__file__).parents[2] / "configs"
EXPERIMENT = {
    "data": {
        "sources": [{"kind": "radar_archive", "settings": {"path": "a.zarr"}}],
        "window": {"past": 4, "future": 6},
        "crop": [16, 16],
    },
    "model": {
        "name": "convlstm",
        "settings": {"hidden": [4], "filter_size": 3, "patch": 2},
        "exceedance_probability": {"thresholds_dbz": [20, 30]},
        "lagrangian": {"fastest": 9.0},
    },
    "training": {"steps": 3, "batch": 2, "loss": "log_score"},
}
SERVICE = {
    "name": "a",
    "archive": "a.zarr",
    "output": "out",
    "inputs": [{"path": "in"}],
    "lead_times": 3,
    "model_settings": {"past": 3},
    "thresholds_dbz": [20.0],
    "products": {"maps": False},
}
READERS = {
    "experiment": (EXPERIMENT, read_experiment),
    "benchmark": (TINY, read_benchmark),
    "model": (yaml.safe_load((CONFIGS / "model" / "convlstm_shanghai.yaml").read_text()), read_configuration),
}


def ends(read, path, kind):
    """Read a file; what it gives, or None when it was refused with an error of ours, soon."""
    began = time.perf_counter()
    TRIED[kind] += 1
    try:
        return read(path)
    except NowcastError:
        TRIED[f"{kind}, refused"] += 1
        return None
    finally:
        assert time.perf_counter() - began < SECONDS


@pytest.mark.parametrize("kind", READERS)
def test_any_setting_of_any_value(kind, times, tmp_path):
    document, read = READERS[kind]
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    read(path)

    def check(data):
        changed, _ = data.draw(damaged_json(document))
        path.write_text(yaml.safe_dump(changed), encoding="utf-8")
        found = ends(read, path, f"settings of a {kind}")
        if found is not None:  # what was taken is what was written, wherever it was written
            kept = plain(found)
            for key in ("title", "source", "past", "future", "seeds", "name"):
                if isinstance(changed, dict) and key in changed and key in kept:
                    assert kept[key] == changed[key]

    hunt(check, 60, times)


@pytest.mark.parametrize("kind", READERS)
def test_any_bytes_in_a_file_of_settings(kind, times, tmp_path):
    document, read = READERS[kind]
    whole, path = yaml.safe_dump(document, sort_keys=False).encode(), tmp_path / "c.yaml"

    def check(data):
        path.write_bytes(data.draw(damaged_bytes(whole, words=WORDS)))
        ends(read, path, f"bytes of a {kind}")

    hunt(check, 50, times)


def test_any_service(times, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "s.yaml"

    def check(data):
        if data.draw(st.booleans()):
            changed, _ = data.draw(damaged_json(SERVICE))
            path.write_text(yaml.safe_dump(changed), encoding="utf-8")
        else:
            path.write_bytes(data.draw(damaged_bytes(yaml.safe_dump(SERVICE).encode(), words=WORDS)))
        code, line, _ = ended(["status", "--config", path], kind="services")
        assert code == 2
        assert line

    hunt(check, 80, times)
    assert [p.name for p in tmp_path.iterdir()] == ["s.yaml"]


def test_any_yaml_means_what_the_library_says_or_is_refused(times):
    """What our bounded reader takes has the very values that PyYAML's safe loader gives."""
    whole = yaml.safe_dump(EXPERIMENT).encode()

    def check(data):
        text = data.draw(damaged_bytes(whole, words=WORDS)).decode("utf-8", "replace")
        TRIED["texts of YAML"] += 1
        try:
            found = parse_yaml(text)
        except ValueError:
            TRIED["texts of YAML, refused"] += 1
            return
        assert repr(found) == repr(yaml.safe_load(text))

    hunt(check, 80, times)


def test_any_assignment(times, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(EXPERIMENT), encoding="utf-8")
    read_experiment(path)
    keys = st.sampled_from(
        [
            "training.steps",
            "data.sources.0.settings.path",
            "data.window",
            "model",
            "model.lagrangian.fastest",
            "x.y.z",
            "data.sources.7",
            "...",
            "",
            "data.crop",
            "training.precision",
        ]
    )
    values = st.text(max_size=20) | st.sampled_from([w.decode("utf-8", "replace") for w in WORDS])

    def check(data):
        given = f"{data.draw(keys)}={data.draw(values)}"
        ends(lambda where: read_experiment(where, [given]), path, "assignments")

    hunt(check, 80, times)


def test_any_calibration(times, tmp_path):
    path = tmp_path / "a.calibration.json"
    chosen = DecisionThresholds(
        "persistence",
        "persistence {}",
        "dbz",
        (20.0, 30.0),
        (10.0, 20.0),
        ((19.0, 18.0), (29.0, 28.0)),
        ((0.5, None), (0.25, 0.125)),
        ((0.5, 0.5), (0.2, 0.1)),
    )
    table = ((((0.25,) * SHARES,) * SHARES,),)
    dressing = DressingTable((20.0,), (10.0,), ((9.0,),), table)
    counts = (((5.0,) * BINS,),)
    reliability = ReliabilityTable((20.0,), (10.0,), counts, (((0.5,) * BINS,),), (((0.25,) * BINS,),))
    sound = ModelCalibration(chosen.model, chosen.identity, chosen, dressing, None, reliability, 3.5)
    write_calibration(path, [sound], {"period": "2025"})
    whole = path.read_bytes()

    def check(data):
        if data.draw(st.booleans()):
            changed, where = data.draw(damaged_json(json.loads(whole)))
            path.write_text(json.dumps(changed))
        else:
            path.write_bytes(data.draw(damaged_bytes(whole, words=WORDS)))
            where = None
        found = ends(read_calibration, path, "calibrations")
        if found is not None and where and all(place[0] == "made" for place in where):
            assert found.models == (sound,)

    hunt(check, 100, times)
