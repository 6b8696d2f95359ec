"""Decoded once, whole or not at all, again when something changed; a kill at any moment breaks nothing."""

import dataclasses
import logging
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import nowcast.data.video_cache as video_cache
import nowcast.data.video_decode as video_decode
from nowcast.core.errors import FileError, MissingExtraError
from nowcast.data.cached_video import CachedVideo, VideoMetadata
from nowcast.data.catalog import build_sources
from nowcast.data.video_files import VideoFilesSettings, open_video_files
from tests.fakes.full_disk import files_up_to
from tests.fakes.video_files import blob, write_avi

ROOT = Path(__file__).resolve().parents[2]
ALL = slice(None)


def videos(path, processes=1, **settings):
    return open_video_files(VideoFilesSettings(path, processes=processes, **settings), progress=False)


def pixels(source):
    return np.rint(source.read(0, len(source.times), ALL, ALL) * 255).astype(int)


@pytest.fixture
def films(tmp_path):
    for number in range(4):
        write_avi(tmp_path / "films" / f"{number}.avi", blob(12, start=number))
    return tmp_path / "films"


@pytest.fixture
def decoded(monkeypatch):
    """The names of all that is decoded in this process."""
    names = []
    original = video_decode._write
    monkeypatch.setattr(
        video_decode, "_write", lambda video, *rest: names.append(video.name) or original(video, *rest)
    )
    return names


def check(path):
    for number, video in enumerate(videos(path)):
        np.testing.assert_array_equal(pixels(video)[:, 0], blob(12, start=number))


def test_it_is_made_once_beside_the_videos_for_all_who_look_alike(films, decoded):
    check(films)
    check(films)
    VideoFilesSettings(films, categories=("none",))
    assert decoded == ["0.avi", "1.avi", "2.avi", "3.avi"]
    [folder] = [p for p in (films.parent / "films.cache").iterdir() if p.is_dir()]
    frames = np.load(folder / "2.avi.npy", mmap_mode="r")  # any numpy reads it
    np.testing.assert_array_equal(frames[:, 0], blob(12, start=2))
    assert frames.dtype == np.uint8


def test_another_look_is_another_cache(films, decoded):
    check(films)
    small = videos(films, size=(6, 8))
    assert small[0].frame_shape == (1, 6, 8)
    assert len(decoded) == 8
    check(films)
    assert len(decoded) == 8
    videos(films, frames_per_second=10.0, shortest=5)  # changes no frame
    assert len(decoded) == 8


@pytest.mark.parametrize("change", ["content", "time", "damaged", "truncated", "metadata"])
def test_a_video_that_changed_is_decoded_again_alone(films, decoded, change):
    check(films)
    before = videos(films)[2].fingerprint
    [folder] = [p for p in (films.parent / "films.cache").iterdir() if p.is_dir()]
    if change == "content":
        write_avi(films / "2.avi", blob(12, start=9))
    elif change == "time":
        os.utime(films / "2.avi", ns=(1, 1))
    elif change == "damaged":
        (folder / "2.avi.npy").unlink()
    elif change == "truncated":
        (folder / "2.avi.npy").write_bytes((folder / "2.avi.npy").read_bytes()[:-1])
    else:
        (folder / "2.avi.json").write_text('{"format": 1, "name"')
    found = videos(films)
    assert decoded[4:] == ["2.avi"]
    np.testing.assert_array_equal(pixels(found[2])[:, 0], blob(12, start=9 if change == "content" else 2))
    assert (found[2].fingerprint != before) == (change == "content")


def test_a_video_mended_after_it_was_skipped_comes_back(films):
    good = (films / "1.avi").read_bytes()
    (films / "1.avi").write_bytes(b"nothing")
    assert [video.name for video in videos(films)] == ["0.avi", "2.avi", "3.avi"]
    (films / "1.avi").write_bytes(good)
    check(films)


