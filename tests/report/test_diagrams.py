"""The diagrams of the skill page: curves by their coordinates, one colour a model, and nothing empty."""

import math
import re
from dataclasses import replace
from html import unescape
from xml.etree import ElementTree as ET

import pytest

from nowcast.core.score_row import ScoreRow
from nowcast.report.charts import Line, line_chart
from nowcast.report.content import Comparison, GroupRow, IntervalRow, SkillHorizon
from nowcast.report.diagram_content import DiagramCurve, Diagrams, RankShares, ReliabilityCurve
from nowcast.report.diagrams import figure_groups
from nowcast.report.group_parts import hour_groups, region_table
from nowcast.report.model_colours import styles_of
from nowcast.report.plane import LEFT, RIGHT, TOP, WIDTH, Guide, Plane, PlaneAxis, PlaneCurve
from nowcast.report.score_tabs import ScoreTable
from nowcast.report.skill_page import SkillPage, render_skill_page

NAN = math.nan
EVIL = "<script>alert('x')</script>"
SVG = "{http://www.w3.org/2000/svg}"
MODELS = ("one", "two", EVIL)


def parsed(drawn) -> ET.Element:
    return ET.fromstring(str(drawn).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def page(**changed) -> SkillPage:
    scores = [
        ScoreRow(model, score, threshold, lead, 0.1 * (i + 1))
        for i, model in enumerate(MODELS)
        for score, threshold in (
            ("csi", 20.0),
            ("csi", 40.0),
            ("ensemble_rmse", None),
            ("ensemble_spread", None),
        )
        for lead in (None, 10.0, 20.0)
    ]
    unit = [0.0, 0.5, 1.0]
    diagrams = Diagrams(
        reliability=[
            ReliabilityCurve(m, 20.0, unit, unit, [90, 9, 1], [0, 0.4, 0.9], [0.1, 0.6, 1], 0.055)
            for m in MODELS
        ],
        roc=[DiagramCurve(m, 20.0, unit, [0.0, 0.9, 1.0], ["never", "P", "always"]) for m in MODELS],
        value=[DiagramCurve(m, 20.0, [0.01, 0.1, 0.5], [0.0, 0.4, 0.0]) for m in MODELS],
        performance=[
            DiagramCurve(m, t, [0.5, 0.4], [0.6, 0.5], ["+10 min", "+20 min"])
            for m in MODELS
            for t in (20.0, 40.0)
        ],
        ranks=[RankShares(m, least, [0.5, 1.0, 1.5]) for m in MODELS for least in (None, 20.0)],
        blocks=4,
    )
    csi = [IntervalRow(m, 20.0, lead, 0.5, 0.4, 0.6, 4) for m in MODELS for lead in (10.0, 20.0)]
    compared = [
        Comparison(m, "one", t, 0.05, 0.01, 0.09, 4, 6.0, 2000, 0.95, score)
        for score, t in (("csi", 20.0), ("brier_skill", 20.0), ("crps", None), ("crps_ladder", None))
        for m in MODELS[1:]
    ]
    groups = [
        GroupRow(by, group, ScoreRow(m, "csi", 20.0, None, 0.1 * i + 0.3))
        for by, group in (("hour", "06"), ("hour", "18"), ("region", "r1c1"), ("region", EVIL))
        for i, m in enumerate(MODELS)
    ]
    horizons = [SkillHorizon(m, 20.0, 0.25, 40.0, 100.0) for m in MODELS]
    return SkillPage(
        "t",
        **{
            "scores": scores,
            "diagrams": diagrams,
            "csi": csi,
            "comparisons": compared,
            "groups": groups,
            "horizons": horizons,
            **changed,
        },
    )


def test_a_plane_by_its_coordinates():
    unit = (0.0, 1.0, ((0.0, "0"), (1.0, "1")))
    plane = Plane(
        "t",
        PlaneAxis("x", *unit),
        PlaneAxis("y", *unit),
        [
            PlaneCurve(
                "a",
                3,
                [(0.0, 0.0), (NAN, 0.5), (1.0, 1.0)],
                ["low", "gap", "high"],
                [(0.5, 0.25, 0.75)],
                [(0.25, 1.0), (0.75, 1e-6)],
            )
        ],
        [Guide(((0.0, 0.0), (1.0, 1.0)), "even")],
        height=300.0,
    )
    root = parsed(plane.render())
    (group, counts) = [g for g in root.iter(f"{SVG}g") if "m3" in g.get("class")]
    dots = [(float(c.get("cx")), float(c.get("cy")), c[0].text) for c in group.iter(f"{SVG}circle")]
    foot = 300.0 - 34.0
    assert dots == [(LEFT, foot, "a: low"), (WIDTH - RIGHT, TOP, "a: high")]
    assert group.find(f"{SVG}path").get("d").count("M") == 2  # the gap is a gap
    (bar,) = group.iter(f"{SVG}line")
    middle = (TOP + foot) / 2
    assert float(bar.get("y1")) - middle == pytest.approx((foot - TOP) / 4, abs=0.1)
    assert float(bar.get("y2")) - middle == pytest.approx(-(foot - TOP) / 4, abs=0.1)
    heights = [float(c.get("cy")) for c in counts.iter(f"{SVG}circle")]
    assert heights == [foot + 14, foot + 14 + 64]  # everything at the top of the strip, a millionth at its foot
    assert "even" in str(plane.render())


def test_bands_stand_around_their_line():
    drawn = line_chart("t", [10, 20], [Line("a", 0, [0.5, 0.5], [(0.0, 1.0), (0.0, 1.0)])], low=0.0)
    band, line = (p.get("d") for p in next(g for g in parsed(drawn).iter(f"{SVG}g")).iter(f"{SVG}path"))
    assert band.endswith("Z")
    ys = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", band)]
    assert ys == [TOP, TOP, 186.0, 186.0]
    assert band.count("L") == 3
    assert line.count("L") == 1
    without = line_chart("t", [10, 20], [Line("a", 0, [0.5, 0.5], [(NAN, NAN)] * 2)])
    assert 'class="band"' not in without


def test_every_model_has_one_colour_wherever_it_is_drawn():
    text = render_skill_page(page())
    table = ScoreTable(page().scores)
    styles = styles_of(MODELS)
    assert styles == table.styles
    seen = 0
    groups = figure_groups(page().diagrams, page().csi, table, styles)
    for group in [*groups, *hour_groups(page().groups, styles)]:
        for figure in group.figures:
            drawn = {g.get("class").split()[0] for g in parsed(figure.chart).iter(f"{SVG}g")}
            assert drawn == {f"m{style}" for style in styles.values()}, group.key
            for model, style in styles.items():
                first = rf'class="m{style}[^"]*">(?:(?!</g>).)*?<title>([^:]*):'
                for told in re.findall(first, str(figure.chart)):
                    assert unescape(told) == model
                    seen += 1
    assert seen == 15  # the first point of each curve that has some
    assert "alert(" in text
    assert "<script>alert" not in text
    rows = re.findall(r'<i class="swatch m(\d+)"></i>(one|two)', text)
    assert len(rows) > 8
    assert set(rows) == {(str(styles[model]), model) for model in ("one", "two")}


def test_what_is_empty_is_left_out():
    every = ["csi", "performance", "reliability", "roc", "value", "ranks", "spread", "hours", "regions"]
    headings = re.findall(r'<h3 id="(\w+)">', render_skill_page(page()))
    assert headings == every
    scores = [ScoreRow("one", "csi", 20.0, lead, NAN) for lead in (None, 10.0)]
    nothing = page(
        scores=scores,
        csi=[IntervalRow("one", 20.0, 10.0, NAN, NAN, NAN, 1)],
        groups=[],
        diagrams=Diagrams(
            roc=[DiagramCurve("one", 20.0, [NAN], [NAN])],
            ranks=[RankShares("one", None, [NAN] * 3)],
            performance=[DiagramCurve("one", 20.0, [NAN], [NAN])],
        ),
    )
    text = render_skill_page(nothing)
    assert re.findall(r'<h3 id="(\w+)">', text) == []
    assert "<svg class=" not in text
    assert '<section id="diagrams" aria-labelledby="h-diagrams" hidden>' in text


def test_charts_that_show_no_event_are_left_out():
    scores = [ScoreRow("one", "csi", 50.0, lead, 0.0) for lead in (None, 10.0, 20.0)]
    none = page(
        scores=scores,
        csi=[IntervalRow("one", 50.0, lead, 0.0, 0.0, 0.0, 4) for lead in (10.0, 20.0)],
        groups=[GroupRow("hour", "12", ScoreRow("one", "csi", 40.0, None, 0.0))],
        diagrams=Diagrams(
            [ReliabilityCurve("one", 50.0, [0.1, 0.9], [0.0, NAN], [9, 0], [0.0] * 2, [0.0] * 2, 0.0)],
            roc=[DiagramCurve("one", 50.0, [0.0, 0.5, 1.0], [0.0, 0.5, 1.0])],
            performance=[DiagramCurve("one", 50.0, [0.0, 0.0], [0.0, 0.0])],
            value=[DiagramCurve("one", 50.0, [0.1, 0.5], [0.0, -0.2])],
        ),
    )
    text = render_skill_page(none)
    assert "<svg class=" not in text
    assert "0.000" in text  # the table says so
    seen = replace(
        none, diagrams=replace(none.diagrams, roc=[DiagramCurve("one", 50.0, [0.0, 0.1, 1.0], [0, 0.5, 1])])
    )
    assert render_skill_page(seen).count("<svg class=") == 1


def test_few_blocks_are_warned_of_and_many_are_not():
    text = render_skill_page(page())
    assert "Intervals come from 4 blocks of initialisation times: with fewer than 10" in text
    assert "from 4 blocks of initialisation times" in text  # consistency bars, too
    many = [c._replace(blocks=10) for c in page().comparisons]
    assert "rather too narrow" not in render_skill_page(page(comparisons=many))
    alone = Diagrams(page().diagrams.reliability)
    assert "take pixels for independent" in render_skill_page(page(diagrams=alone))


def test_differences_of_events_have_a_table_each_and_the_others_one_together():
    text = render_skill_page(page())
    captions = re.findall(r"<caption><span>((?:CSI|Brier|Scores|CRPS)[^<]* reference)", text)
    assert captions == [
        "CSI less that of the reference",
        "Brier skill less that of the reference",
        "Scores less those of the reference",
    ]
    # +0.05 with an interval above 0 is better of CSI and of Brier skill, and worse of CRPS
    body = text[text.index("CSI less that") : text.index("Skill horizon:")]
    assert body.count('class="best"') == 2 * 2


def test_regions_in_a_table_with_the_best_of_each():
    table = region_table(page().groups, {"one": 0})
    assert [cell.text for cell in table.header] == ["Model", "r1c1", EVIL]
    texts = [[cell.text for cell in row[1:]] for row in table.rows]
    assert texts == [["0.300"] * 2, ["0.400"] * 2, ["0.500"] * 2]
    assert [row[1].best for row in table.rows] == [False, False, True]
    assert region_table([], {}) is None
