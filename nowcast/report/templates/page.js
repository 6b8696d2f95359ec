"use strict";
// The page's only script: slider, play, keys, cases; scores, maps and enlarged maps stand in files of their own.
// It fetches nothing.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const make = (tag, attributes, ...children) => {
    const svg = tag === "svg" || tag === "use";
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  // The mark of a model in its colour; nothing for what is none.
  const swatch = (model) => (model in data.styles ? [make("i", { class: `swatch m${data.styles[model]}` })] : []);
  const options = (texts) => texts.map((text, i) => make("option", { value: i }, text));
  let chosen = null, at = 0, timer = null, panels = [];

  // A map of the grid: a picture under coasts and borders, with a bar of kilometres.
  function sheet(image, ...more) {
    const map = data.map;
    const over = make("svg", { viewBox: `0 0 ${map.columns} ${map.rows}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      ...["#border", "#coast"].map((href) => make("use", { href, class: "halo" })),
      make("use", { href: "#border" }), make("use", { href: "#coast" }));
    const km = [500, 200, 100, 50, 20, 10, 5, 2, 1].find((d) => d <= map.width_km / 4) || 1;
    const bar = make("div", { class: "km", style: `width:${(100 * km / map.width_km).toFixed(2)}%` }, `${km} km`);
    return make("div", { class: "sheet", style: `aspect-ratio:${map.aspect};--aspect:${map.aspect}` }, image, over, bar, ...more);
  }
{% include "page_zoom.js" %}

  function build(number) {
    chosen = data.cases[number];
    panels = chosen.panels.map((called, i) => {
      const panel = { name: called, thresholds: chosen.thresholds[i] };
      const image = make("img", { alt: "", decoding: "sync" });
      const tag = make("small", {}), name = make("span", {}, panel.name);
      const absent = make("div", { class: "absent" }, panel.thresholds ? "begins with the forecast" : "not observed yet");
      const zoom = zoomButton(panel.name, () => framed(i), (step) => show(at + step));
      const figure = make("figure", { class: "panel" }, make("figcaption", {}, make("span", {}, ...swatch(called), name), tag), sheet(image, absent, zoom));
      return { ...panel, image, tag, absent, figure, label: name, zoom };
    });
    $("panels").replaceChildren(...panels.map((p) => p.figure));
    const slider = $("slider"), last = chosen.frames.length - 1;
    slider.max = last;
    const every = Math.max(1, Math.ceil(chosen.frames.length / 8));
    const now = chosen.frames.findIndex((f) => f.lead === 0);
    $("scale").replaceChildren(...chosen.frames.flatMap((f, i) => {
      if (i !== now && ((i - now) % every !== 0)) return [];
      return [make("span", { style: `left:${last ? (100 * i / last) : 0}%`, class: i === now ? "now" : "" },
        i === now ? "now" : f.label.replace(" min", ""))];
    }));
    show(chosen.start);
  }

  // Number of the picture of a panel, negative if there is none, and what the panel is called.
  function pictureOf(frame, panel, i) {
    const which = panel.thresholds ? Number($("probability").value) : 0;
    const found = frame.panels[i];
    return { number: Array.isArray(found) ? found[which] : found,
      name: panel.thresholds ? `${panel.name}, P(≥ ${panel.thresholds[which]} dBZ)` : panel.name };
  }

  function show(index) {
    at = Math.max(0, Math.min(index, chosen.frames.length - 1));
    const frame = chosen.frames[at];
    $("slider").value = at;
    $("slider").setAttribute("aria-valuetext", `${frame.label}, ${frame.valid}`);
    $("label").textContent = frame.label;
    $("valid").textContent = frame.valid;
    panels.forEach((panel, i) => {
      const { number, name } = pictureOf(frame, panel, i);
      panel.absent.hidden = number >= 0;
      panel.image.hidden = number < 0;
      if (number >= 0) panel.image.src = data.images[number];
      panel.image.alt = altOf(panel, name, frame);
      panel.label.textContent = name;
      panel.zoom.setAttribute("aria-label", `Enlarge ${name}`);
      panel.tag.textContent = i > 0 && frame.lead <= 0 && !panel.thresholds ? "observed so far" : frame.captions[i];
    });
    mark(frame.lead);
    refresh();
  }
  const altOf = (panel, name, frame) =>
    `${name}, ${frame.label}, ${frame.valid}: ${panel.thresholds ? "probability" : "radar reflectivity"} on a map`;

  function framed(i) {
    const frame = chosen.frames[at], panel = panels[i], { number, name } = pictureOf(frame, panel, i);
    const image = make("img", { alt: altOf(panel, name, frame), decoding: "sync", ...(number < 0 ? {} : { src: data.images[number] }) });
    image.hidden = number < 0;
    return { title: name, note: `${frame.label} · ${frame.valid}`, keys: "← → one frame",
      legend: $(panel.thresholds ? "legend-probability" : "legend-dbz"),
      map: number < 0 ? sheet(image, make("div", { class: "absent" }, panel.absent.textContent)) : sheet(image) };
  }

  function play(on) {
    clearInterval(timer);
    timer = null;
    $("play").setAttribute("aria-pressed", String(on));
    $("play").setAttribute("aria-label", on ? "Pause" : "Play");
    if (!on) return;
    let wait = 0;
    timer = setInterval(() => {
      if (at < chosen.frames.length - 1) { show(at + 1); wait = 0; }
      else if (++wait > 2) { show(0); wait = 0; }
    }, 380);
  }

{% include "page_scores.js" %}

{% include "page_maps.js" %}

  if (data.map) {
    $("coast").setAttribute("d", data.map.coast);
    $("border").setAttribute("d", data.map.border);
  }
  if (data.cases.length) {
    $("case").replaceChildren(...options(data.cases.map((c) => c.name)));
    $("case").parentElement.hidden = data.cases.length < 2;
    $("case").addEventListener("change", (event) => build(Number(event.target.value)));
    if ($("probability")) $("probability").addEventListener("change", () => show(at));
    $("slider").addEventListener("input", (event) => { play(false); show(Number(event.target.value)); });
    $("play").addEventListener("click", () => play(timer === null));
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || $("zoom").open) return;
      if (event.target.matches("select, input, [role=tab], svg, .scroll")) return;
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) { play(false); show(at + step); event.preventDefault(); }
      else if (event.key === " " && !event.target.matches("button, summary")) { play(timer === null); event.preventDefault(); }
    });
    build(0);
  } else mark(null);
  showMaps();
})();
