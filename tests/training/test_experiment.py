"""Settings of a run: what is refused, and what may change between a run and its resumption."""

import pytest

from nowcast.core.errors import SettingsError
from nowcast.core.settings import build, override, plain
from nowcast.training.experiment import Experiment, differences, read_experiment
from tests.fakes.training_runs import experiment


def test_what_is_resolved_builds_the_same_again():
    assert build(Experiment, plain(experiment())) == experiment()


def test_yaml_and_assignments(tmp_path):
    path = tmp_path / "storms.yaml"
    path.write_text(
        "model: {name: convlstm}\n"
        "data: {sources: [{kind: radar_cache, settings: {path: a}}, {kind: radar_cache}]}\n"
        "training: {minutes: 20}\n"
    )
    made = read_experiment(path, ["data.sources.0.settings.path=b.cache", "training.learning_rate.start=1"])
    assert made.name == "storms"
    assert made.data.sources[0].settings["path"] == "b.cache"
    assert made.training.learning_rate.start == 1.0
    assert made.data.window.past == 5
    assert made.data.scaling.low_dbz == 5


def test_an_entry_of_a_list_is_named_by_its_number():
    assert override({"a": [{"b": 1}, 2]}, ["a.0.b=5", "a.1=6"]) == {"a": [{"b": 5}, 6]}
    for wrong in ("a.2=1", "a.x=1", "a.-1=1", "a.x.y=1"):
        with pytest.raises(SettingsError, match="expected a number from 0 to 1"):
            override({"a": [{"b": 1}, 2]}, [wrong])


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("name=../evil", "name: got '../evil'"),
        ("training.steps=null", "neither steps nor minutes"),
        ("training.steps=0", "training.steps: got 0"),
        ("training.loss=l3", "training.loss: got 'l3', expected one of"),
        ("training.monitor=psnr", "training.monitor"),
        ("training.ema_decay=1.0", "training.ema_decay"),
        ("training.devices=3", "a multiple of training.devices=3"),
        ("training.workers=-1", "workers=-1"),
        ("training.lr=1", r"training\.lr: unknown setting"),
        ("training.batch=2.5", "training.batch: got 2.5, expected int"),
        ("training.learning_rate.schedule=step", "expected one of constant, cosine, exponential, one"),
        ("training.optimizer=sgd", "expected one of adam, adamw, adafactor, lion"),
        ("data.scaling={low_dbz: 9, high_dbz: 3}", "scaling: got low_dbz=9"),
        ("data.window.past=0", "window.past"),
        ("data.missing=9", r"data\.missing: got 9, expected 0 to"),
    ],
)
def test_what_cannot_be_is_refused(assignment, words):
    with pytest.raises(SettingsError, match=words):
        experiment(assignment)


@pytest.mark.parametrize("assignment", ["training.loss=weighted_l1_l2", "training.monitor=csi30"])
def test_what_needs_dbz_is_refused_without(assignment):
    with pytest.raises(SettingsError, match="need dBZ"):
        experiment("data.scaling=null", assignment)


def test_a_cascade_of_odds_is_not_trained_on_true_frames_fed_later():
    assignments = (
        "model.exceedance_probability={thresholds_dbz: [20, 30], cascade: {}}",
        "training.loss=log_score",
        "training.sampling.start=0.5",
    )
    with pytest.raises(SettingsError, match=r"start: got 0.5 with model.exceedance_probability.cascade"):
        experiment(*assignments)
    experiment(*assignments[:2], "training.sampling.start=0")
    with pytest.raises(SettingsError, match=r"reverse: got one with model.exceedance_probability.cascade"):
        experiment(*assignments[:2], "training.sampling={start: 0, reverse: {}}")


@pytest.mark.parametrize(
    "other", ["training.reverse_input=true", "data.window.before=2", "data.window.after=1"]
)
def test_missing_frames_are_refused_where_they_would_be_read(other):
    experiment("data.missing=1")
    with pytest.raises(SettingsError, match=r"data\.missing: got 1 with training\.reverse_input"):
        experiment("data.missing=1", other)


def test_budget_and_machine_may_change_the_rest_may_not():
    before = plain(experiment())
    assert differences(before, experiment("training.steps=99", "training.workers=2", "name=other")) == []
    changed = experiment("training.batch=8", "data.window.past=3", "training.seed=1")
    assert differences(before, changed) == ["data.window.past", "training.batch", "training.seed"]
