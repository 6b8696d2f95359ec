"""The tables of a benchmark, from records made by hand."""

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest

from nowcast.bench.costs import Costs, Sequences, machine_of, measure
from nowcast.bench.csv_files import long_csv, wide_csv
from nowcast.bench.outcome import BenchmarkOutcome, TableLine
from nowcast.bench.records import Record, Records, as_json
from nowcast.bench.shown import number
from nowcast.bench.tables import charts_of, markdown, tables_of
from tests.fakes.benchmarks import TINY_STACK, tiny

COSTS = Costs(1234567, 4_500_000_000, 0.0123, 810.5, 12.5, "CPU, 1 thread")


def record(row, seed, mse, ssim, **values):
    known = {
        "hash": "abc",
        "train_data": "feed",
        "test_data": "beef",
        "test_clips": 6,
        "commit": "c0ffee",
        "checkpoint": f"ck{seed}",
        "iterations": 100,
        "train_seconds": 60.0,
        "not_computed": {},
    }
    scores = {"mse_sum": as_json(mse), "ssim": as_json(ssim)}
    return Record(row=row, seed=seed, scores=scores, **{**known, **values})


def outcome(**values):
    chosen = tiny(
        "data.window.future=6",
        rows=[
            {"name": "copy | <b>last</b>", "forecaster": "copy_last"},
            {
                "name": "net",
                "model": {"name": "convlstm", "settings": TINY_STACK},
                "reported": {"mse_sum": 37.2, "parameters": 3000000},
            },
        ],
        **values,
    )
    copied = record("copy", None, [1, 2, 3, 4, 5, 9], [0.9] * 6, checkpoint="", iterations=0, train_data="")
    one = record("net", 0, [1, 1, 1, 1, 2, 4], [0.5] * 5 + [math.nan])
    two = record("net", 1, [3, 3, 3, 3, 4, 6], [0.7] * 6)
    lines = (TableLine(chosen.rows[0], (copied,), {}, None), TableLine(chosen.rows[1], (one, two), {}, COSTS))
    return chosen, BenchmarkOutcome(lines, ("net, seed 2: not begun",))


def test_means_last_thirds_spread_and_what_is_reported():
    chosen, found = outcome()
    _, scores, late, costs, origin = tables_of(chosen, found)
    assert [c.text for c in scores.header] == ["model", "mse_sum ↓", "mse_sum, reported", "ssim ↑"]
    assert [c.text for c in scores.rows[0]] == ["copy | <b>last</b>", "4.000", "-", "0.9000"]
    # seeds: (1+1+1+1+2+4)/6 = 1.667, (3+3+3+3+4+6)/6 = 3.667, mean 2.667; what is undefined leaves the mean
    ssim = "0.6000 (0.5000, 0.7000)"
    assert [c.text for c in scores.rows[1]] == ["net", "2.667 (1.667, 3.667)", "37.2", ssim]
    assert [c.best for c in scores.rows[1]] == [False, True, False, False]
    assert [c.best for c in scores.rows[0]] == [False, False, False, True]
    assert [c.reported for c in scores.rows[1]] == [False, False, True, False]
    assert "last 2 of 6" in late.caption
    assert [c.text for c in late.rows[1]] == ["net", "4.000 (3.000, 5.000)", ssim]
    assert [c.text for c in costs.rows[1]] == [
        "net",
        "1,234,567",
        "3,000,000",
        "4.500",
        "0.01230",
        "810.5",
        "12.50",
    ]
    assert [c.text for c in costs.rows[0]] == ["copy | <b>last</b>", *["-"] * 6]
    assert [c.text for c in origin.rows[1]] == [
        "net",
        "0, 1",
        "100",
        "60, 60",
        "abc",
        "feed",
        "beef",
        "c0ffee",
        "ck0, ck1",
    ]


def test_rows_are_ranked_with_intervals_over_seeds_and_over_clips():
    chosen, found = outcome(leads={"late": [5, 6]}, reported=[])
    copied, net = found.lines
    one, two = np.full((4, 6), 2.0), np.full((4, 6), 4.0)
    each = ({"score_mse_sum": one}, {"score_mse_sum": two})
    clips = np.array([[3.0], [4.0], [5.0], [4.0]]).repeat(6, axis=1)
    lines = (replace(copied, details=({"score_mse_sum": clips},)), replace(net, details=each))
    ranking = tables_of(chosen, BenchmarkOutcome(lines, ()))[0]
    assert ranking.caption == "Ranked by mse_sum, 2->6"
    best, other = ([c.text for c in row] for row in ranking.rows)
    # two seeds 5/3 and 11/3: t(1) = 12.706, half = 12.706 * 1.4142 / 1.4142
    assert best == ["net", "1", "2.667", "± 12.71", "-", "-", "1"]
    # clips: 3 - 3, 4 - 3, 5 - 3, 4 - 3: mean 1, sd 0.8165, t(3) = 3.182: 1 -+ 1.299
    assert other == ["copy | <b>last</b>", "2", "4.000", "-", "+1.333", "-0.2992 to +2.299", "-"]


