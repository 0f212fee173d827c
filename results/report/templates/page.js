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
      button.textContent = head.textContent || "name";
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
})();
