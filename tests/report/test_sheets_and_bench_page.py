"""Sheets and films of predicted frames show the right pixels; the page escapes what it is told."""

import numpy as np
import pytest
from PIL import Image

from nowcast.report.bench_figures import draw_arrows
from nowcast.report.bench_page import BenchPage, Chart, render_bench_page
from nowcast.report.content import Cell, Picture, Table
from nowcast.report.pictures import data_uri
from nowcast.report.sheets import SheetRow, _columns, draw_animation, draw_sheet

PAST = np.stack([np.full((1, 44, 44), 10 * t, np.uint8) for t in range(1, 4)])
FUTURE = np.stack([np.full((1, 44, 44), 100 + 10 * t, np.uint8) for t in range(1, 3)])
ROWS = [SheetRow("copy last", np.repeat(PAST[-1:], 2, 0)), SheetRow("other", FUTURE + 5)]


def shades(picture, row):
    """The shade in the middle of each frame of a row of the sheet; frames are 88 pixels, gaps 3."""
    width, height = picture.size
    top = 20 + row * 91 + 44
    count = 5
    left = width - count * 91
    assert height == 20 + 3 * 91
    return [picture.getpixel((left + i * 91 + 44, top)) for i in range(count)]


def test_a_sheet_shows_truth_above_forecasts_at_the_same_times(tmp_path):
    path = draw_sheet(tmp_path / "a" / "sheet.png", PAST, FUTURE, ROWS, columns=12)
    picture = Image.open(path).convert("RGB")
    assert shades(picture, 0) == [(v, v, v) for v in (10, 20, 30, 110, 120)]
    assert shades(picture, 1) == [(255, 255, 255)] * 3 + [(30, 30, 30)] * 2
    assert shades(picture, 2)[3:] == [(115, 115, 115), (125, 125, 125)]


def test_a_film_shows_every_frame_of_all(tmp_path):
    path = draw_animation(tmp_path / "film.gif", PAST, FUTURE, ROWS)
    with Image.open(path) as film:
        assert film.n_frames == 5
        assert film.info["loop"] == 0
        seen = []
        for number in range(5):
            film.seek(number)
            frame = film.convert("RGB")
            wide = frame.width // 3
            seen.append([frame.getpixel((i * wide + 40, 20 + 20 + 44))[0] for i in range(3)])
    expected = [[10] * 3, [20] * 3, [30] * 3, [110, 30, 115], [120, 30, 125]]
    assert np.abs(np.array(seen) - np.array(expected)).max() <= 3  # a GIF has few colours


def test_colour_frames_keep_their_colours(tmp_path):
    red = np.zeros((2, 3, 100, 80), np.uint8)
    red[:, 0] = 200
    path = draw_sheet(tmp_path / "red.png", red, red, [], columns=4)
    picture = Image.open(path).convert("RGB")
    assert picture.getpixel((picture.width - 40, 60)) == (200, 0, 0)


@pytest.mark.parametrize(
    ("past", "future", "columns", "given", "told"),
    [(10, 10, 12, 3, list(range(9))), (10, 30, 12, 3, None), (4, 4, 12, 4, [0, 1, 2, 3]), (1, 5, 3, 1, None)],
)
def test_columns_end_with_the_last_lead_time(past, future, columns, given, told):
    before, after = _columns(past, future, columns)
    assert before == list(range(past - len(before), past))
    assert len(before) <= given
    assert len(before) + len(after) <= columns
    assert after[-1] == future - 1
    assert len(set(after)) == len(after)
    if told is not None and len(told) == future:
        assert after == told


def test_the_page_escapes_everything_and_fetches_nothing():
    bad = '<script>alert(1)</script>&"'
    page = render_bench_page(
        BenchPage(
            bad,
            [bad],
            [Table(bad, (Cell(bad), Cell("s", reported=True)), ((Cell(bad), Cell(bad, best=True)),))],
            [Chart(bad, {bad: [1.0, 2.0]})],
            [Picture(data_uri(b"GIF89a"), bad), Picture(bad, bad)],
            [bad],
            [bad],
        )
    )
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#34;") >= 10
    assert 'src="data:image/png;base64,R0lGODlh"' in page
    assert '<td class="best">' in page
    assert '<th scope="col" class="reported">' in page
    assert "Not whole yet" in page
    assert "lead time, frames" in page


def test_what_there_is_none_of_is_hidden():
    page = render_bench_page(BenchPage("t"))
    assert page.count(" hidden>") == 2
    assert "Not whole yet" not in page


def test_a_network_that_moves_nothing_has_no_arrows_and_is_no_fault(tmp_path):
    frame = np.zeros((1, 16, 16), np.uint8)
    still, moving = np.zeros((2, 4, 4)), np.ones((2, 4, 4))
    assert draw_arrows(tmp_path / "a.png", frame, {"still": still, "moving": moving}).stat().st_size > 1000
