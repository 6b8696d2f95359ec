"""Files of data sets with bytes changed or cut off: they are read or refused in one line, nothing else."""

import random
import shutil
import warnings

import pytest

from nowcast.core.errors import NowcastError
from nowcast.data.catalog import build_sources
from nowcast.workflows.check_data import check_data
from tests.fakes.data_sets import parted

FORMS = {
    "kitti_stacks": "kitti",
    "taxibj": "taxibj",
    "taxibj_counts": "taxibj",
    "sevir": "sevir",
    "weather_bench": "weather_bench",
}
ALL = slice(None)


def damage(content, draw):
    if draw.random() < 0.2:
        return content[: draw.randrange(len(content))]
    changed = bytearray(content)
    reach = len(content) if draw.random() < 0.4 else min(len(content), 3000)
    for _ in range(draw.choice([1, 3, 10])):
        changed[draw.randrange(reach)] = draw.randrange(256)
    return bytes(changed)


def said_of(work):
    """What is said where the data are refused; empty where they are read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            work()
        except NowcastError as error:
            return str(error)
    return ""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rounds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_damaged_files_are_read_or_refused(tmp_path, form, rounds):
    whole = tmp_path / "whole"
    settings = parted(form, whole)
    files = sorted(path for path in whole.rglob("*") if path.is_file())
    draw = random.Random(form)
    for number in range(rounds):
        root = tmp_path / str(number)
        shutil.copytree(whole, root)
        file = root / draw.choice(files).relative_to(whole)
        file.write_bytes(damage(file.read_bytes(), draw))
        choice = {"kind": FORMS[form], "settings": {**settings, "path": str(root), "processes": 1}}
        assert "\n" not in said_of(
            lambda choice=choice: [s.read(0, 1, ALL, ALL) for s in build_sources([choice])]
        )
        assert "\n" not in said_of(lambda root=root: str(check_data(root, processes=1)))
        shutil.rmtree(root)
