"""What a benchmark configuration may say, and what is refused."""

from pathlib import Path

import pytest
import yaml

from nowcast.bench.benchmark import read_benchmark, slug
from nowcast.bench.entries import entries_of, pick_rows
from nowcast.core.errors import NowcastError, SettingsError
from tests.fakes.benchmarks import TINY, TINY_STACK, tiny, write_checkpoint

ROW = {"name": "a", "model": {"name": "convlstm", "settings": TINY_STACK}}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rows": []}, "rows: got none"),
        ({"rows": [{"name": "a"}]}, "nothing to forecast with, expected one of model, checkpoint, forecaster"),
        ({"rows": [{**ROW, "forecaster": "copy_last"}]}, "model and forecaster, expected one of"),
        ({"rows": [{"name": "  ", "forecaster": "copy_last"}]}, "rows.name"),
        ({"rows": [{"name": "a", "forecaster": "average"}]}, "copy_last"),
        (
            {"rows": [{"name": "a", "forecaster": "copy_last", "training": {"steps": 1}}]},
            "training with a forecaster",
        ),
        ({"rows": [ROW, {**ROW, "name": "A!"}]}, "'a' and 'A!', expected names that differ"),
        ({"rows": [{**ROW, "model": {"name": "convlstn"}}]}, "did you mean 'convlstm'"),
        ({"rows": [{**ROW, "model": {"name": "convlstm", "settings": {"patches": 2}}}]}, "unknown setting"),
        (
            {"rows": [{"name": "a", "model": {**ROW["model"], "exceedance": {}}}]},
            "a network of probabilities, expected one that forecasts frames",
        ),
        ({"rows": [{**ROW, "reported": {"ssim_range2": 1.0}}]}, "got 'ssim_range2', expected one of mse_sum"),
        ({"rows": [{**ROW, "training": {"step": 1}}]}, "training.step: unknown setting"),
        ({"scores": []}, "scores: got \\[\\]"),
        ({"scores": ["mse", "mse"]}, "each once"),
        ({"scores": ["mse_total"]}, "scores: got 'mse_total', expected one of mse, mse_sum"),
        ({"seeds": []}, "seeds: got \\[\\]"),
        ({"seeds": [1, 1]}, "each once"),
        ({"seeds": [-1]}, "0 or more"),
        ({"test_sources": []}, "test_sources: got none"),
        ({"data": {**TINY["data"], "test": ["2025-01-01/2025-01-02"]}}, "both these and data.test"),
        ({"test_clips": 0}, "test_clips: got 0"),
        ({"sheets": {"clips": [0, 0]}}, "sheets"),
        ({"training": None}, "training: got none"),
        ({"training": {**TINY["training"], "nodes": 2}}, "rows: 'ConvLSTM' training.nodes: got 2, expected 1"),
        ({"rows": [{**ROW, "training": {"devices": 3}}]}, "training.batch: got 2, expected a multiple of"),
        ({"titel": "x"}, "titel: unknown setting; did you mean 'title'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(values, words):
    with pytest.raises(SettingsError, match=words) as caught:
        entries_of(tiny(**values))
    assert "\n" not in str(caught.value)


def test_entries_go_seed_by_seed_and_a_row_may_change_its_training():
    chosen = tiny(
        rows=[
            {"name": "copy", "forecaster": "copy_last"},
            ROW,
            {**ROW, "name": "b", "training": {"learning_rate": {"start": 0.5}, "steps": 9}},
        ]
    )
    found = entries_of(chosen)
    assert [(e.key, e.seed) for e in found] == [
        ("copy", None),
        ("a_seed0", 0),
        ("b_seed0", 0),
        ("a_seed1", 1),
        ("b_seed1", 1),
    ]
    own = found[2].experiment.training
    assert (own.learning_rate.start, own.steps, own.batch, own.seed) == (0.5, 9, 2, 0)
    assert found[4].experiment.training.seed == 1
    assert found[1].hash == found[3].hash != found[2].hash
    assert [row.name for row in pick_rows(chosen, ["b", "copy"])] == ["copy", "b"]
    assert len(pick_rows(chosen, [])) == 3
    with pytest.raises(SettingsError, match="--models: got 'c', expected one of copy, a, b"):
        pick_rows(chosen, ["c"])


def test_the_hash_knows_settings_but_not_where_data_lies():
    def hashes(*assignments):
        return [e.hash for e in entries_of(tiny(*assignments))]

    plain = hashes()
    assert hashes("test_sources.0.settings.path=mnist", "data.sources.0.settings.path=mnist") == plain
    assert hashes("title=other", "test_batch=1", "training.workers=2") == plain
    for changed in ("test_clips=3", "test_sources.0.settings.count=5", "scores=[mse]", "data.window.future=2"):
        assert all(a != b for a, b in zip(hashes(changed), plain, strict=True)), changed


def test_the_hash_knows_the_weights_of_fvd_but_not_how_frames_get_here():
    def hashes(*assignments, **values):
        return [e.hash for e in entries_of(tiny(*assignments, **values))]

    assert hashes("test_sources.0.settings.cache=here", "data.sources.0.settings.processes=4") == hashes()
    assert hashes(weights={"fvd_sha256": "AB"}) == hashes()  # nothing is scored with them
    one, same, other = (hashes(scores=["fvd"], weights={"fvd_sha256": s}) for s in ("AB", "ab", "cd"))
    assert one == same
    assert all(len({*found}) == 3 for found in zip(one, other, hashes(scores=["fvd"]), strict=True))


def test_the_hash_of_a_table_that_is_filled_stays():
    """Were it another one, results that are finished would not be known again."""
    bench = read_benchmark(Path(__file__).resolve().parents[2] / "configs" / "bench" / "v_mnist_small.yaml")
    assert {e.key: e.hash for e in entries_of(bench) if e.seed in (None, 0)} == {
        "copy_last": "2450fbdab44d",
        "predrnn_seed0": "2faf37d655af",
        "motionrnn_released_seed0": "8cd59e8cfcc6",
        "motionrnn_paper_seed0": "3723ddba2630",
    }


RADAR = {"kind": "radar_archive", "settings": {"path": "italy.zarr"}}


@pytest.mark.parametrize(
    ("learned", "words"),
    [
        ({"train": ["2025-03-01/2025-03-05"]}, "apart from 2025-03-01/2025-03-05, from which 'given' has"),
        ({"train": ["2025-02-01/2025-02-02"], "validation": ["2025-03-06T23:00/2025-03-09"]}, "2025-03-06T23"),
        ({"sources": [RADAR]}, "other data than 'given', which has learned from all of it"),
        ({"train": ["yesterday"]}, "rows: 'given': period: got 'yesterday'"),
        ({"train": ["2025-03-01/2025-03-04"], "validation": ["2025-03-07/2025-03-09"], "sources": [RADAR]}, ""),
        ({"sources": [{**RADAR, "settings": {"path": "finland.zarr"}}]}, ""),
    ],
)
def test_a_checkpoint_that_has_learned_from_the_test_periods_is_refused(tmp_path, learned, words):
    chosen = tiny(
        rows=[write_checkpoint(tmp_path / "best.ckpt", data=learned)],
        test_sources=[],
        data={"sources": [RADAR], "test": ["2025-03-05/2025-03-06"]},
    )
    if not words:
        assert len(entries_of(chosen)) == 1
        return
    with pytest.raises(NowcastError, match=words) as caught:
        entries_of(chosen)
    assert "\n" not in str(caught.value)


def test_a_file_may_stand_on_a_base_and_data_may_lie_elsewhere(tmp_path):
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(TINY))
    (tmp_path / "one.yaml").write_text("base: all.yaml\ntitle: one\nseeds: [5]\n")
    chosen = read_benchmark(tmp_path / "one.yaml", ["training.steps=7"], tmp_path / "mnist")
    assert (chosen.title, chosen.seeds, chosen.training.steps, len(chosen.rows)) == ("one", (5,), 7, 2)
    sources = (*chosen.data.sources, *chosen.data.validation_sources, *chosen.test_sources)
    assert [s.settings["path"] for s in sources] == [str(tmp_path / "mnist")] * 3
    assert [s.settings["seed"] for s in sources] == [100, 1, 2]


def test_names_become_folders_that_no_name_can_leave():
    assert slug("MotionRNN, released (3 x 3)") == "motionrnn_released_3_x_3"
    assert slug("../../etc/passwd") == "etc_passwd"
    assert slug(" . ") == ""
    assert slug("PredRNN++") == "predrnnplusplus"


def test_a_file_that_is_not_there_or_of_another_shape(tmp_path):
    with pytest.raises(SettingsError, match="no such configuration"):
        read_benchmark(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(SettingsError, match="expected settings"):
        read_benchmark(tmp_path / "list.yaml")
