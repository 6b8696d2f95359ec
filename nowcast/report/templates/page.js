"use strict";
// The page's only script: slider, play, keys, cases, tabs, and values on pointing. It fetches nothing.
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
  let chosen = null, at = 0, timer = null, panels = [];

  function build(number) {
    chosen = data.cases[number];
    const map = data.map;
    panels = chosen.panels.map((name) => {
      const image = make("img", { alt: "", decoding: "sync" });
      const tag = make("small", {});
      const absent = make("div", { class: "absent" }, "not observed yet");
      const over = make("svg", { viewBox: `0 0 ${map.columns} ${map.rows}`, preserveAspectRatio: "none", "aria-hidden": "true" },
        make("use", { href: "#border" }), make("use", { href: "#coast" }));
      const km = [500, 200, 100, 50, 20, 10, 5, 2, 1].find((d) => d <= map.width_km / 4) || 1;
      const bar = make("div", { class: "km", style: `width:${(100 * km / map.width_km).toFixed(2)}%` }, `${km} km`);
      const sheet = make("div", { class: "sheet", style: `aspect-ratio:${map.aspect}` }, image, over, bar, absent);
      const figure = make("figure", { class: "panel" }, make("figcaption", {}, make("span", {}, name), tag), sheet);
      return { name, image, tag, absent, figure };
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

  function show(index) {
    at = Math.max(0, Math.min(index, chosen.frames.length - 1));
    const frame = chosen.frames[at];
    $("slider").value = at;
    $("slider").setAttribute("aria-valuetext", `${frame.label}, ${frame.valid}`);
    $("label").textContent = frame.label;
    $("valid").textContent = frame.valid;
    panels.forEach((panel, i) => {
      const picture = frame.panels[i];
      panel.absent.hidden = picture >= 0;
      panel.image.hidden = picture < 0;
      if (picture >= 0) panel.image.src = data.images[picture];
      panel.image.alt = `${panel.name}, ${frame.label}, ${frame.valid}: radar reflectivity on a map`;
      panel.tag.textContent = i > 0 && frame.lead <= 0 ? "observed so far" : frame.captions[i];
    });
    mark(frame.lead);
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

  const charts = [...document.querySelectorAll(".chart")].map((svg) => (
    { svg, marker: svg.querySelector(".marker"), ...JSON.parse(svg.dataset.chart) }));
  function mark(lead) {
    for (const chart of charts) {
      const i = chart.minutes.indexOf(lead);
      chart.marker.style.display = i < 0 ? "none" : "";
      if (i >= 0) for (const end of ["x1", "x2"]) chart.marker.setAttribute(end, chart.x[i]);
    }
  }
  function point(chart, event) {
    const tip = $("tip"), box = chart.svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * chart.svg.viewBox.baseVal.width / box.width;
    let i = 0;
    chart.x.forEach((value, n) => { if (Math.abs(value - x) < Math.abs(chart.x[i] - x)) i = n; });
    mark(chart.minutes[i]);
    tip.replaceChildren(make("b", {}, `+${chart.minutes[i]} min`), ...chart.lines.map((line) => make("div", {},
      make("span", {}, line.name),
      make("b", {}, line.values[i] === null ? "–" : line.values[i].toFixed(chart.digits)))));
    tip.hidden = false;
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
  }
  for (const chart of charts) {
    chart.svg.addEventListener("pointermove", (event) => point(chart, event));
    chart.svg.addEventListener("pointerleave", () => {
      $("tip").hidden = true;
      mark(chosen ? chosen.frames[at].lead : null);
    });
  }

  function best(table) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const cells = [...table.tBodies[0].rows].map((row) => row.cells[column]);
      const away = { higher: (v) => -v, lower: (v) => v, one: (v) => Math.abs(v - 1), zero: (v) => Math.abs(v) }[head.dataset.better];
      if (!away || cells.length < 2) return;
      const values = cells.map((cell) => parseFloat(cell.textContent.replace("−", "-")));
      const known = values.filter(Number.isFinite).map(away);
      const least = Math.min(...known), tied = known.every((v) => v === least);
      cells.forEach((cell, i) => cell.classList.toggle("best", !tied && Number.isFinite(values[i]) && away(values[i]) === least));
    });
  }
  const tables = [...document.querySelectorAll("table.scores[data-score]")];
  tables.forEach(best);
  if ($("lead")) $("lead").addEventListener("change", (event) => {
    const which = Number(event.target.value);
    for (const table of tables) {
      for (const cell of table.querySelectorAll("td")) cell.textContent = JSON.parse(cell.dataset.values)[which];
      table.querySelector(".which").textContent = event.target.selectedOptions[0].textContent;
      best(table);
    }
  });

  const tabs = [...document.querySelectorAll("[role=tab]")];
  function choose(tab) {
    for (const other of tabs) {
      other.setAttribute("aria-selected", String(other === tab));
      other.tabIndex = other === tab ? 0 : -1;
      $(other.getAttribute("aria-controls")).hidden = other !== tab;
    }
  }
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.stopPropagation();
      const next = tabs[(i + step + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  });
  if (tabs.length) choose(tabs[0]);

  const group = $("map-threshold");
  function showMaps() {
    for (const maps of document.querySelectorAll(".maps")) maps.hidden = maps.dataset.group !== group.value;
  }
  if (group) { group.addEventListener("change", showMaps); showMaps(); }

  if (data.cases.length) {
    $("coast").setAttribute("d", data.map.coast);
    $("border").setAttribute("d", data.map.border);
    $("case").replaceChildren(...data.cases.map((c, i) => make("option", { value: i }, c.name)));
    $("case").parentElement.hidden = data.cases.length < 2;
    $("panels").style.setProperty("--least", data.cases[0].panels.length > 3 ? "270px" : "320px");
    $("case").addEventListener("change", (event) => build(Number(event.target.value)));
    $("slider").addEventListener("input", (event) => { play(false); show(Number(event.target.value)); });
    $("play").addEventListener("click", () => play(timer === null));
    document.addEventListener("keydown", (event) => {
      if (event.target.matches("select, input, [role=tab]") || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) { play(false); show(at + step); event.preventDefault(); }
      else if (event.key === " " && event.target.id !== "play") { play(timer === null); event.preventDefault(); }
    });
    build(0);
  } else mark(null);
})();
