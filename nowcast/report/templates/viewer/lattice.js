// Cells to longitude and latitude and back, through the directions that lattice.py gives at the nodes.
const lattice = (() => {
  const { rows, columns, vectors } = data.ground.lattice, raw = atob(vectors), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const nodes = new Float32Array(bytes.buffer), { rows: H, columns: W } = data.ground;

  // The direction of a place on the grid, rows and columns from its north-west corner; not yet one long.
  function direction(row, column) {
    const u = row / H * (rows - 1), v = column / W * (columns - 1);
    const i = Math.min(Math.max(Math.floor(u), 0), rows - 2), j = Math.min(Math.max(Math.floor(v), 0), columns - 2);
    const a = u - i, b = v - j, found = [0, 0, 0];
    for (let k = 0; k < 3; k++) {
      const at = (m, n) => nodes[3 * ((i + m) * columns + j + n) + k];
      found[k] = (1 - a) * ((1 - b) * at(0, 0) + b * at(0, 1)) + a * ((1 - b) * at(1, 0) + b * at(1, 1));
    }
    const length = Math.hypot(...found);
    return found.map(part => part / length);
  }

  function lonLat(row, column) {
    const [x, y, z] = direction(row, column), degree = 180 / Math.PI;
    return { lon: Math.atan2(y, x) * degree, lat: Math.atan2(z, Math.hypot(x, y)) * degree };
  }

  // Row and column of a place, null off the grid: Gauss-Newton from the nearest node.
  function rowColumn(lat, lon) {
    const up = lat * Math.PI / 180, east = lon * Math.PI / 180;
    const aim = [Math.cos(up) * Math.cos(east), Math.cos(up) * Math.sin(east), Math.sin(up)];
    const dot = (p, q) => p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
    let best = -2, row = 0, column = 0;
    for (let n = 0; n < rows * columns; n++) {
      const near = dot(nodes.subarray(3 * n, 3 * n + 3), aim);
      if (near > best) [best, row, column] = [near, Math.floor(n / columns) / (rows - 1) * H, n % columns / (columns - 1) * W];
    }
    for (let turn = 0; turn < 20; turn++) {
      const here = direction(row, column), miss = aim.map((part, k) => part - here[k]);
      const down = direction(row + .5, column).map((part, k) => 2 * (part - here[k]));
      const right = direction(row, column + .5).map((part, k) => 2 * (part - here[k]));
      const [p, q, r] = [dot(down, down), dot(down, right), dot(right, right)], [s, t] = [dot(down, miss), dot(right, miss)];
      const moved = [(s * r - t * q) / (p * r - q * q), (t * p - s * q) / (p * r - q * q)];
      row += moved[0]; column += moved[1];
      if (!Number.isFinite(row + column)) return null;
      if (Math.hypot(...moved) < 1e-4) break;
    }
    const off = Math.hypot(...direction(row, column).map((part, k) => part - aim[k])) * 6371 / Math.min(data.ground.km_y, data.ground.km_x);
    return off < .1 && row >= 0 && column >= 0 && row < H && column < W ? { row, column } : null;
  }

  return { lonLat, rowColumn };
})();

function degreesText(lat, lon) {
  return `${Math.abs(lat).toFixed(3)}\u00b0 ${lat < 0 ? "S" : "N"}, ${Math.abs(lon).toFixed(3)}\u00b0 ${lon < 0 ? "W" : "E"}`;
}

// The nearest town of the page within 40 km, in words.
function nearText(row, column) {
  const { km_y, km_x, towns } = data.ground;
  let best = null, least = 40;
  for (const [name, r, c] of towns) {
    const away = Math.hypot((r - row) * km_y, (c - column) * km_x);
    if (away < least) [best, least] = [name, away];
  }
  return best === null ? "" : least < 3 ? best : `${least.toFixed(0)} km from ${best}`;
}
