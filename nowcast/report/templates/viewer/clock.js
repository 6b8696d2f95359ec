// Time: the slider with its ticks, play, and the time of the frame in UTC and here.
const UTC = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const HERE = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const leadText = lead => lead === 0 ? "now" : `${lead > 0 ? "+" : "\u2212"}${+Math.abs(lead).toFixed(1)} min`;
const kindText = moment => moment.observed ? "observed" : moment.beyond ? "forecast, beyond what the model was trained for" : "forecast";

function clockText(moment) {
  const valid = new Date(moment.valid), local = HERE.format(valid), utc = `${UTC.format(valid)} UTC`;
  return local.replace("GMT", "UTC") === utc ? utc : `${utc} \u00b7 ${local}`;
}

const clock = (() => {
  const slider = $("slider"), scale = $("scale"), last = data.moments.length - 1;
  let timer = null;
  slider.max = last;
  const every = Math.ceil(data.moments.length / 12), now = data.moments.findIndex(m => m.lead >= 0);
  data.moments.forEach((moment, i) => {
    const tick = element("span", (i - Math.max(now, 0)) % every === 0 ? leadText(moment.lead).replace(" min", "") : "");
    tick.style.left = `${last ? 100 * i / last : 50}%`;
    tick.className = moment.observed ? "observed" : moment.beyond ? "beyond" : "coming";
    scale.append(tick);
  });

  function show() {
    const moment = data.moments[state.frame];
    slider.value = state.frame;
    slider.setAttribute("aria-valuetext", `${leadText(moment.lead)}, ${kindText(moment)}, ${clockText(moment)}`);
    $("lead").textContent = leadText(moment.lead);
    $("kind").textContent = kindText(moment);
    $("kind").className = moment.observed ? "observed" : moment.beyond ? "beyond" : "coming";
    $("valid").textContent = clockText(moment);
    $("day").textContent = DAY.format(new Date(moment.valid));
  }

  function step(by) {
    change({ frame: (state.frame + by + last + 1) % (last + 1) });
  }

  function stop() {
    clearTimeout(timer);
    timer = null;
    $("play").setAttribute("aria-pressed", "false");
    $("play").setAttribute("aria-label", "Play");
  }

  function play() {
    $("play").setAttribute("aria-pressed", "true");
    $("play").setAttribute("aria-label", "Pause");
    const turn = () => { step(1); timer = setTimeout(turn, state.frame === last ? 1500 : 500); };
    timer = setTimeout(turn, 250);
  }

  slider.addEventListener("input", () => { stop(); change({ frame: Number(slider.value) }); });
  $("play").addEventListener("click", () => timer === null ? play() : stop());
  $("back").addEventListener("click", () => { stop(); step(-1); });
  $("on").addEventListener("click", () => { stop(); step(1); });
  return { show, get playing() { return timer !== null; } };
})();
