  // Scores on the map: what is chosen decides the pictures, the scale and what is said of it.
  const maps = data.maps;
  const scored = () => {
    const score = maps.scores[Number($("map-score").value)];
    const which = score.thresholds.length > 1 ? Number($("map-threshold").value) : 0;
    const lead = maps.leads[Number($("map-lead").value)];
    return { score, scale: score.scales[which], threshold: score.thresholds[which], lead };
  };
  const part = (value) => (value === null ? "" : String(value));
  const inWords = ({ score, threshold, lead }) => [threshold === null ? score.label : `${score.label} at ${threshold} dBZ`,
    lead === null ? "all lead times" : `+${lead} min`];
  function mapOf(model, now) {
    const src = maps.images[[now.score.key, part(now.threshold), part(now.lead), model].join("|")];
    if (src === undefined) return null;
    const image = make("img", { alt: `Map of the ${inWords(now).join(", ")}, of ${model}`, src, class: "cells",
      style: `width:${maps.fit[0]}%;height:${maps.fit[1]}%` });
    return image;
  }
  function chooseScore() {
    const { thresholds, first } = maps.scores[Number($("map-score").value)];
    $("map-threshold").replaceChildren(...options(thresholds.map((t) => `≥ ${t} dBZ`)));
    $("map-threshold").value = thresholds.indexOf(first);
    $("map-threshold").parentElement.hidden = thresholds[0] === null;
    showMaps();
  }
  function stepLead(step) {
    const lead = $("map-lead");
    lead.value = Math.max(0, Math.min(Number(lead.value) + step, maps.leads.length - 1));
    showMaps();
  }
  function showMaps() {
    if (!maps) return;
    const now = scored(), [what, when] = inWords(now);
    $("ramp").replaceChildren(...now.scale.colours.map((colour, i) =>
      make("li", { style: `--c:${colour}` }, make("i", {}), make("span", {}, now.scale.bounds[i]))));
    $("ramp-unit").textContent = [now.score.unit, now.score.better].filter(Boolean).join(", ");
    $("map-note").textContent = now.score.note;
    $("map-figures").replaceChildren(...maps.models.map((model) => {
      const image = mapOf(model, now);
      if (!image) return "";
      const enlarged = () => {
        const then = scored(), found = mapOf(model, then) || make("div", { class: "absent" }, "not defined");
        return { title: `${inWords(then)[0]}, ${model}`, note: inWords(then)[1], keys: "← → lead time", legend: $("legend-maps"), map: sheet(found) };
      };
      const tag = make("small", {}, `${what}, ${when}`);
      return make("figure", {}, make("figcaption", {}, make("span", {}, ...swatch(model), model), tag),
        sheet(image, zoomButton(`${what} of ${model}`, enlarged, stepLead)));
    }));
    refresh();
  }
  if (maps) {
    $("map-score").replaceChildren(...options(maps.scores.map((s) => s.label)));
    $("map-lead").replaceChildren(...options(maps.leads.map((lead) => (lead === null ? "all together" : `+${lead} min`))));
    $("map-lead").parentElement.hidden = maps.leads.length < 2;
    $("map-score").addEventListener("change", chooseScore);
    for (const id of ["map-threshold", "map-lead"]) $(id).addEventListener("change", showMaps);
    chooseScore();
  }
