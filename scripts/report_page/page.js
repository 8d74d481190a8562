"use strict";
// Sort tables by their headings, search them, open the plate that a link points to, and enlarge figures.

function valueOf(row, column) {
  const cell = row.cells[column];
  const number = cell.dataset.value;
  return number === undefined ? cell.textContent.trim() : Number(number);
}

function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

function sort(table, heading, column) {
  const descending = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => [valueOf(row, column), row]);
  // Missing values stay last in both directions.
  rows.sort(([a], [b]) => (a === "" || b === "" || !descending ? compare(a, b) : compare(b, a)));
  body.append(...rows.map(([, row]) => row));
}

function search(table, words, status) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !wanted.every((word) => text.includes(word));
    shown += !row.hidden;
  }
  // Of a long table, the page has the first rows.
  const every = table.dataset.every ? `; ${table.dataset.every} are in the file and not searched` : "";
  status.textContent = wanted.length ? `${shown} of ${table.tBodies[0].rows.length} rows${every}` : "";
}

function prepareTables(part) {
  for (const block of part.querySelectorAll("[data-table]")) {
    const table = block.querySelector("table");
    Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      button.addEventListener("click", () => sort(table, heading, column));
      heading.replaceChildren(button);
    });
    const input = block.querySelector("input");
    const status = block.querySelector("[role=status]");
    if (input) input.addEventListener("input", () => search(table, input.value, status));
  }
}
prepareTables(document);

function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (target) target.scrollIntoView();
}
window.addEventListener("hashchange", openTarget);
openTarget();

for (const [name, open] of [["open", true], ["close", false]]) {
  for (const button of document.querySelectorAll(`[data-${name}]`)) {
    button.addEventListener("click", () => {
      for (const part of document.querySelectorAll(`details.${button.dataset[name]}`)) part.open = open;
    });
  }
}

// Figures are enlarged in the page itself, which may have been sent without the files that it links to.
const viewer = document.createElement("dialog");
viewer.className = "viewer";
viewer.setAttribute("aria-label", "Enlarged figure");
document.body.append(viewer);
viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });

function enlarge(link) {
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => viewer.close());
  const file = document.createElement("a");
  file.href = link.getAttribute("href");
  file.textContent = "Full picture in the results folder";
  const head = document.createElement("p");
  head.append(close, " ", file);
  viewer.replaceChildren(head, link.querySelector("img").cloneNode());
  viewer.showModal();
}

function prepareFigures(part) {
  for (const link of part.querySelectorAll("figure a")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      enlarge(link);
    });
  }
}
prepareFigures(document);

// Print collapsed parts as well.
const folded = [];
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open])")) { folded.push(part); part.open = true; }
});
window.addEventListener("afterprint", () => { for (const part of folded.splice(0)) part.open = false; });
