"""The page of a running service: newest nowcast, its age, running skill, state. Static HTML and pictures."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nowcast.core.files import whole_file
from nowcast.report.colours import LEVELS_DBZ, NOT_OBSERVED, REFLECTIVITY


@dataclass(frozen=True)
class Picture:
    """One frame of the loop."""

    source: str
    """Path relative to the page."""
    caption: str


@dataclass(frozen=True)
class ServicePage:
    """Everything the page shows, as plain text; the page escapes it all."""

    title: str
    state: str
    healthy: bool
    complaints: Sequence[str]
    facts: Sequence[tuple[str, str]]
    pictures: Sequence[Picture]
    skill_header: Sequence[str]
    skill: Sequence[Sequence[str]]
    issued: str
    """ISO 8601 time of the observation that the nowcast starts from."""
    downloads: Sequence[tuple[str, str]]
    """Label and path relative to the page."""
    age: str = ""
    """Age of that observation when the page was made."""
    stale_minutes: float | None = None
    """The page counts the age on by the visitor's clock and calls itself out of date beyond this; None
    keeps ``age``, for a service whose clock is not the visitor's."""
    notice: str = ""
    """Stands above everything else."""


def write_service_page(path: Path, page: ServicePage) -> None:
    """Write the page, whole or not at all; any web server (or none) can show it."""
    with whole_file(path) as part:
        part.write_text(render(page), encoding="utf-8")


def render(page: ServicePage) -> str:
    """Give the page as HTML text. Nothing in it comes from the network."""
    frames = json.dumps([{"src": p.source, "caption": p.caption} for p in page.pictures])
    return _TEMPLATE.format(
        title=_safe(page.title),
        state=_safe(page.state),
        notice=f'<p class="notice">{_safe(page.notice)}</p>' if page.notice else "",
        age=f"({_safe(page.age)} old)" if page.age else "",
        stale=json.dumps(page.stale_minutes),
        legend=_legend(),
        state_class="good" if page.healthy else "bad",
        complaints="".join(f"<li>{_safe(c)}</li>" for c in page.complaints),
        facts="".join(f"<dt>{_safe(k)}</dt><dd>{_safe(v)}</dd>" for k, v in page.facts),
        # "</" must not end the script element, whatever a caption says.
        frames=frames.replace("<", "\\u003c"),
        last=max(len(page.pictures) - 1, 0),
        first_src=f'src="{_safe(page.pictures[0].source)}"' if page.pictures else "",
        first_caption=_safe(page.pictures[0].caption if page.pictures else "no map yet"),
        hidden="" if page.pictures else " hidden",
        header="".join(f"<th scope=col>{_safe(c)}</th>" for c in page.skill_header),
        rows="".join(
            "<tr>" + "".join(f"<td>{_safe(c)}</td>" for c in row) + "</tr>" for row in page.skill
        ),
        issued=_safe(page.issued),
        downloads="".join(
            f'<li><a href="{_safe(target)}">{_safe(label)}</a></li>'
            for label, target in page.downloads
        ),
    )


def _legend() -> str:
    """Give one coloured box for each level, and one for what was not observed."""
    boxes = [(colour, f"{level:g}") for colour, level in zip(REFLECTIVITY, LEVELS_DBZ, strict=True)]
    return "".join(
        f'<span><i style="background:{colour}"></i>{text}</span>'
        for colour, text in [*boxes, (NOT_OBSERVED, "not observed")]
    )


def _safe(text: str) -> str:
    return html.escape(text, quote=True)


