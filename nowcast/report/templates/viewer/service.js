// The service around the map: the age of the nowcast by the visitor's clock, warnings that are over, a fresh page.
{
  const about = document.body.dataset, limit = about.stale === "" ? null : Number(about.stale);
  const tell = () => {
    const time = document.getElementById("reference-time"), then = time ? Date.parse(time.dateTime) : NaN;
    if (Number.isNaN(then) || limit === null) return;
    for (const warning of document.querySelectorAll("[data-until]")) warning.hidden = Date.now() > Date.parse(warning.dataset.until);
    const minutes = Math.round((Date.now() - then) / 60000);
    document.getElementById("age").textContent = `(${minutes > 120 ? `${Math.round(minutes / 60)} hours` : `${minutes} minutes`} old)`;
    if (minutes > limit) {
      document.getElementById("state").textContent = "out of date";
      document.getElementById("state").className = "state bad";
    }
  };
  const busy = () => typeof clock !== "undefined" && clock.playing || document.hidden || document.activeElement && document.activeElement.id === "place";
  setInterval(() => { if (!busy()) location.reload(); }, 120000);
  tell();
  setInterval(tell, 15000);
}