def test_it_says_which_rows_stand_in_another_order_than_the_papers():
    chosen, found = outcome()
    rows = (replace(chosen.rows[0], reported={"mse_sum": 30.0}), chosen.rows[1])
    lines = tuple(replace(line, row=row) for line, row in zip(found.lines, rows, strict=True))
    text = markdown(replace(chosen, rows=rows), BenchmarkOutcome(lines, ()))
    told = (
        "Of 1 pairs of rows that the paper orders by mse_sum, 1 stand the other way round here: net before copy"
    )
    assert told in text
    assert "Told apart by the clips: none of them." in text


def test_lead_times_of_a_paper_have_columns_of_their_own_and_lpips_its_unit():
    rows = [{"name": "LMC-Memory", "model": {"name": "convlstm", "settings": TINY_STACK}}]
    table = {"paper": "LMC-Memory", "table": "3", "data": "Human3.6M", "scores": {"LPIPS": "lpips"}}
    last = "10->40, last 10"
    chosen = tiny(
        "data.window.past=10",
        "data.window.future=40",
        rows=rows,
        scores=["psnr", "lpips"],
        leads={last: [31, 40]},
        reported=[table],
    )
    one = record("LMC-Memory", 0, [1.0], [1.0])
    one = replace(one, scores={"psnr": as_json([20.0] * 30 + [10.0] * 10), "lpips": as_json([0.05] * 40)})
    found = BenchmarkOutcome((TableLine(chosen.rows[0], (one,), {}, None),), ())
    scores = tables_of(chosen, found)[0]
    assert [c.text for c in scores.header[1:5]] == [
        "psnr, 10->40, dB ↑",
        "psnr, 10->40, reported",
        f"psnr, {last}, dB ↑",
        f"psnr, {last}, reported",
    ]
    assert [c.text for c in scores.rows[0][1:5]] == ["17.50", "24.97", "10.00", "23.46"]
    assert scores.header[5].text == "lpips, 10->40, 0.001 ↓"
    assert [c.text for c in scores.rows[0][5:7]] == ["50.00", "63.2"]
    (wide,) = csv.DictReader(io.StringIO(wide_csv(chosen, found)))
    assert (wide[f"psnr {last}"], wide[f"psnr {last}_reported"], wide["lpips_reported"]) == (
        "10",
        "23.46",
        "0.0632",
    )
    assert f'LMC-Memory,0,psnr,"{last}",10' in long_csv(chosen, found)


def test_csv_holds_exact_numbers_and_every_lead_time():
    chosen, found = outcome()
    wide = list(csv.DictReader(io.StringIO(wide_csv(chosen, found))))
    assert [row["row"] for row in wide] == ["copy | <b>last</b>", "net"]
    net = wide[1]
    assert float(net["mse_sum"]) == pytest.approx(8 / 3)
    assert float(net["mse_sum_spread"]) == pytest.approx(math.sqrt(2))  # of 5/3 and 11/3
    assert (net["mse_sum_last_third"], net["mse_sum_reported"], net["ssim_reported"]) == ("4", "37.2", "")
    assert (net["parameters"], net["seconds"]) == ("1234567", "0.0123")
    assert (net["configuration"], net["seeds"]) == ("abc", "0 1")
    assert (wide[0]["mse_sum_spread"], wide[0]["parameters"]) == ("", "")
    long = list(csv.reader(io.StringIO(long_csv(chosen, found))))
    assert long[0] == ["row", "seed", "score", "lead", "value"]
    assert len(long) == 1 + 3 * 2 * (6 + 2)
    assert ["net", "0", "mse_sum", "6", "4"] in long
    assert ["net", "0", "ssim", "6", "nan"] in long
    assert ["net", "1", "mse_sum", "last_third", "5"] in long
    assert ["copy | <b>last</b>", "", "mse_sum", "mean", "4"] in long


