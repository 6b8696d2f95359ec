// The map: Leaflet with the grid's own projection, so that a cell is a rectangle and nothing is resampled.
// One unit of the map is a kilometre on the ground in the middle of the grid.
const map = (() => {
  const { rows, columns, km_y, km_x, coast, border, graticule } = data.ground;
  const crs = L.extend({}, L.CRS.Simple, { distance: (a, b) => 1000 * Math.hypot(a.lat - b.lat, a.lng - b.lng) });
  const at = (row, column) => L.latLng(-row * km_y, column * km_x);
  const bounds = L.latLngBounds(at(rows, 0), at(0, columns));
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const shown = L.map("map", {
    crs, zoomSnap: .25, zoomDelta: .5, wheelPxPerZoomLevel: 120, minZoom: -12, maxZoom: Math.log2(64 / km_x), maxBounds: bounds.pad(.5),
    maxBoundsViscosity: .8, attributionControl: false, zoomAnimation: !calm, fadeAnimation: !calm, inertia: !calm,
  });
  shown.createPane("frames").style.zIndex = 350;
  shown.createPane("towns").style.zIndex = 450;
  const canvas = element("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  L.svgOverlay(canvas, bounds, { pane: "frames", className: "frame" }).addTo(shown);
  L.rectangle(bounds, { className: "edge", interactive: false }).addTo(shown);
  const line = flat => {
    const points = [];
    for (let i = 0, column = 0, row = 0; i < flat.length; i += 2) {
      column += flat[i]; row += flat[i + 1];
      points.push(at(row / 10, column / 10));
    }
    return points;
  };
  const lines = { interactive: false, smoothFactor: .6 };
  L.polyline(graticule.map(g => line(g.line)), { ...lines, className: "graticule" }).addTo(shown);
  L.polyline(border.map(line), { ...lines, className: "border" }).addTo(shown);
  L.polyline(coast.map(line), { ...lines, className: "coast" }).addTo(shown);
  for (const { label, line: flat } of graticule) mark(line(flat)[1], label, "degrees");
  L.control.scale({ imperial: false }).addTo(shown);
  shown.getContainer().setAttribute("role", "region");
  shown.getContainer().setAttribute("aria-label", "Map. Arrow keys pan, plus and minus zoom, Enter marks the place under the cross.");

  function mark(where, text, kind) {
    const icon = L.divIcon({ html: element("span", text), className: kind, iconSize: [0, 0] });
    return L.marker(where, { icon, pane: "towns", interactive: false, keyboard: false }).addTo(shown);
  }

  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  function paint(codes, table) {
    if (codes === null) pixels.fill(0);
    else for (let i = 0; i < pixels.length; i++) pixels[i] = table[codes[i]];
    context.putImageData(image, 0, 0);
  }

  // Row and column of a place of the map, null off the grid.
  function cellAt(place) {
    const row = -place.lat / km_y, column = place.lng / km_x;
    return row >= 0 && column >= 0 && row < rows && column < columns ? { row, column } : null;
  }

  let here = null;
  function markPlace(place) {
    if (here) here.remove();
    here = place && L.circleMarker(at(place.row, place.column), { radius: 8, className: "place", interactive: false }).addTo(shown);
  }

  shown.fitBounds(bounds, { animate: false });
  shown.setMinZoom(shown.getBoundsZoom(bounds) - 1);
  return { shown, canvas, bounds, at, cellAt, paint, mark, markPlace };
})();
