"""`nowcast predict`: one video in, its coming frames out, or one line and exit code 2."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from PIL import Image

from nowcast.cli.main import main
from nowcast.models import checkpoint
from nowcast.models.choice import ModelChoice
from tests.fakes.benchmarks import TINY_STACK, write_checkpoint
from tests.fakes.tiny_models import tiny_model, tiny_settings
from tests.fakes.videos import write_video

FRAMES = np.random.default_rng(4).integers(0, 256, (12, 48, 64), np.uint8)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = {"kind": "video_files", "settings": {"path": "train", "size": [32, 32], "frame_step": 2}}
    write_checkpoint(tmp_path / "best.ckpt", data={"sources": [source], "window": {"past": 2, "future": 3}})
    np.save(tmp_path / "a.npy", FRAMES)
    return tmp_path


def predict(*arguments, video="a.npy", model="best.ckpt", out="a.npz"):
    return main(["predict", video, "--model", model, "--out", out, *arguments])


def told(capsys):
    return capsys.readouterr().err.strip()


def test_the_forecast_is_that_of_the_network_on_the_frames_of_its_training(place, capsys):
    assert predict() == 0
    assert capsys.readouterr().out == "3 frames after frames 0 to 1 of a.npy\nwritten: a.npz\n"
    with np.load("a.npz") as stored:
        past, truth, prediction = stored["past"], stored["truth"], stored["prediction"]
        attributes = json.loads(str(stored["attributes"]))
    assert past.shape == (2, 1, 32, 32)
    assert truth.shape == (3, 1, 32, 32)
    assert past[1].mean() == pytest.approx(FRAMES[2].mean() / 255, rel=0.02)  # every second frame
    network = checkpoint.load_network("best.ckpt").model
    with torch.inference_mode():
        expected = network(torch.from_numpy(past)[None], 3)[0].clamp(0, 1).numpy()
    np.testing.assert_allclose(prediction, expected, atol=1e-5)
    assert attributes["model"] == "convlstm"
    assert attributes["checkpoint"] == checkpoint.load_network("best.ckpt").sha256[:12]


def test_beyond_the_end_there_is_no_truth(place, capsys):
    assert predict("--start", "-2", "--past", "2", "--steps", "7") == 0
    assert "7 frames after frames 4 to 5 of a.npy, without the truth" in capsys.readouterr().out
    with np.load("a.npz") as stored:
        assert sorted(stored.files) == ["attributes", "past", "prediction"]
        assert stored["prediction"].shape == (7, 1, 32, 32)


def test_pictures_become_a_film_a_sheet_and_a_store(place):
    write_video(place / "frames", FRAMES)
    assert predict(video="frames", out="a.gif") == 0
    with Image.open("a.gif") as film:
        assert film.n_frames == 5
        wide = film.width
    assert predict("--start", "-2", video="frames", out="b.gif") == 0
    with Image.open("b.gif") as film:
        assert film.n_frames == 5
        assert film.width < wide  # one panel: there is no truth
    assert predict(video="frames", out="a.png") == 0
    assert predict("--start", "-2", video="frames", out="b.png") == 0
    with Image.open("a.png") as both, Image.open("b.png") as alone:
        assert both.width == alone.width
        assert both.height > alone.height
    for _ in range(2):  # a store of predictions may be replaced
        assert predict(video="frames", out="a.zarr") == 0
    stored = xr.open_zarr("a.zarr", consolidated=False)
    assert dict(stored.sizes) == {"clip": 1, "past_step": 2, "step": 3, "channel": 1, "row": 32, "column": 32}
    assert stored.attrs["clip_names"] == ["frames"]
    assert predict(video="frames") == 0
    with np.load("a.npz") as other:
        np.testing.assert_array_equal(stored["prediction"][0], other["prediction"])
    assert [p.name for p in place.iterdir() if p.name.startswith(".")] == []


def test_a_film_in_mp4(place):
    av = pytest.importorskip("av")
    assert predict(out="a.mp4") == 0
    with av.open("a.mp4") as film:
        assert sum(1 for _ in film.decode(video=0)) >= 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"out": "a.avi"}, "--out: got a.avi, expected a name ending in .gif, .mp4, .png, .npz or .zarr"),
        ({"out": "other"}, "--out: got other"),
        ({"out": "old.zarr"}, "old.zarr: got something else, expected a new place, or a store of predictions"),
        ({"model": "none.ckpt"}, "none.ckpt: no such checkpoint"),
        ({"model": "motionrnn"}, "nowcast forecast --archive ARCHIVE --model motionrnn"),
        ({"model": "radar.ckpt"}, "got a network of radar, expected one that was trained on videos; forecast"),
        ({"model": "odd.ckpt"}, "odd.ckpt: source: got 'film'"),
        ({"model": "odd1.ckpt"}, "odd1.ckpt: source: got 5, expected one of"),
        ({"model": "odd2.ckpt"}, "odd2.ckpt: source: got 5"),
        ({"model": "odd3.ckpt"}, "odd3.ckpt: source: got ['kth']"),
        ({"model": "odd4.ckpt"}, "odd4.ckpt: window: got 5, expected a group of settings"),
        ({"model": "two.ckpt"}, "two.ckpt: got a network of 2 channels, expected gray (1) or colour (3)"),
        ({"more": ["--seed", "-1"]}, "--seed: got -1, expected 0 or more"),
        ({"more": ["--seed", "1"]}, "--seed: got 1, expected none: convlstm has one future; leave it out"),
        ({"video": "none.avi"}, "none.avi: no such video"),
        ({"more": ["--past", "0"]}, "--past: got 0, expected 1 or more"),
        ({"more": ["--steps", "-1"]}, "--steps: got -1"),
        ({"more": ["--size", "0", "4"]}, "--size: got"),
        ({"more": ["--start", "5"]}, "a.npy: got 1 frames from 5 on, expected 2 or more without a gap"),
        ({"more": ["--start", "-99999999999999999999", "--past", "7"]}, "got 6 frames from 0 on, expected 7"),
        ({"more": ["--start", "6"]}, "a.npy: frame 6: got none, expected one of 0 to 5"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(place, capsys, arguments, words):
    (place / "old.zarr").mkdir()
    write_checkpoint(place / "odd.ckpt", data={"sources": [{"kind": "film", "settings": {}}]})
    for number, data in enumerate((5, {"sources": [5]}, {"sources": [{"kind": ["kth"]}]}, {"window": 5}), 1):
        write_checkpoint(place / f"odd{number}.ckpt", data=data)
    write_checkpoint(place / "two.ckpt", channels=2)
    content = checkpoint.read(place / "best.ckpt")
    content["nowcast"]["scaling"] = {"low_dbz": 5.0, "high_dbz": 65.0}
    checkpoint.save(place / "radar.ckpt", content)
    before = {p.name for p in place.iterdir()}
    assert predict(*arguments.pop("more", []), **arguments) == 2
    error = told(capsys)
    assert words in error
    assert len(error.splitlines()) == 1
    assert {p.name for p in place.iterdir()} == before


def test_a_checkpoint_without_a_description_of_its_data_takes_frames_as_they_are(place):
    write_checkpoint(place / "bare.ckpt")
    assert predict("--past", "4", model="bare.ckpt") == 0
    with np.load("a.npz") as stored:
        np.testing.assert_allclose(stored["past"][:, 0], FRAMES[:4] / 255, atol=1e-6)
    assert predict("--size", "20", "28", model="bare.ckpt") == 0
    with np.load("a.npz") as stored:
        assert stored["prediction"].shape == (3, 1, 20, 28)


def test_a_network_that_is_tied_to_a_size_takes_frames_of_that_alone(place, capsys):
    settings = {**TINY_STACK, "layer_norm": True}
    network = ModelChoice("predrnn", settings).build(1, (24, 32))
    meta = checkpoint.CheckpointMeta("predrnn", settings, 1, (24, 32), 2, 3, 1.0, None)
    checkpoint.save(place / "tied.ckpt", checkpoint.pack(network.state_dict(), meta))
    assert predict(model="tied.ckpt") == 0
    with np.load("a.npz") as stored:
        assert stored["past"].shape == (2, 1, 24, 32)
    assert predict("--size", "32", "32", model="tied.ckpt") == 2
    words = "frame size: got 32 x 32, expected 24 x 32, to which the network is tied; give --size 24 32"
    assert words in told(capsys)


def test_digits_have_one_side_for_both(place):
    source = {"kind": "moving_digits", "settings": {"size": 40}}
    write_checkpoint(
        place / "digits.ckpt", data={"sources": [source], "window": {"past": 2, "future": 3, "every": 3}}
    )
    assert predict("--steps", "1", model="digits.ckpt") == 0
    with np.load("a.npz") as stored:
        assert stored["past"].shape == (2, 1, 40, 40)
        assert stored["past"][1].mean() == pytest.approx(FRAMES[3].mean() / 255, rel=0.02)


def test_a_network_of_many_futures_takes_a_seed(place):
    settings = tiny_settings("savp_vae")
    network = tiny_model("savp_vae")
    meta = checkpoint.CheckpointMeta("savp_vae", settings, 1, (16, 24), 2, 2, 1.0, None)
    checkpoint.save(place / "vae.ckpt", checkpoint.pack(network.state_dict(), meta))
    found = []
    for seed in ("0", "7", "7"):
        assert predict("--seed", seed, model="vae.ckpt") == 0
        with np.load("a.npz") as stored:
            found.append((stored["prediction"], json.loads(str(stored["attributes"]))["seed"]))
    assert [seed for _, seed in found] == [0, 7, 7]
    np.testing.assert_array_equal(found[1][0], found[2][0])
    assert np.abs(found[0][0] - found[1][0]).max() > 1e-4


def test_memory_of_a_gpu_that_ends_is_one_line(place, capsys, monkeypatch):
    def full(*args, **named):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\nmany lines")

    monkeypatch.setattr("nowcast.workflows.predict_video.forecast_on", full)
    assert predict() == 2
    (line,) = told(capsys).splitlines()
    assert "GPU memory for 32 x 32: got out of memory, " in line
    assert "give a smaller --size or --device cpu" in line
    assert not (place / "a.npz").exists()
