// The script of the service's page: slider, play, and the age of the nowcast. It fetches nothing but the pictures.
const $ = id => document.getElementById(id);
let timer = null;
function show(i) {
  if (!frames.length) return;
  $("slider").value = i;
  $("map").src = frames[i].source;
  $("map").alt = $("caption").textContent = frames[i].caption;
}
function play() {
  const on = timer === null;
  if (on) timer = setInterval(() => show((Number($("slider").value) + 1) % frames.length), 600);
  else { clearInterval(timer); timer = null; }
  $("play").textContent = on ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(on));
}
function age() {
  const then = Date.parse($("reference-time").dateTime);
  if (Number.isNaN(then) || stale === null) return;
  for (const warning of document.querySelectorAll("[data-until]"))
    warning.hidden = Date.now() > Date.parse(warning.dataset.until);
  const minutes = Math.round((Date.now() - then) / 60000);
  const age = minutes > 120 ? Math.round(minutes / 60) + " hours" : minutes + " minutes";
  $("age").textContent = "(" + age + " old)";
  if (minutes > stale) { $("state").textContent = "out of date"; $("state").className = "state bad"; }
}
for (const frame of frames) new Image().src = frame.source;
setInterval(() => { if (timer === null && $("slider").value === "0") location.reload(); }, 120000);
$("slider").addEventListener("input", e => show(Number(e.target.value)));
$("play").addEventListener("click", play);
age(); setInterval(age, 15000);
