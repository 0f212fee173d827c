(() => {
  "use strict";
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const x = Number(a), y = Number(b);
    return a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y) ? x - y : a < b ? -1 : a > b ? 1 : 0;
  };
  for (const table of document.querySelectorAll("table")) {
    table.querySelectorAll("th").forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => row.cells[column].dataset.sort ?? (row.cells[column].textContent === "–" ? null : row.cells[column].textContent);
        const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
        rows.sort((a, b) => a[0] === null || b[0] === null || !down ? compare(a[0], b[0]) : compare(b[0], a[0]));
        table.tBodies[0].append(...rows.map((pair) => pair[1]));
      });
    });
  }

  // Printing shows what was folded, and folds it again.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(".table > details:not([open])")];
    opened.forEach((item) => { item.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((item) => { item.open = false; }));

  // Read-outs: the lines' own paths are the data; `places` maps them to values.
  const value = (at, [p0, p1, v0, v1, log]) => {
    const part = (at - p0) / (p1 - p0);
    return log ? v0 * (v1 / v0) ** part : v0 + part * (v1 - v0);
  };
  const number = (x, places) => {
    if (places.percent) return `${(100 * x).toFixed(2)}%`;
    const size = Math.abs(x), digits = size >= 1000 ? 0 : size >= 0.1 || size === 0 ? 2 : 4;
    return x.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  };
  const change = (from, to, places) => {
    const made = places.growth ? to / from - 1 : to - from, sign = made < 0 ? "" : "+";
    return sign + (places.growth ? `${(100 * made).toFixed(1)}%` : number(made, places));
  };
  const along = (x, places) => places.dates ? new Date(Math.round(x) * 864e5).toISOString().slice(0, 10) : number(x, {});
  const points = (line) => [...(line.querySelector("path")?.getAttribute("d") ?? "").matchAll(/([ML])\s*(\S+)\s+(\S+)/g)]
    .map((found) => [Number(found[2]), Number(found[3]), found[1] === "M"]);
  const height = (line, x) => {
    let low = 0, high = line.length - 1;
    if (high < 1 || x < line[0][0] - 1 || x > line[high][0] + 1) return null;
    while (high - low > 1) { const middle = (low + high) >> 1; if (line[middle][0] <= x) low = middle; else high = middle; }
    const [a, b] = [line[low], line[high]], width = b[0] - a[0];
    if (b[2]) return Math.abs(a[0] - x) < 1 ? a[1] : null;
    return width > 0 ? a[1] + (b[1] - a[1]) * Math.min(1, Math.max(0, (x - a[0]) / width)) : b[1];
  };
  const shape = (name, svg, style) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, text] of Object.entries(style)) made.setAttribute(key, text);
    svg.append(made);
    return made;
  };
  for (const plot of document.querySelectorAll(".plot[data-places]")) {
    const places = JSON.parse(plot.dataset.places), svg = plot.querySelector("svg");
    const [left, top, right, bottom] = places.frame, box = svg.viewBox.baseVal;
    const hidden = { visibility: "hidden", "pointer-events": "none" };
    let lines = null, rule = null, band = null, at = null, from = null, least = left, most = right;
    const out = document.createElement("p");
    out.className = "readout";
    out.setAttribute("role", "status");
    plot.after(out);
    plot.tabIndex = 0;
    plot.setAttribute("role", "group");
    plot.setAttribute("aria-label", `${plot.closest("figure").querySelector("h3").textContent}: arrow keys read values, with shift they span a period`);
    const prepare = () => {
      if (rule) return;
      lines = places.lines.map(([id, name]) => [name, points(document.getElementById(id))]);
      const ends = lines.flatMap(([, line]) => line.length ? [line[0][0], line[line.length - 1][0]] : []);
      if (ends.length) [least, most] = [Math.max(left, Math.min(...ends)), Math.min(right, Math.max(...ends))];
      band = shape("rect", svg, { ...hidden, y: top, height: bottom - top, fill: "currentColor", opacity: 0.12 });
      rule = shape("line", svg, { ...hidden, y1: top, y2: bottom, stroke: "currentColor", "stroke-dasharray": "3 2" });
    };
    const clear = () => {
      rule?.setAttribute("visibility", "hidden");
      band?.setAttribute("visibility", "hidden");
      out.textContent = "";
      at = from = null;
    };
    const show = () => {
      prepare();
      let place = at = Math.min(most, Math.max(least, at));
      let text;
      if (places.points.length) {
        const near = places.points.reduce((best, item) => Math.abs(item[0] - place) < Math.abs(best[0] - place) ? item : best);
        [place, text] = near;
      } else {
        const read = lines.map(([name, line]) => [name, height(line, place), from === null ? null : height(line, from)])
          .filter((item) => item[1] !== null);
        const when = along(value(place, places.x), places);
        const span = from !== null && Math.abs(from - place) > 1;
        text = (span ? `${along(value(from, places.x), places)} to ${when} · ` : `${when} · `) + read.map(([name, now, before]) =>
          span && before !== null ? `${name} ${change(value(before, places.y), value(now, places.y), places)}` : `${name} ${number(value(now, places.y), places)}`).join(" · ");
        band.setAttribute("visibility", span ? "visible" : "hidden");
        if (span) { band.setAttribute("x", Math.min(from, place)); band.setAttribute("width", Math.abs(from - place)); }
      }
      rule.setAttribute("visibility", "visible");
      rule.setAttribute("x1", place);
      rule.setAttribute("x2", place);
      out.textContent = text;
    };
    const where = (event) => {
      const seen = svg.getBoundingClientRect();
      return box.x + (event.clientX - seen.left) / seen.width * box.width;
    };
    plot.addEventListener("pointermove", (event) => { at = where(event); if (from !== null && !event.buttons) from = null; show(); });
    plot.addEventListener("pointerdown", (event) => { at = from = where(event); show(); });
    plot.addEventListener("pointerleave", clear);
    plot.addEventListener("blur", clear);
    plot.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") clear();
      if (!way) return;
      event.preventDefault();
      prepare();
      at ??= way > 0 ? least - (most - least) / 100 : most + (most - least) / 100;
      if (event.shiftKey) from ??= at; else from = null;
      const stops = places.points.map((item) => item[0]);
      at = stops.length ? (way > 0 ? stops.find((x) => x > at + 0.5) : stops.findLast((x) => x < at - 0.5)) ?? at : at + way * (most - least) / 100;
      show();
    });
  }
})();