def test_two_processes_give_the_same(films):
    found = videos(films, processes=2)
    assert [video.name for video in found] == ["0.avi", "1.avi", "2.avi", "3.avi"]
    check(films)


def test_a_full_disk_is_an_error_and_leaves_whole_files_only(films, tmp_path):
    with files_up_to(1000), pytest.raises(FileError, match="cannot be written"):
        videos(films)
    left = [p.name for p in (tmp_path / "films.cache").rglob("*") if p.is_file()]
    assert left == [".lock"]
    check(films)


def test_a_cache_that_cannot_be_written_says_how_to_choose_another_place(films, tmp_path):
    (tmp_path / "films.cache").write_text("in the way")
    with pytest.raises(FileError, match="set another place as 'cache'"):
        videos(films)
    found = videos(films, cache=tmp_path / "elsewhere")
    np.testing.assert_array_equal(pixels(found[1])[:, 0], blob(12, start=1))


def test_without_pyav_the_error_names_the_extra_and_the_cache_is_enough(films, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "av", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'nowcast\[video\]'"):
            videos(films)
    check(films)
    monkeypatch.setitem(sys.modules, "av", None)
    check(films)


def test_the_cache_alone_is_enough_where_the_videos_are_not(films, tmp_path):
    check(films)
    films.rename(tmp_path / "aside")
    found = videos(films)
    assert [video.name for video in found] == ["0.avi", "1.avi", "2.avi", "3.avi"]
    np.testing.assert_array_equal(pixels(found[3])[:, 0], blob(12, start=3))
    with pytest.raises(FileError, match="no such file or folder"):
        videos(films, size=(5, 5))


def test_training_reads_it_with_numpy_and_tqdm_alone(films):
    check(films)
    program = f"""
import sys
for name in ("av", "PIL", "torch", "xarray", "pandas", "zarr", "dask", "skimage", "scipy", "h5py"):
    sys.modules[name] = None
from nowcast.data.catalog import build_sources
from nowcast.data.clips import VideoDataset
from nowcast.data.windows import ClipWindow
choice = {{"kind": "video_files", "settings": {{"path": {str(films)!r}}}}}
data = VideoDataset(build_sources([choice]), ClipWindow(2, 3), train=False)
print(len(data), data[3].future.shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "32 (3, 1, 12, 16)"


def test_sources_go_to_workers_without_their_frames(films):
    [video, *_] = videos(films)
    video.times, video.read(0, 3, ALL, ALL)
    sent = pickle.dumps(video)
    assert len(sent) < 1500
    np.testing.assert_array_equal(pixels(pickle.loads(sent)), pixels(video))


def test_many_videos_do_not_use_up_the_open_files(films, tmp_path):
    [video, *_] = videos(films)
    [folder] = [p for p in (tmp_path / "films.cache").iterdir() if p.is_dir()]
    many = [CachedVideo(folder, dataclasses.replace(video.metadata, name=f"{n}")) for n in range(400)]
    for one in many:
        shutil.copy(folder / "0.avi.npy", folder / f"{one.name}.npy")
    used = len(list(Path("/proc/self/fd").iterdir()))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 300, hard))
    try:
        for one in many:
            one.read(0, 4, ALL, ALL)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_reading_outside_and_after_the_cache_has_gone(films, tmp_path):
    [video, *_] = videos(films)
    for first, count in ((-1, 2), (11, 2)):
        with pytest.raises(IndexError):
            video.read(first, count, ALL, ALL)
    fresh = videos(films, size=(7, 9))[0]
    for path in (tmp_path / "films.cache").rglob("*.npy"):
        path.unlink()
    with pytest.raises(FileError, match="decoded anew"):
        fresh.read(0, 2, ALL, ALL)


def test_the_bar_counts_videos_and_frames(films, capsys, monkeypatch):
    original = video_cache.tqdm
    monkeypatch.setattr(video_cache, "tqdm", lambda *args, **named: original(*args, **{**named, "delay": 0}))
    build_sources([{"kind": "video_files", "settings": {"path": str(films), "processes": 1}}])
    said = capsys.readouterr().err
    assert "decode films: 100%" in said
    assert "4/4" in said
    assert "48 frames" in said
    check(films)
    assert "decode" not in capsys.readouterr().err


DIES_IN = """
import os, signal, sys
from pathlib import Path
left = [int(sys.argv[2])]
replace, unlink = os.replace, os.unlink
def dying(function):
    def wrapper(*args, **named):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **named)
    return wrapper
