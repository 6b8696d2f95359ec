"""The cache of every data set is enough where its files are not, and a worker process reads the same."""

import pickle

import numpy as np
import pytest

from nowcast.data.catalog import build_sources
from tests.fakes.data_sets import parted

FORMS = {"kitti_stacks": "kitti", "taxibj_counts": "taxibj"}
ALL = slice(None)


@pytest.mark.parametrize(
    "form",
    ["kitti", "kitti_stacks", "caltech", "taxibj", "taxibj_counts", "sevir", "weather_bench", "video_files"],
)
def test_the_cache_alone_is_enough_for_every_part(tmp_path, form):
    root, kind = tmp_path / "set", FORMS.get(form, form)
    settings = {**parted(form, root), "processes": 1}
    parts = [{}] if form == "weather_bench" else [{"part": part} for part in ("train", "validation", "test")]

    def opened():
        return [build_sources([{"kind": kind, "settings": {**settings, **part}}]) for part in parts]

    before = [[(s.name, s.times, s.read(0, len(s.times), ALL, ALL)) for s in sources] for sources in opened()]
    root.rename(tmp_path / "aside")
    for sources, known in zip(opened(), before, strict=True):
        assert [source.name for source in sources] == [name for name, _, _ in known]
        for source, (_, times, frames) in zip(sources, known, strict=True):
            sent = pickle.loads(pickle.dumps(source))
            np.testing.assert_array_equal(sent.times, times)
            np.testing.assert_array_equal(sent.read(0, len(times), ALL, ALL), frames)
