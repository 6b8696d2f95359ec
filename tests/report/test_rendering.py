"""The templates: whatever they are given is escaped, what they are not given is an error, the legend is one."""

import re

import pytest
from jinja2 import UndefinedError

from nowcast.report.bench_page import BenchPage
from nowcast.report.charts import Line, line_chart
from nowcast.report.content import Picture
from nowcast.report.palettes import palette_of
from nowcast.report.rendering import _environment, render
from nowcast.report.service_page import ServicePage, render_service_page
from nowcast.report.skill_page import SkillPage, render_skill_page

EVIL = "\"><script>alert('x')</script>&"


def service_page(source="a.png", caption="b"):
    pictures = [Picture(source, caption)]
    return render_service_page(ServicePage("t", "s", True, [], {}, pictures, [], [], "", []))


def test_the_skill_page_and_the_service_show_one_legend():
    legends = [
        re.search(r'<div class="legend".*?</div>', page, re.DOTALL).group()
        for page in (render_skill_page(SkillPage("t")), service_page())
    ]
    assert legends[0] == legends[1]
    assert tuple(re.findall(r"<li style=\"--c:(#\w+)\">", legends[0])) == palette_of().colours
    assert re.findall(r"<span>(\d+)</span>", legends[0]) == ["10", "20", "30", "40", "50", "60", "70"]


def test_attributes_and_data_of_scripts_are_escaped():
    page = service_page(EVIL, EVIL)
    assert 'src="&#34;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;"' in page
    escaped = r"\"\u003e\u003cscript\u003ealert(\u0027x\u0027)\u003c/script\u003e\u0026"
    assert f'"caption":"{escaped}"' in page
    chart = line_chart(EVIL, [10.0], [Line(EVIL, 0, [1.0])], axis=EVIL)
    assert "<script" not in chart
    assert chart.count("&lt;script&gt;") == 2  # the title and the axis; the data are escaped as JSON too
    assert "\\u003cscript\\u003e" in chart


def test_no_template_marks_what_it_is_given_as_safe():
    made = _environment()
    sources = {name: made.loader.get_source(made, name)[0] for name in made.list_templates()}
    assert {"base.html", "parts.html", "skill.html", "bench.html", "service.html"} <= set(sources)
    assert [n for n, text in sources.items() if re.search(r"\|\s*safe|autoescape|Markup", text)] == []


def test_what_a_template_lacks_is_an_error_and_so_is_nan_in_its_data():
    with pytest.raises(UndefinedError):
        render("bench.html", page=BenchPage("t"), models=[])
    with pytest.raises(ValueError, match="not JSON compliant"):
        line_chart("t", [float("nan")], [Line("a", 0, [1.0])])
