// What all parts of the script share: the data of the page, its state, and short names.
const data = JSON.parse(document.getElementById("forecast").textContent);
const $ = id => document.getElementById(id);
const state = { layer: 0, variant: 0, frame: data.start, palette: data.palette, place: null };
function element(name, text) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return made;
}
