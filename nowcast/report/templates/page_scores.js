  // Charts that tell their values to pointer and keys, tables for one lead time, and tabs.
  const charts = [...document.querySelectorAll(".chart")].map((svg) => (
    { svg, marker: svg.querySelector(".marker"), ...JSON.parse(svg.dataset.chart) }));
  function mark(lead) {
    for (const chart of charts) {
      const i = chart.minutes.indexOf(lead);
      chart.marker.style.display = i < 0 ? "none" : "";
      if (i >= 0) for (const end of ["x1", "x2"]) chart.marker.setAttribute(end, chart.x[i]);
    }
  }
  function tell(x, y, ...content) {
    const tip = $("tip");
    tip.replaceChildren(...content);
    tip.hidden = false;
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - tip.offsetHeight - 8))}px`;
  }
  function silent() {
    $("tip").hidden = true;
    mark(chosen ? chosen.frames[at].lead : null);
  }
  function tellAt(chart, i, x, y) {
    mark(chart.minutes[i]);
    tell(x, y, make("b", {}, chart.minutes[i] < 0 ? String(chart.minutes[i]) : `+${chart.minutes[i]} min`),
      ...chart.lines.map((line) => make("div", {}, make("span", {}, line.name),
        make("b", {}, line.values[i] === null ? "–" : line.values[i].toFixed(chart.digits)))));
  }
  function byKeys(svg, count, tellNumber) {
    let i = -1;
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") silent();
      if (!step || !count) return;
      i = i < 0 ? (step > 0 ? 0 : count - 1) : (i + step + count) % count;
      tellNumber(i);
      event.preventDefault();
    });
    for (const name of ["pointerleave", "blur"]) svg.addEventListener(name, silent);
  }
  for (const chart of charts) {
    const across = (box) => box.width / chart.svg.viewBox.baseVal.width;
    chart.svg.addEventListener("pointermove", (event) => {
      const box = chart.svg.getBoundingClientRect(), x = (event.clientX - box.left) / across(box);
      let i = 0;
      chart.x.forEach((value, n) => { if (Math.abs(value - x) < Math.abs(chart.x[i] - x)) i = n; });
      tellAt(chart, i, event.clientX, event.clientY);
    });
    byKeys(chart.svg, chart.x.length, (i) => {
      const box = chart.svg.getBoundingClientRect();
      tellAt(chart, i, box.left + chart.x[i] * across(box), box.top + 20);
    });
  }
  for (const plane of document.querySelectorAll(".plane")) {
    const dots = [...plane.querySelectorAll("circle")].filter((dot) => dot.firstElementChild);
    const about = (dot) => {
      const box = dot.getBoundingClientRect();
      tell(box.right, box.bottom, make("span", {}, dot.firstElementChild.textContent));
    };
    plane.addEventListener("pointerover", (event) => { if (dots.includes(event.target)) about(event.target); });
    byKeys(plane, dots.length, (i) => about(dots[i]));
  }

  function best(table) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const cells = [...table.tBodies[0].rows].map((row) => row.cells[column]);
      const away = { higher: (v) => -v, lower: (v) => v, one: (v) => Math.abs(v - 1), zero: (v) => Math.abs(v) }[head.dataset.better];
      if (!away || cells.length < 2) return;
      const values = cells.map((cell) => parseFloat(cell.textContent.replace("−", "-")));
      const known = values.filter(Number.isFinite).map(away);
      const least = Math.min(...known), tied = known.every((v) => v === least);
      cells.forEach((cell, i) => cell.classList.toggle("best", !tied && Number.isFinite(values[i]) && away(values[i]) === least));
    });
  }
  const tables = [...document.querySelectorAll("table.scores[data-score]")];
  tables.forEach(best);
  if ($("lead")) $("lead").addEventListener("change", (event) => {
    const which = Number(event.target.value);
    for (const table of tables) {
      for (const cell of table.querySelectorAll("td")) cell.textContent = JSON.parse(cell.dataset.values)[which];
      table.querySelector(".which").textContent = event.target.selectedOptions[0].textContent;
      best(table);
    }
  });

  // A table wider than the page says so, fades at the side where more is, and can be scrolled by keys.
  function edges(box) {
    const over = box.scrollWidth > box.clientWidth + 1;
    box.classList.toggle("over", over);
    box.classList.toggle("end", box.scrollLeft + box.clientWidth >= box.scrollWidth - 2);
    if (over) box.tabIndex = 0; else box.removeAttribute("tabindex");
  }
  const boxes = [...document.querySelectorAll(".scroll")];
  const watch = new ResizeObserver((entries) => entries.forEach((entry) => edges(entry.target)));
  for (const box of boxes) {
    watch.observe(box);
    box.addEventListener("scroll", () => edges(box), { passive: true });
  }

  const tabs = [...document.querySelectorAll("[role=tab]")];
  function choose(tab) {
    for (const other of tabs) {
      other.setAttribute("aria-selected", String(other === tab));
      other.tabIndex = other === tab ? 0 : -1;
      $(other.getAttribute("aria-controls")).hidden = other !== tab;
    }
  }
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.stopPropagation();
      const next = tabs[(i + step + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  });
  if (tabs.length) choose(tabs[0]);

  const folded = [...document.querySelectorAll("details")];
  addEventListener("beforeprint", () => folded.forEach((part) => { part.open = true; }));
