// The meteogram of a place: bars of what the map shows over time, lines of probabilities below.
const SVG = "http://www.w3.org/2000/svg";
function drawing(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// series: [{moment, dbz, rate, chances: [..]}], thresholds: texts of the chances; rates shows mm/h instead of dBZ.
function meteogram(series, thresholds, rates) {
  const wide = 340, left = 34, right = 8, high = 108, second = thresholds.length ? 84 : 0, gap = 22;
  const svg = drawing("svg", { viewBox: `0 0 ${wide} ${14 + high + 20 + (second ? gap + second : 0)}`, role: "img", class: "meteogram" });
  const x = i => left + (i + .5) * (wide - left - right) / series.length, bar = .7 * (wide - left - right) / series.length;
  const layer = { quantity: rates ? "rain_rate" : "reflectivity" }, palette = paletteOf(layer);
  const values = series.map(s => rates ? s.rate : s.dbz), top = rates ? Math.max(5, 1.15 * Math.max(0, ...values.filter(Number.isFinite))) : 65;
  const low = rates ? 0 : 0, y = v => 14 + high * (1 - Math.max(0, v - low) / (top - low));
  const ticks = rates ? niceTicks(top) : [10, 20, 30, 40, 50, 60];
  svg.append(drawing("text", { x: 2, y: 9, class: "axis" }, rates ? "mm/h" : "dBZ"));
  for (const tick of ticks) svg.append(...rule(left, wide - right, y(tick), `${tick}`));
  series.forEach((s, i) => {
    const value = values[i], box = { x: x(i) - bar / 2, width: bar };
    if (Number.isNaN(value)) {
      svg.append(drawing("rect", { ...box, y: 14, height: high, class: "unknown" }));
      return;
    }
    const found = classOf(palette, value);
    if (value > 0) svg.append(drawing("rect", { ...box, y: y(value), height: Math.max(0, 14 + high - y(value)), class: s.moment.observed ? "was" : "comes", fill: found < 0 ? "#9aa4b0" : palette.colours[found] }));
    if (s.later !== undefined && s.later > 0 && !rates) svg.append(drawing("path", { d: `M${x(i) - bar / 2} ${y(s.later)}h${bar}`, class: "later" }));
  });
  const first = series.findIndex(s => !s.moment.observed), border = first < 0 ? wide - right : x(first) - .5 * (wide - left - right) / series.length;
  svg.append(drawing("path", { d: `M${border} 10V${14 + high}`, class: "now" }));
  const under = 14 + high + 12, every = Math.ceil(series.length / 6);
  series.forEach((s, i) => { if ((i - first + 1) % every === 0) svg.append(drawing("text", { x: x(i), y: under, class: "axis middle" }, UTC.format(new Date(s.moment.valid)))); });
  if (second) chances(svg, series, thresholds, x, { left, right: wide - right, top: 14 + high + gap + 10, high: second - 10 });
  svg.setAttribute("aria-label", `${rates ? "Rain rate" : "Reflectivity"} at this place over time; the table below has the numbers.`);
  return svg;
}

function rule(from, to, y, text) {
  return [drawing("path", { d: `M${from} ${y}H${to}`, class: "rule" }), drawing("text", { x: from - 4, y: y + 3, class: "axis end" }, text)];
}

function niceTicks(top) {
  const step = [1, 2, 5, 10, 20, 50].find(s => top / s <= 5) || 50;
  return Array.from({ length: Math.floor(top / step) }, (_, i) => (i + 1) * step);
}

function chances(svg, series, thresholds, x, box) {
  const y = share => box.top + box.high * (1 - share), colours = data.palettes.probability.safe.colours;
  svg.append(drawing("text", { x: 2, y: box.top - 6, class: "axis" }, "probability of at least"));
  for (const share of [0, .5, 1]) svg.append(...rule(box.left, box.right, y(share), `${100 * share} %`));
  thresholds.forEach((text, k) => {
    const colour = colours[Math.min(colours.length - 1, 3 + Math.round(k * (colours.length - 4) / Math.max(1, thresholds.length - 1)))];
    let path = "", pen = "M", end = null;
    series.forEach((s, i) => {
      const share = s.chances[k];
      if (!Number.isFinite(share)) { pen = "M"; return; }
      path += `${pen}${x(i).toFixed(1)} ${y(share).toFixed(1)}`;
      pen = "L"; end = [x(i), y(share)];
    });
    svg.append(drawing("path", { d: path, class: "chance", stroke: colour, "stroke-dasharray": ["", "6 2", "3 2", "1.5 2", "8 2 2 2", "4 4"][k % 6] }));
    svg.append(drawing("text", { x: 118 + 37 * k, y: box.top - 6, class: "axis key" }, text.replace(" dBZ", "")));
    svg.append(drawing("path", { d: `M${104 + 37 * k} ${box.top - 9}h12`, class: "chance", stroke: colour, "stroke-dasharray": ["", "6 2", "3 2", "1.5 2", "8 2 2 2", "4 4"][k % 6] }));
  });
}
