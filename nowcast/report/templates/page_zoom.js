  // Any map enlarged in a dialog, which is drawn anew whenever what it shows changes; arrow keys go on in time.
  let redraw = null, stepOn = null;
  function zoomButton(name, draw, step) {
    const button = make("button", { type: "button", class: "zoom", "aria-label": `Enlarge ${name}` });
    button.addEventListener("click", () => {
      [redraw, stepOn] = [draw, step];
      $("zoom").showModal();
      refresh();
    });
    return button;
  }
  function refresh() {
    if (!$("zoom").open) return;
    const shown = redraw();
    $("zoom-title").textContent = shown.title;
    $("zoom-note").textContent = shown.note;
    $("zoom-keys").textContent = shown.keys;
    $("zoom-map").replaceChildren(shown.map);
    const legend = shown.legend.cloneNode(true);
    legend.removeAttribute("id");
    $("zoom-legend").replaceChildren(legend);
  }
  $("zoom-close").addEventListener("click", () => $("zoom").close());
  $("zoom").addEventListener("click", (event) => { if (event.target === $("zoom")) $("zoom").close(); });
  $("zoom").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) { stepOn(step); event.preventDefault(); }
  });
