"use strict";
// Sorting and filtering of the table of cells; without scripts the page shows everything, worst first.
(() => {
  const table = document.getElementById("cells");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const text = document.getElementById("text");
  const outcome = document.getElementById("outcome");
  const check = document.getElementById("check");
  const shown = document.getElementById("shown");

  const key = (row, column, numeric) => {
    const value = row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    return numeric ? (value === "" ? -Infinity : Number(value)) : value.toLowerCase();
  };

  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const numeric = head.classList.contains("number");
    head.querySelector("button").addEventListener("click", () => {
      const first = numeric ? "descending" : "ascending";
      const other = numeric ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const keyed = rows.map((row) => [key(row, column, numeric), row]);
      keyed.sort(([a], [b]) => (a < b ? -sign : a > b ? sign : 0));
      body.append(...keyed.map(([, row]) => row));
    });
  });

  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const content = row.textContent.toLowerCase();
      const visible =
        words.every((word) => content.includes(word)) &&
        (!outcome.value || row.dataset.outcome === outcome.value) &&
        (!check.value || row.dataset.check === check.value);
      row.hidden = !visible;
      count += visible;
    }
    shown.textContent = `${count} of ${rows.length} rows`;
  };
  for (const one of [text, outcome, check]) one.addEventListener("input", filter);
  document.querySelector(".tools").hidden = false;
  filter();
})();
