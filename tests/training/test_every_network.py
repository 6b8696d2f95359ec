"""The one module trains every network of the catalog: nothing in it knows any of them."""

import pytest
import torch

from nowcast.data.windows import ClipWindow
from nowcast.models import checkpoint
from nowcast.models.catalog import MODELS
from nowcast.training.run import train
from tests.fakes import tiny_models
from tests.fakes.training_runs import clips, experiment


@pytest.mark.parametrize("name", MODELS)
def test_it_trains_and_its_checkpoint_forecasts(tmp_path, name):
    height, width = tiny_models.size_of(name)
    window = ClipWindow(past=tiny_models.PAST, future=3)
    made = experiment(
        "training.steps=2",
        "training.batch=2",
        "training.validate_every=2",
        "data.validation_clips=2",
        f"data.window={{past: {window.past}, future: {window.future}}}",
        values={"model": {"name": name, "settings": tiny_models.tiny_settings(name)}},
    )
    data = [
        clips(train=train_part, size=(height, width), window=window, seed=seed, crop=(height, width))
        for train_part, seed in ((True, 1), (False, 2))
    ]
    best = train(made, *data, tmp_path)
    loaded = checkpoint.load_network(best)
    past = torch.rand(1, window.past, 1, height, width)
    with torch.no_grad():
        forecast = loaded.model(past, 3)
    assert forecast.shape == (1, 3, 1, height, width)
    assert torch.isfinite(forecast).all()
    last = checkpoint.read(best.parent / "last.ckpt")
    still = [
        name
        for name, value in loaded.model.named_parameters()
        if torch.equal(value, last["state_dict"]["network." + name])
    ]
    assert still == []  # every weight moved, so the average differs from it
