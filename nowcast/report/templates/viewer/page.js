// The state of the page and what follows from a change of it.
function layerAt() { return data.layers[state.layer]; }
function variantAt() { return layerAt().variants[state.variant]; }

const tables = new Map();
function tableAt() {
  const key = `${state.layer} ${variantAt().pack} ${state.palette}`;
  if (!tables.has(key)) tables.set(key, colourTable(layerAt(), data.packs[variantAt().pack]));
  return tables.get(key);
}

let current = null, drawing_ = 0;
async function draw() {
  const turn = ++drawing_, layer = layerAt(), variant = variantAt(), codes = await codesAt(variant, state.frame);
  if (turn !== drawing_) return;
  current = { layer, pack: data.packs[variant.pack], codes };
  map.paint(codes, tableAt());
  map.canvas.dataset.shown = `${layer.key} ${variant.label} ${state.frame}`;
  $("absent").hidden = codes !== null;
  $("map-title").textContent = `${layer.name}${variant.label ? `, ${layer.choices[0] === "at least" ? "at least " : ""}${variant.label}` : ""}`;
  readOut();
}

// Say what lies under the pointer, or under the cross for the keyboard.
let pointed = null;
function readOut() {
  const box = $("readout");
  if (!pointed || !current) { box.hidden = true; return; }
  const { row, column } = pointed, at = Math.floor(row) * data.ground.columns + Math.floor(column);
  const { lat, lon } = lattice.lonLat(row, column), { layer, pack, codes } = current;
  let text = "nothing at this time";
  if (codes !== null) {
    text = valueText(layer.quantity, shownValue(layer, pack, codes[at]));
    const dbz = valueOf(pack, codes[at]);
    if (["reflectivity", "rain_rate"].includes(layer.quantity) && dbz > DRY) text = `${valueText("reflectivity", dbz)} \u00b7 ${valueText("rain_rate", rainRate(dbz))}`;
  }
  $("read-value").textContent = text;
  $("read-where").textContent = [degreesText(lat, lon), nearText(row, column)].filter(Boolean).join(" \u00b7 ");
  box.hidden = false;
}

function fillVariants() {
  const { variants, choices } = layerAt(), box = $("variant");
  $("variant-box").hidden = variants.length < 2;
  $("variant-name").textContent = choices.join(", ") || "of";
  box.replaceChildren(...variants.map((v, i) => Object.assign(element("option", v.label), { value: i })));
  box.value = state.variant;
}

function change(wanted) {
  const before = { ...state };
  if (wanted.layer !== undefined && wanted.variant === undefined && wanted.layer !== state.layer) wanted.variant = 0;
  Object.assign(state, wanted);
  if (state.layer !== before.layer || wanted.first) { $("layer").value = state.layer; fillVariants(); }
  if (state.variant !== before.variant) $("variant").value = state.variant;
  if (state.layer !== before.layer || state.palette !== before.palette || wanted.first) { $("palette").value = state.palette; drawLegend(layerAt()); }
  clock.show();
  const drawn = draw();
  if (state.place !== before.place || state.layer !== before.layer || state.palette !== before.palette) place.show();
  link.write();
  return drawn;
}

$("layer").append(...data.layers.map((layer, i) => Object.assign(element("option", layer.name), { value: i })));
$("layer").addEventListener("change", event => change({ layer: Number(event.target.value) }));
$("variant").addEventListener("change", event => change({ variant: Number(event.target.value) }));
$("palette").addEventListener("change", event => change({ palette: event.target.value }));
$("whole").addEventListener("click", () => map.shown.fitBounds(map.bounds, { animate: false }));

const box = map.shown.getContainer();
let byKeys = false;
map.shown.on("mousemove", event => { byKeys = false; pointed = map.cellAt(event.latlng); readOut(); });
map.shown.on("mouseout", () => { if (!byKeys) { pointed = null; readOut(); } });
map.shown.on("click", event => { const cell = map.cellAt(event.latlng); if (cell) place.take(cell); });
box.addEventListener("keydown", event => {
  byKeys = true;
  if (event.key === "Enter" && event.target === box) { const cell = map.cellAt(map.shown.getCenter()); if (cell) place.take(cell); }
});
box.addEventListener("focus", () => { if (box.matches(":focus-visible")) { byKeys = true; underCross(); } });
box.addEventListener("blur", () => { byKeys = false; pointed = null; readOut(); });
function underCross() { if (byKeys && document.activeElement === box) { pointed = map.cellAt(map.shown.getCenter()); readOut(); } }
map.shown.on("move", underCross);

// A printed map is as wide as the paper; it keeps what it showed.
for (const [when, query] of [["beforeprint", true], ["afterprint", false]])
  addEventListener(when, () => { const bounds = map.shown.getBounds(); document.body.classList.toggle("printed", query); map.shown.invalidateSize({ animate: false, pan: false }); map.shown.fitBounds(bounds, { animate: false }); });

change({ ...link.read(), first: true }).then(() => { document.body.dataset.ready = "yes"; performance.mark("ready"); });