def test_markdown_escapes_names_marks_the_best_and_says_what_is_missing():
    chosen, found = outcome(notes=["digits stand in"])
    text = markdown(chosen, found, ["sheets/a.png"])
    assert "| copy \\| &lt;b>last&lt;/b> | 4.000 | - | **0.9000** |" in text
    assert "| net | **2.667 (1.667, 3.667)** | 37.2 |" in text
    assert "- net, seed 2: not begun" in text.split("## Not whole yet")[1]
    assert "- digits stand in\n" in text
    assert "![Predicted frames](sheets/a.png)" in text


def test_charts_take_the_mean_over_seeds():
    chosen, found = outcome()
    mse, ssim = charts_of(chosen, found)
    assert mse.lines["net"] == [2, 2, 2, 2, 3, 5]
    assert math.isnan(ssim.lines["net"][-1])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.1235"),
        (12.0, "12.00"),
        (1234.56, "1235"),
        (123.456, "123.5"),
        (math.nan, "-"),
        (0, "0.000"),
    ],
)
def test_four_figures_that_count(value, text):
    assert number(value) == text


def test_records_come_back_as_they_were_and_damaged_ones_are_none(tmp_path):
    kept = Records(tmp_path)
    made = record("net", 0, [1.5, math.nan], [0.25])
    frames = np.arange(12, dtype=np.uint8).reshape(3, 1, 2, 2)
    kept.put("net_seed0", made, {4: frames})
    assert kept.get("net_seed0") == made
    assert made.scores["mse_sum"] == (1.5, None)
    assert np.array_equal(kept.frames("net_seed0")[4], frames)
    kept.put_costs("net", {"model": 1}, COSTS)
    assert kept.costs("net", {"model": 1}) == COSTS
    assert kept.costs("net", {"model": 2}) is None
    assert kept.get("other") is None
    for text in ("{", "[]", '{"row": "net"}'):
        (tmp_path / "net_seed0.json").write_text(text)
        (tmp_path / "net.costs.json").write_text(text)
        (tmp_path / "net_seed0.npz").write_text(text)
        assert kept.get("net_seed0") is None
        assert kept.costs("net", {"model": 1}) is None
        assert kept.frames("net_seed0") == {}


def test_damaged_frames_are_not_there(tmp_path):
    kept = Records(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (3, 1, 16, 16), dtype=np.uint8)
    kept.put("net", record("net", 0, [1.5], [0.25]), {0: noise})
    path = tmp_path / "net.npz"
    whole = path.read_bytes()
    middle = len(whole) // 2
    for content in (b"", whole[:middle], whole[:middle] + bytes(8) + whole[middle + 8 :], b"PK" + whole[20:]):
        path.write_bytes(content)
        assert kept.frames("net") == {}


def test_costs_of_which_a_part_is_not_counted_are_dashes_with_a_reason():
    chosen, found = outcome()
    costs = replace(COSTS, multiply_accumulates=None, memory_mb=None, uncounted="the flow is not counted")
    found = BenchmarkOutcome((found.lines[0], replace(found.lines[1], costs=costs)), ())
    told = [c.text for c in tables_of(chosen, found)[3].rows[1]]
    assert told == ["net", "1,234,567", "3,000,000", "-", "0.01230", "810.5", "-"]
    assert "- net: no GMAC and MB: the flow is not counted." in markdown(chosen, found)
    net = list(csv.DictReader(io.StringIO(wide_csv(chosen, found))))[1]
    assert (net["multiply_accumulates"], net["memory_mb"], net["frames_per_second"]) == ("", "", "810.5")


def test_an_advected_network_is_timed_but_not_counted(monkeypatch):
    import torch

    from nowcast.models.choice import LagrangianSettings, ModelChoice

    monkeypatch.setattr("nowcast.bench.costs._LEAST_SECONDS", 0.0)
    monkeypatch.setattr("nowcast.bench.costs.peak_forecast_mb", lambda *_: 7.0)
    network = ModelChoice("convlstm", TINY_STACK, lagrangian=LagrangianSettings()).build().eval()
    found = measure("convlstm", TINY_STACK, network, Sequences(2, 3, (32, 32), 1), torch.device("cpu"))
    assert (found.multiply_accumulates, found.memory_mb) == (None, None)
    assert "optical flow" in found.uncounted
    assert found.parameters == sum(p.numel() for p in network.parameters())


