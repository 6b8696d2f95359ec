// The address of the view: time, layer, map and place in the fragment, so that a link shows the same.
const link = (() => {
  let timer = null, own = "";
  function fragment() {
    const centre = map.cellAt(map.shown.getCenter()), parts = new URLSearchParams();
    parts.set("t", data.moments[state.frame].lead);
    parts.set("show", layerAt().key);
    if (variantAt().label) parts.set("of", variantAt().label);
    if (state.palette !== data.palette) parts.set("colours", state.palette);
    if (centre) {
      const { lat, lon } = lattice.lonLat(centre.row, centre.column);
      parts.set("map", `${lat.toFixed(5)},${lon.toFixed(5)},${map.shown.getZoom().toFixed(2)}`);
    }
    if (state.place) parts.set("place", `${state.place.lat.toFixed(5)},${state.place.lon.toFixed(5)}`);
    return `#${parts}`;
  }

  function write() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      own = fragment();
      $("link").href = own;
      history.replaceState(null, "", own);
    }, 120);
  }

  // What the address asks for, as changes of the state; anything that is not there is left out.
  function read() {
    const parts = new URLSearchParams(location.hash.slice(1)), wanted = {};
    const numbers = key => (parts.get(key) || "").split(",").map(Number);
    const lead = data.moments.findIndex(m => parts.has("t") && m.lead === Number(parts.get("t")));
    if (lead >= 0) wanted.frame = lead;
    const layer = data.layers.findIndex(l => l.key === parts.get("show"));
    if (layer >= 0) Object.assign(wanted, { layer, variant: Math.max(0, data.layers[layer].variants.findIndex(v => v.label === parts.get("of"))) });
    if (parts.has("colours") && data.palettes.reflectivity[parts.get("colours")]) wanted.palette = parts.get("colours");
    const [lat, lon, zoom] = numbers("map"), centre = parts.has("map") && lattice.rowColumn(lat, lon);
    if (centre && Number.isFinite(zoom)) map.shown.setView(map.at(centre.row, centre.column), zoom, { animate: false });
    const [north, east] = numbers("place"), cell = parts.has("place") && lattice.rowColumn(north, east);
    if (cell) wanted.place = { ...cell, lat: north, lon: east, name: "" };
    return wanted;
  }

  addEventListener("hashchange", () => { if (location.hash !== own) change(read()); });
  map.shown.on("moveend", write);
  return { read, write };
})();
