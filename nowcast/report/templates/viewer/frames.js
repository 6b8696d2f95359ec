// Frames: text of the page to whole numbers and on to values. packing.py made the text and says how.
const HIGHEST_MM_H = 150, DRY = -Infinity;
const planesOf = new Map();

async function inflate(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function unpredict(codes, offset, rows, columns) {
  const mask = codes.BYTES_PER_ELEMENT === 1 ? 255 : 65535;
  for (let row = 0, i = offset; row < rows; row++)
    for (let column = 0; column < columns; column++, i++) {
      const west = column ? codes[i - 1] : 0, north = row ? codes[i - columns] : 0;
      const corner = row && column ? codes[i - columns - 1] : 0;
      const low = west < north ? west : north, high = west < north ? north : west;
      const expected = corner >= high ? low : corner <= low ? high : west + north - corner;
      const zigzag = codes[i];
      codes[i] = (expected + (zigzag & 1 ? -(zigzag + 1) / 2 : zigzag / 2)) & mask;
    }
}

// All planes of a pack, decoded once.
function planes(number) {
  if (!planesOf.has(number)) planesOf.set(number, decode(data.packs[number]));
  return planesOf.get(number);
}

async function decode(pack) {
  const { rows, columns } = data.ground, each = rows * columns, raw = await inflate(pack.text);
  const codes = pack.bytes === 1 ? raw : new Uint16Array(each * pack.planes);
  if (pack.bytes === 2) for (let i = 0; i < codes.length; i++) codes[i] = raw[i] << 8 | raw[i + codes.length];
  for (let plane = 0; plane < pack.planes; plane++) unpredict(codes, plane * each, rows, columns);
  return Array.from({ length: pack.planes }, (_, plane) => codes.subarray(plane * each, (plane + 1) * each));
}

// The value of a code: NaN is unknown, DRY without an echo.
function valueOf(pack, code) {
  if (code === 0) return NaN;
  if (pack.dry && code === 1) return DRY;
  return pack.low + (code - (pack.dry ? 2 : 1)) / pack.steps;
}

function rainRate(dbz) {
  if (dbz === DRY) return 0;
  return Math.min(HIGHEST_MM_H, (10 ** (dbz / 10) / data.relation.a) ** (1 / data.relation.b));
}

// What a layer shows of a code, in the layer's own unit.
function shownValue(layer, pack, code) {
  const value = valueOf(pack, code);
  return layer.quantity === "rain_rate" ? rainRate(value) : value;
}

// The codes of a variant at a position of the slider, null where it has none there.
async function codesAt(variant, frame) {
  const plane = variant.frames[frame];
  return plane < 0 ? null : (await planes(variant.pack))[plane];
}

// A value as text with its unit.
function valueText(quantity, value) {
  if (Number.isNaN(value)) return "not known";
  if (quantity === "reflectivity") return value === DRY ? "no echo" : `${value.toFixed(1)} dBZ`;
  if (quantity === "spread") return `${value.toFixed(1)} dB`;
  if (quantity === "rain_rate") return `${value.toFixed(value < 10 ? 1 : 0)} mm/h`;
  if (quantity === "rain_sum") return `${value.toFixed(1)} mm`;
  if (quantity === "minutes") return `${value.toFixed(0)} min`;
  return `${(100 * value).toFixed(0)} %`;
}