def test_costs_are_those_of_the_network(monkeypatch):
    import torch

    from nowcast.models.catalog import build_model
    from nowcast.models.counts import count

    monkeypatch.setattr("nowcast.bench.costs._LEAST_SECONDS", 0.0)
    asked = []
    monkeypatch.setattr("nowcast.bench.costs.peak_forecast_mb", lambda *a: asked.append(a) or 7.0)
    settings = {"hidden": [4], "filter_size": 3, "patch": 8}
    network = build_model("convlstm", settings).eval()
    cpu = torch.device("cpu")
    found = measure("convlstm", settings, network, Sequences(2, 3, (30, 32), 1), cpu)
    expected = count("convlstm", settings, 2, 3, (32, 32))
    assert (found.parameters, found.multiply_accumulates) == (
        expected.parameters,
        expected.multiply_accumulates,
    )
    assert asked == [("convlstm", settings, 2, 3, (32, 32), 1, 1, "cpu")]
    assert found.memory_mb == 7.0
    assert 0 < found.seconds < 10
    assert 0 < found.frames_per_second < math.inf
    assert found.machine == machine_of(cpu)


def test_scores_of_clips_and_what_is_inside_a_network_are_kept():
    import torch

    from nowcast.bench.details import PerClip, inside, of_clips, score_of_clips
    from nowcast.models.catalog import build_model
    from nowcast.scores.protocols import build_protocols

    draw = torch.Generator().manual_seed(0)
    forecast, future = torch.rand(2, 3, 2, 1, 16, 16, generator=draw)
    each = PerClip(dict(zip(["mse_sum"], build_protocols(["mse_sum"]), strict=True)), 1)
    each.add(forecast[:2], future[:2])
    each.next_batch()
    each.add(forecast[2:], future[2:])
    each.next_batch()
    expected = ((forecast - future) ** 2).sum((2, 3, 4)).mean(1).numpy()
    np.testing.assert_allclose(score_of_clips([each.details()], "mse_sum", slice(None)), expected, rtol=1e-5)
    assert score_of_clips([each.details(), {}], "mse_sum", slice(None)) is None
    past = {4: torch.rand(1, 3, 1, 32, 32, generator=draw), 7: torch.rand(1, 3, 1, 32, 32, generator=draw)}
    settings = {"hidden": 4, "slot_width": 8, "slots": 5, "layers": 1, "long_length": 6}
    assert of_clips(inside(build_model("lmc_memory", settings), past), "slots")[7].shape == (2, 2)
    assert inside(build_model("lmc_memory", {**settings, "variant": "none"}), past) == {}
    motion = {"hidden": [4, 4], "filter_size": 3, "patch": 2}
    assert of_clips(inside(build_model("motionrnn_predrnn", motion), past), "motion")[4].shape == (2, 8, 8)
    assert inside(len, past) == {}


def test_figures_are_drawn_of_what_is_known(tmp_path):
    from types import SimpleNamespace

    from nowcast.bench.figures import draw

    rows = [
        {"name": f"alpha {a:g}", "model": {"name": "motionrnn_predrnn", "settings": {"motion": {"alpha": a}}}}
        for a in (0.25, 0.5)
    ]
    chosen = tiny(rows=rows, sweep="motion.alpha")
    rng = np.random.default_rng(0)
    frames = {0: rng.integers(0, 256, (3, 1, 32, 32), dtype=np.uint8)}
    inside = {"motion_0": rng.normal(size=(2, 4, 4)).astype(np.float32), "slots_0": np.arange(4).reshape(2, 2)}
    lines = tuple(
        TableLine(
            row, tuple(record(row.name, s, [1, 2 + s, 3], [0.5] * 3) for s in (0, 1)), frames, None, (inside,)
        )
        for row in chosen.rows
    )
    clip = SimpleNamespace(
        past=np.zeros((2, 1, 32, 32), np.float32), future=np.ones((3, 1, 32, 32), np.float32)
    )
    found = draw(tmp_path, chosen, BenchmarkOutcome(lines, ()), SimpleNamespace(clips=[clip]))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "figures/mse_sum.png",
        "figures/ssim.png",
        "figures/sweep.png",
        "sheets/clip_0000.png",
        "sheets/clip_0000_differences.png",
        "sheets/clip_0000.gif",
        "sheets/clip_0000_slots.png",
        "sheets/clip_0000_motion.png",
    ]
    assert all(path.stat().st_size > 500 for path in found)


def test_differences_are_red_above_and_blue_below(tmp_path):
    from PIL import Image

    from nowcast.report.sheets import SheetRow, draw_differences

    truth = np.full((1, 1, 4, 4), 100, np.uint8)
    forecast = truth.copy()
    forecast[0, 0, 0, 0], forecast[0, 0, 3, 3] = 200, 0
    path = draw_differences(tmp_path / "d.png", truth, [SheetRow("net", forecast)])
    colours = {colour for _, colour in Image.open(path).convert("RGB").getcolors(10_000)}
    assert {(255, 155, 155), (155, 155, 255), (255, 255, 255)} <= colours