os.replace, os.unlink = dying(replace), dying(unlink)
from nowcast.data.video_files import *
open_video_files(VideoFilesSettings(Path(sys.argv[1]), processes=1), progress=False)
"""


def _die(films, steps):
    done = subprocess.run(
        [sys.executable, "-c", DIES_IN, str(films), str(steps)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


def _after_a_kill(films):
    """All that counts as there is whole; run again, all is there and no remains are."""
    cache = films.parent / f"{films.name}.cache"
    for path in cache.rglob("*.json"):
        metadata = VideoMetadata.read(path)
        assert metadata is not None
        frames = np.load(path.with_suffix(".npy"))
        number = int(metadata.name.split(".")[0])
        np.testing.assert_array_equal(frames[:, 0], blob(len(frames), start=number))
    found = videos(films)
    for number, video in enumerate(found):
        shape = (len(video.times), 12, 16)
        np.testing.assert_array_equal(pixels(video)[:, 0], blob(shape[0], start=number))
    assert not list(cache.rglob(".*.part"))
    return len(found)


def test_killed_between_frames_and_facts_of_a_video(films):
    assert _die(films, 9) == -signal.SIGKILL  # five steps a video: old ones away, frames, metadata
    assert _after_a_kill(films) == 4


@pytest.mark.slow
def test_killed_at_every_step(films):
    for steps in range(60):
        for path in sorted((films.parent / "films.cache").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        ended = _die(films, steps)
        if ended == 0:
            break
        assert _after_a_kill(films) == 4
    assert ended == 0
    assert steps > 20


@pytest.mark.slow
def test_killed_at_random_moments_with_two_processes(tmp_path):
    for number in range(12):
        write_avi(tmp_path / "films" / f"{number:02d}.avi", blob(400, start=number))
    random = np.random.default_rng(0)
    program = """
import sys
from pathlib import Path
from nowcast.data.video_files import *
if __name__ == "__main__":
    open_video_files(VideoFilesSettings(Path(sys.argv[1])), progress=False)
"""
    (tmp_path / "run.py").write_text(program)
    cache = tmp_path / "films.cache"
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "films")]
    for _ in range(4):
        before = len(list(cache.rglob("*.json")))
        process = subprocess.Popen(command, cwd=ROOT)
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            if len(list(cache.rglob("*.json"))) > before:
                break
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.1))
        process.kill()
        process.wait()
        for path in cache.rglob("*.json"):
            frames = np.load(path.with_suffix(".npy"))
            np.testing.assert_array_equal(frames[:, 0], blob(400, start=int(path.name.split(".")[0])))
    time.sleep(0.5)
    assert _after_a_kill(tmp_path / "films") == 12


def test_who_comes_second_waits_and_finds_it_made(films, caplog):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys, time\nf = open(sys.argv[1], 'a')\n"
            "fcntl.flock(f, fcntl.LOCK_EX)\nprint('held', flush=True)\ntime.sleep(0.7)",
            str(_made(films.parent / "films.cache") / ".lock"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        holder.stdout.readline()
        with caplog.at_level(logging.INFO):
            began = time.monotonic()
            check(films)
        assert time.monotonic() - began > 0.4
    assert "another process decodes into it, waiting" in caplog.text


def _made(folder):
    folder.mkdir()
    return folder
