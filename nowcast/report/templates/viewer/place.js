// "My place": a click, coordinates or the name of a town; what every frame says there, drawn and as a table.
const layerOf = key => data.layers.find(layer => layer.key === key);

// Coordinates or the name of a town of the page to a place; null if it is neither.
function parsePlace(text) {
  const town = data.ground.towns.find(t => t[0].toLowerCase() === text.trim().toLowerCase());
  if (town) return { lat: town[3], lon: town[4], name: town[0] };
  const found = text.trim().match(/^([-+]?\d+(?:\.\d+)?)\s*°?\s*([NS])?\s*[,;\s]\s*([-+]?\d+(?:\.\d+)?)\s*°?\s*([EWO])?$/i);
  if (!found) return null;
  const sign = letter => letter && "SW".includes(letter.toUpperCase()) ? -1 : 1;
  const lat = sign(found[2]) * Number(found[1]), lon = sign(found[4]) * Number(found[3]);
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 360 ? { lat, lon, name: "" } : null;
}

const place = (() => {
  const list = $("towns");
  for (const [name] of data.ground.towns) list.append(Object.assign(element("option"), { value: name }));

  function complain(text) {
    $("place-problem").textContent = text;
    $("place").setAttribute("aria-invalid", String(Boolean(text)));
  }

  // Take a place up: {lat, lon} or {row, column}; false if it is off the grid.
  function take(given) {
    const cell = given.row === undefined ? lattice.rowColumn(given.lat, given.lon) : given;
    if (!cell) return false;
    const where = given.lat === undefined ? lattice.lonLat(cell.row, cell.column) : given;
    change({ place: { row: cell.row, column: cell.column, lat: where.lat, lon: where.lon, name: given.name || "" } });
    return true;
  }

  $("place-form").addEventListener("submit", event => {
    event.preventDefault();
    const found = parsePlace($("place").value);
    if (!found) complain("Give latitude and longitude, such as 45.46, 9.19, or a town of the map.");
    else if (!take(found)) complain("This place is off the map.");
    else { complain(""); map.shown.panInside(map.at(state.place.row, state.place.column), { padding: [40, 40], animate: false }); }
  });
  $("place-clear").addEventListener("click", () => { complain(""); change({ place: null }); });

  async function series(cell) {
    const at = cell.row * data.ground.columns + cell.column, main = layerOf("reflectivity").variants[0];
    const chance = layerOf("exceedance_probability"), later = layerOf("observed");
    const read = async (variant, frame) => {
      const codes = await codesAt(variant, frame);
      return codes === null ? NaN : valueOf(data.packs[variant.pack], codes[at]);
    };
    return Promise.all(data.moments.map(async (moment, frame) => {
      const dbz = await read(main, frame);
      return {
        moment, dbz, rate: rainRate(dbz), later: later && !moment.observed ? await read(later.variants[0], frame) : undefined,
        chances: chance ? await Promise.all(chance.variants.map(v => read(v, frame))) : [],
      };
    }));
  }

  // What stands still over the frames: sums and the begin of rain, as pairs of a name and a text.
  async function stills(cell) {
    const at = cell.row * data.ground.columns + cell.column, found = [];
    for (const layer of data.layers.filter(l => l.key.startsWith("rain_sum") || l.key.startsWith("rain_onset")))
      for (const variant of layer.variants) {
        const codes = await codesAt(variant, 0), value = valueOf(data.packs[variant.pack], codes[at]);
        found.push([`${layer.name}${variant.label ? `, ${variant.label}` : ""}`, valueText(layer.quantity, value)]);
      }
    return found;
  }

  function table(rows, thresholds) {
    const made = element("table"), head = element("tr");
    made.append(element("caption", "At this place, every frame"));
    for (const text of ["min", "UTC", "what", "dBZ", "mm/h", ...thresholds.map(t => `P \u2265 ${t}`)]) head.append(Object.assign(element("th", text), { scope: "col" }));
    made.append(element("thead"), element("tbody"));
    made.tHead.append(head);
    for (const s of rows) {
      const line = element("tr");
      line.append(Object.assign(element("th", leadText(s.moment.lead).replace(" min", "")), { scope: "row" }));
      const cells = [UTC.format(new Date(s.moment.valid)), s.moment.observed ? "observed" : "forecast", number(s.dbz, 2), number(s.rate, 2), ...s.chances.map(c => number(100 * c, 1))];
      for (const text of cells) line.append(element("td", text));
      made.tBodies[0].append(line);
    }
    return made;
  }

  const number = (value, digits) => Number.isNaN(value) ? "\u2013" : value === DRY ? "no echo" : `${+value.toFixed(digits)}`;

  async function show() {
    const box = $("at-place"), here = state.place;
    box.hidden = !here;
    map.markPlace(here);
    if (!here) return;
    const cell = { row: Math.floor(here.row), column: Math.floor(here.column) };
    $("place-name").textContent = here.name || nearText(here.row, here.column) || "My place";
    $("place-where").textContent = degreesText(here.lat, here.lon);
    const [rows, still] = [await series(cell), await stills(cell)];
    if (state.place !== here) return;
    const thresholds = (layerOf("exceedance_probability") || { variants: [] }).variants.map(v => v.label);
    $("meteogram").replaceChildren(meteogram(rows, thresholds, layerAt().quantity === "rain_rate"));
    $("later-key").hidden = !layerOf("observed") || layerAt().quantity === "rain_rate";
    $("place-stills").replaceChildren(...still.flatMap(([name, text]) => [element("dt", name), element("dd", text)]));
    $("stills-box").hidden = !still.length;
    $("place-table").replaceChildren(table(rows, thresholds));
  }

  return { take, show };
})();
