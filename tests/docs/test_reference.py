"""What the pages of reference and the how-tos state is what the code does."""

import dataclasses
import re
import typing
from pathlib import Path

import numpy as np
import yaml

from nowcast.archive.reader import Archive
from nowcast.core.rain import Z_R
from nowcast.core.settings import build, plain
from nowcast.ingestion.readers.catalog import READERS
from nowcast.models.exceedance.cascade import CascadeSettings
from nowcast.models.exceedance.unet import ContextUNetSettings
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.lagrangian.wrapper import LagrangianSettings
from nowcast.scores import i3d
from nowcast.scores.catalog import DEFAULT_SCORES, METRICS
from nowcast.scores.lpips_weights import default_file
from nowcast.scores.protocols import PROTOCOLS, build_protocols
from nowcast.service.settings import ServiceSettings
from nowcast.training.experiment import Experiment
from nowcast.training.reverse_sampling import ReverseSampling

DOCS = Path(__file__).resolve().parents[2] / "docs"


def _rows(page):
    """First two cells of each row of a page's tables whose first is code: {first: second}."""
    text = (DOCS / page).read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`|]+)` \| ([^|]*?) \|", text, flags=re.M)
    assert len(rows) == len({name for name, _ in rows})
    return {name: cell.strip("`") for name, cell in rows}


def _leaves(kind, value, where=""):
    """Every setting below a dataclass with the value it has."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        inner, name = getattr(value, field.name), f"{where}{field.name}"
        if dataclasses.is_dataclass(inner):
            yield from _leaves(type(inner), inner, f"{name}.")
        else:
            yield name, inner, hints[field.name]


def test_every_setting_of_an_experiment_stands_there_with_its_default():
    least = {
        "name": "x",
        "model": {"name": "convlstm"},
        "data": {"sources": [{"kind": "radar_cache"}]},
        "training": {"steps": 1},
    }
    told = _rows("reference/configuration.md")
    found = {name: value for name, value, _ in _leaves(Experiment, build(Experiment, least))}
    around = {
        "exceedance_probability": ExceedanceProbabilitySettings(),
        "exceedance_probability.cascade": CascadeSettings(),
        "exceedance_probability.cascade.context_unet": ContextUNetSettings(),
        "lagrangian": LagrangianSettings(),
    }
    for part, settings in around.items():
        found |= {f"model.{part}.{f.name}": getattr(settings, f.name) for f in dataclasses.fields(settings)}
    reverse = ReverseSampling()
    found |= {
        f"training.sampling.reverse.{f.name}": getattr(reverse, f.name) for f in dataclasses.fields(reverse)
    }
    found["model.lagrangian.flow"] = {}
    assert set(told) == set(found)
    for name, value in found.items():
        if name in ("name", "model.name", "data.sources", "training.steps"):
            continue
        stated = yaml.safe_load(told[name])
        plain = list(value) if isinstance(value, tuple) else value
        assert type(plain)(stated) == plain if plain is not None else stated is None, name


def test_every_setting_of_a_service_stands_in_its_how_to_with_its_default():
    least = {"name": "x", "archive": "x.zarr", "output": "out", "inputs": [{"folder": "in"}]}
    told = _rows("howto/schedule-nowcasts.md")
    found = {name: value for name, value, _ in _leaves(ServiceSettings, build(ServiceSettings, least))}
    assert list(told) == list(found)
    for name, value in found.items():
        assert name in least or yaml.safe_load(told[name]) == plain(value), name


def test_readers_and_z_r_relations_are_listed_with_their_numbers():
    told = _rows("howto/ingest-radar-files.md")
    assert set(READERS) <= set(told)
    text = (DOCS / "howto" / "ingest-radar-files.md").read_text(encoding="utf-8")
    stated = {n: (float(a), float(b)) for n, a, b in re.findall(r"\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \|", text)}
    assert stated == {name: (relation.a, relation.b) for name, relation in Z_R.items()}


def test_ones_own_radar_gets_into_an_archive_as_the_page_says(tmp_path, monkeypatch):
    page = (DOCS / "howto" / "bring-your-own-radar.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.M | re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "bring-your-own-radar.md", "exec"), {})
    archive = Archive.open(tmp_path / "own.zarr")
    assert len(archive.times) == 6
    first = archive.dbz(archive.times[0])
    assert np.isnan(first[:, :4]).all()
    assert (first[40:60, 20:50] == 32.0).all()
    assert (first[:40, 4:] == -32.0).all()
    assert archive.attrs["licence"] == "mine"


def test_every_score_is_listed_and_the_example_has_the_values_that_stand_there():
    page = (DOCS / "reference" / "scores.md").read_text(encoding="utf-8")
    radar, frames = page.split("## Video frames")
    assert re.findall(r"^\| `(\w+)` \|", radar, flags=re.M) == list(METRICS)
    assert re.findall(r"^\| `(\w+)` \|.*\| yes \|$", radar, flags=re.M) == list(DEFAULT_SCORES)
    stated = dict(re.findall(r"^\| `(\w+)` \|.*\| ([\d.]*|nan) ?\|$", frames, flags=re.M))
    assert list(stated) == list(PROTOCOLS)
    pair: dict = {}
    exec(re.findall(r"^```python\n(import numpy.*?)^```$", frames, flags=re.M | re.S)[0], pair)
    for name, value in stated.items():
        if name == "fvd" or (PROTOCOLS[name].needs_weights and not default_file().is_file()):
            continue
        (metric,) = build_protocols([name])
        found = metric.value(metric.sums(*(pair[k][None, None, None] for k in ("forecast", "observed"))))
        assert f"{found[0]:.4g}" == value, name


def test_the_size_of_i3d_is_what_the_page_says():
    page = (DOCS / "reference" / "scores.md").read_text(encoding="utf-8")
    assert f"{len(list(i3d.shapes()))} arrays" in page


def test_every_setting_of_a_benchmark_stands_in_its_how_to():
    from nowcast.bench.benchmark import COSTS, Benchmark, Row, Sheets

    text = (DOCS / "howto" / "bench.md").read_text(encoding="utf-8")
    names = {f.name for kind in (Benchmark, Row) for f in dataclasses.fields(kind)} - {"sheets"}
    names |= {f"sheets.{f.name}" for f in dataclasses.fields(Sheets)} | set(COSTS)
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
    example = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```$", text, flags=re.M | re.S)[0])
    made = build(Benchmark, example)
    assert [row.name for row in made.rows] == ["copy last", "PredRNN", "PredRNN small", "trained before"]
