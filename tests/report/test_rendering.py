"""The templates: whatever they are given is escaped, what they are not given is an error, the legend is one."""

import json
import re

import pytest
from jinja2 import UndefinedError

from nowcast.report.bench_page import BenchPage
from nowcast.report.charts import Line, line_chart
from nowcast.report.palettes import palette_of
from nowcast.report.rendering import _environment, render
from nowcast.report.service_page import ServicePage, render_service_page
from nowcast.report.skill_page import SkillPage, render_skill_page
from nowcast.report.viewer.page import PageParts

EVIL = "\"><script>alert('x')</script>&"


def service_page(target="a.png", caption="b"):
    palettes = {"reflectivity": {"safe": palette_of().as_data()}}
    shown = PageParts("t", "m", "", "", {}, (), (), {"caption": caption, "palettes": palettes})
    page = ServicePage("t", "s", True, [], {}, [], [], "", [("file", target)], shown=shown)
    return render_service_page(page)


def test_the_skill_page_and_the_service_show_one_legend():
    legend = re.search(r'<div class="legend".*?</div>', render_skill_page(SkillPage("t")), re.DOTALL).group()
    assert tuple(re.findall(r"<li style=\"--c:(#\w+)\">", legend)) == palette_of().colours
    assert re.findall(r"<span>(\d+)</span>", legend) == ["10", "20", "30", "40", "50", "60", "70"]
    data = json.loads(re.search(r'id="forecast">(.*?)</script>', service_page(), re.DOTALL)[1])
    shown = data["palettes"]["reflectivity"]["safe"]
    assert tuple(shown["colours"]) == palette_of().colours
    assert [tick["text"] for tick in shown["ticks"]][1::2] == ["10", "20", "30", "40", "50", "60", "70"]


def test_attributes_and_data_of_scripts_are_escaped():
    page = service_page(EVIL, EVIL)
    assert 'href="&#34;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;"' in page
    escaped = r"\"\u003e\u003cscript\u003ealert(\u0027x\u0027)\u003c/script\u003e\u0026"
    assert f'"caption":"{escaped}"' in page
    chart = line_chart(EVIL, [10.0], [Line(EVIL, 0, [1.0])], axis=EVIL)
    assert "<script" not in chart
    assert chart.count("&lt;script&gt;") == 2  # the title and the axis; the data are escaped as JSON too
    assert "\\u003cscript\\u003e" in chart


def test_no_template_marks_what_it_is_given_as_safe():
    made = _environment()
    sources = {name: made.loader.get_source(made, name)[0] for name in made.list_templates()}
    assert {"base.html", "parts.html", "skill.html", "bench.html", "viewer/service.html"} <= set(sources)
    assert [n for n, text in sources.items() if re.search(r"\|\s*safe|autoescape|Markup", text)] == []


def test_what_a_template_lacks_is_an_error_and_so_is_nan_in_its_data():
    with pytest.raises(UndefinedError):
        render("bench.html", page=BenchPage("t"), models=[])
    with pytest.raises(ValueError, match="not JSON compliant"):
        line_chart("t", [float("nan")], [Line("a", 0, [1.0])])
