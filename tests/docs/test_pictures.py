"""Every picture of the documentation is drawn by the page that shows it, and stored small."""

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import draw_pictures

    return draw_pictures


def test_every_stored_picture_is_shown_and_small(script):
    shown = {name for page in script.PAGES for name in script.shown((ROOT / page).read_text(encoding="utf-8"))}
    assert {p.name for p in PICTURES.iterdir()} == shown
    assert sum(p.stat().st_size for p in PICTURES.iterdir()) < 1_000_000


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive:UserWarning")
def test_the_gallery_draws_what_it_shows(script, tmp_path):
    from PIL import Image

    page = ROOT / "docs" / "gallery.md"
    drawn = script.draw(page, tmp_path)
    assert len(drawn) >= 9
    stored_here = tmp_path / "stored"
    stored_here.mkdir()
    for path in drawn:
        with (
            Image.open(script.store(path, stored_here)) as drawn_now,
            Image.open(PICTURES / path.name) as shown,
        ):
            stored, picture = (np.asarray(image.convert("RGB")) for image in (drawn_now, shown))
        assert picture.shape == stored.shape, path.name
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 8, path.name
