// Colours: a table from codes to colours for a layer, and its legend.
const hexa = colour => [1, 3, 5, 7].map(at => colour.length > at ? parseInt(colour.slice(at, at + 2), 16) : 255);
const packed = ([r, g, b, a]) => (a << 24 | b << 16 | g << 8 | r) >>> 0;

function paletteOf(layer) {
  const named = data.palettes[layer.quantity];
  return named[state.palette] || named.safe;
}

function classOf(palette, value) {
  let found = -1;
  while (found + 1 < palette.bounds.length && value >= palette.bounds[found + 1] - 1e-9) found++;
  return found;
}

// The colour of each code as the 32 bits of a canvas.
function colourTable(layer, pack) {
  const palette = paletteOf(layer), table = new Uint32Array(pack.bytes === 1 ? 256 : 65536);
  const colours = palette.colours.map(colour => packed(hexa(colour)));
  table[0] = packed(hexa(palette.not_observed));
  for (let code = 1; code < table.length; code++) {
    const found = classOf(palette, shownValue(layer, pack, code));
    table[code] = found < 0 ? 0 : colours[found];
  }
  return table;
}

function drawLegend(layer) {
  const palette = paletteOf(layer), list = element("ol");
  palette.colours.forEach((colour, i) => {
    const item = element("li"), box = element("i"), tick = palette.ticks[i];
    box.style.background = colour;
    item.append(box, element("span", tick.text), element("span", i % 2 ? tick.other : ""));
    list.append(item);
  });
  const other = palette.ticks.some(tick => tick.other), unit = palette.unit === "1" ? "" : palette.unit;
  const box = $("legend");
  box.replaceChildren(list);
  if (unit) box.append(element("p", unit + (other ? `, below it ${palette.quantity === "reflectivity" ? "mm/h" : "dBZ"} by ${palette.relation}` : "")));
  const gray = element("p"), mark = element("i");
  mark.style.background = palette.not_observed;
  mark.className = "gray";
  gray.append(mark, "nothing can be known");
  box.append(gray);
  box.setAttribute("aria-label", `Colours of ${layer.name}`);
}
