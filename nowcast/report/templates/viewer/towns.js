// Names of towns on the map: the largest first, as many as stand free of each other at this zoom.
const towns = (() => {
  let drawn = [];
  function draw() {
    for (const marker of drawn) marker.remove();
    drawn = [];
    const size = map.shown.getSize(), taken = [], most = Math.min(60, Math.max(8, Math.round(size.x * size.y / 16000)));
    for (const [name, row, column] of data.ground.towns) {
      const place = map.at(row, column), { x, y } = map.shown.latLngToContainerPoint(place), wide = 12 + 6.6 * name.length;
      if (x < 4 || y < 8 || x + wide > size.x || y > size.y - 8) continue;
      const box = [x - 6, y - 10, x + wide, y + 10];
      if (taken.some(b => b[0] < box[2] && box[0] < b[2] && b[1] < box[3] && box[1] < b[3])) continue;
      taken.push(box);
      drawn.push(map.mark(place, name, "town"));
      if (drawn.length === most) break;
    }
  }
  map.shown.on("moveend", draw);
  draw();
  return { draw };
})();