_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<noscript><meta http-equiv="refresh" content="120"></noscript>
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8885; --dim: #888; }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1rem; }}
header {{ display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: baseline; }}
h1 {{ font-size: 1.4rem; margin: 0; }} h2 {{ font-size: 1.05rem; margin: 1.5rem 0 .4rem; }}
.state {{ padding: .1rem .7rem; border-radius: 1rem; font-weight: 600; color: #fff; }}
.good {{ background: #1a7f4b; }} .bad {{ background: #b3261e; }}
main {{ display: grid; gap: 1.5rem; grid-template-columns: minmax(0, 2fr) minmax(16rem, 1fr); }}
@media (max-width: 50rem) {{ main {{ grid-template-columns: minmax(0, 1fr); }} }}
img {{ width: 100%; height: auto; border: 1px solid var(--line); border-radius: .4rem; background: #fff; }}
.controls {{ display: flex; gap: .7rem; align-items: center; margin: .5rem 0; }}
input[type=range] {{ flex: 1; min-width: 0; }}
button {{ font: inherit; padding: .2rem .9rem; }}
dl {{ display: grid; grid-template-columns: auto 1fr; gap: .2rem 1rem; margin: 0; }}
dt {{ color: var(--dim); }} dd {{ margin: 0; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: right; padding: .2rem .5rem; border-bottom: 1px solid var(--line); }}
th:first-child, td:first-child {{ text-align: left; }}
td {{ font-variant-numeric: tabular-nums; }}
ul {{ padding-left: 1.2rem; margin: .3rem 0; }} .complaints:empty {{ display: none; }}
.legend {{ display: flex; flex-wrap: wrap; gap: .1rem .5rem; font-size: .8rem; margin-top: .3rem; }}
.legend i {{ display: inline-block; width: .9rem; height: .7rem; margin-right: .2rem; }}
.notice {{ border: 2px dashed #b3261e; border-radius: .4rem; padding: .2rem .7rem; overflow-wrap: anywhere; }}
</style></head><body>
{notice}
<header><h1>{title}</h1><span class="state {state_class}" id="state">{state}</span>
<span>starts from the observation of <time id="issued" datetime="{issued}">{issued}</time>
<span id="age">{age}</span></span></header>
<ul class="complaints">{complaints}</ul>
<main><section{hidden}>
<figure style="margin:0"><img id="map" {first_src} alt="{first_caption}">
<div class="controls"><button id="play" type="button" aria-pressed="false">Play</button>
<input id="slider" type="range" min="0" max="{last}" value="0" aria-label="lead time"></div>
<figcaption><span id="caption" aria-live="polite">{first_caption}</span>
<div class="legend" aria-label="reflectivity in dBZ, from">dBZ {legend}</div></figcaption></figure>
</section><section>
<h2>State</h2><dl>{facts}</dl>
<h2>Running skill (CSI)</h2>
<table id="skill"><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>
<h2>Files</h2><ul>{downloads}</ul>
</section></main>
<script>
const frames = {frames};
const $ = id => document.getElementById(id);
let timer = null;
function show(i) {{
  if (!frames.length) return;
  $("slider").value = i;
  $("map").src = frames[i].src;
  $("map").alt = $("caption").textContent = frames[i].caption;
}}
function play() {{
  const on = timer === null;
  if (on) timer = setInterval(() => show((Number($("slider").value) + 1) % frames.length), 600);
  else {{ clearInterval(timer); timer = null; }}
  $("play").textContent = on ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(on));
}}
const stale = {stale};
function age() {{
  const then = Date.parse($("issued").dateTime);
  if (Number.isNaN(then) || stale === null) return;
  const minutes = Math.round((Date.now() - then) / 60000);
  const age = minutes > 120 ? Math.round(minutes / 60) + " hours" : minutes + " minutes";
  $("age").textContent = "(" + age + " old)";
  if (minutes > stale) {{ $("state").textContent = "out of date"; $("state").className = "state bad"; }}
}}
for (const frame of frames) new Image().src = frame.src;
setInterval(() => {{ if (timer === null && $("slider").value === "0") location.reload(); }}, 120000);
$("slider").addEventListener("input", e => show(Number(e.target.value)));
$("play").addEventListener("click", play);
age(); setInterval(age, 15000);
</script></body></html>
"""
